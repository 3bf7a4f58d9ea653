//! An upstream that speaks TLS: whom it is believed to be, who backref is to it, and which way leads there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Authority, Backref, Fake, http, tls_config, until};

fn echo() -> Fake {
    Fake::start(|visit| visit.answer("200 OK", &[], "here"))
}

/// A TLS server in front of `fake`: another backref, which knows its clients by their certificates where it is told to.
fn with_tls(fake: &Fake, authority: &Authority, more: &str) -> Backref {
    Backref::of(&fake.url()).config(&authority.config(more)).start()
}

fn get(backref: &Backref) -> http::Answer {
    http::get(&format!("{}/v2/", backref.url()), &[])
}

#[test]
fn upstream_certificates_are_believed_of_known_authorities_or_where_it_is_said_that_none_counts() {
    let (fake, authority) = (echo(), Authority::new());
    let upstream = with_tls(&fake, &authority, "");
    let url = format!("https://{}", upstream.host());
    let stranger = Backref::of(&url).start();
    assert_eq!(get(&stranger).status, 502);
    assert!(stranger.log().contains("its certificate is not trusted"), "{}", stranger.log());
    assert_eq!(fake.seen().len(), 0);

    let ca = format!("[upstream]\nca_file = \"{}\"\n", authority.path("ca.pem").display());
    assert_eq!(get(&Backref::of(&url).config(&ca).start()).status, 200);

    let believing = Backref::of(&url).config("[upstream]\ninsecure_skip_verify = true\n").start();
    assert_eq!(get(&believing).status, 200);
    assert!(believing.log().contains("upstream.insecure_skip_verify: whoever answers as"), "{}", believing.log());
}

#[test]
fn upstream_is_shown_a_certificate() {
    let (fake, authority) = (echo(), Authority::new());
    let asks = format!("client_ca = \"{}\"\nsubject_header = \"X-Client\"\n", authority.path("ca.pem").display());
    let upstream = with_tls(&fake, &authority, &asks);
    let url = format!("https://{}", upstream.host());
    let ca = format!("[upstream]\nca_file = \"{}\"\n", authority.path("ca.pem").display());
    assert_eq!(get(&Backref::of(&url).config(&ca).start()).status, 502, "it shows none");
    std::fs::create_dir(authority.path("own")).expect("a folder");
    authority.issue_into(&authority.path("own"), "in front");
    let own = tls_config(&authority.path("own/tls.crt"), &authority.path("own/tls.key")).replace("[tls]\n", "");
    assert_eq!(get(&Backref::of(&url).config(&(ca + &own)).start()).status, 200);
    assert_eq!(fake.seen().pop().expect("a request").head.values("X-Client"), ["CN=in front"]);
}

/// A forward proxy that takes every name for `target`, and the first lines that it was told.
fn proxy(target: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, target, heard) = (client.expect("a connection"), target.clone(), heard.clone());
            thread::spawn(move || carry(client, &target, &heard));
        }
    });
    (address, told)
}

fn carry(client: TcpStream, target: &str, heard: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().expect("a handle"));
    let mut first = String::new();
    while !first.ends_with("\r\n\r\n") {
        if reader.read_line(&mut first).expect("a line") == 0 {
            return;
        }
    }
    heard.lock().expect("no one panicked").push(first.clone());
    let mut server = TcpStream::connect(target).expect("the upstream");
    let mut client = client;
    if first.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("an open connection");
    } else {
        server.write_all(first.as_bytes()).expect("an open connection");
    }
    let (mut from, mut to) = (server.try_clone().expect("a handle"), client.try_clone().expect("a handle"));
    let back = thread::spawn(move || std::io::copy(&mut from, &mut to));
    let mut rest = [0; 4096];
    while let Ok(read @ 1..) = reader.read(&mut rest) {
        if server.write_all(&rest[..read]).is_err() {
            break;
        }
    }
    drop(server.shutdown(std::net::Shutdown::Both));
    drop(back.join());
}

#[test]
fn upstream_is_reached_by_the_proxy_of_the_environment() {
    let (fake, authority) = (echo(), Authority::new());
    let (address, told) = proxy(fake.host());
    let by_it = |url: &str, name: &str| Backref::of(url).environment(name, &format!("http://u:s@{address}"));
    let backref = by_it("http://registry.test:5000", "HTTP_PROXY").start();
    let answer = get(&backref);
    assert_eq!((answer.status, answer.text().as_str()), (200, "here"));
    let head = told.lock().expect("no one panicked").pop().expect("it was asked");
    assert!(head.starts_with("GET http://registry.test:5000/v2/ HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic dtpz\r\n"), "{head}");
    assert!(!backref.log().contains("u:s"), "{}", backref.log());
    let direct = by_it("http://registry.test:5000", "HTTP_PROXY").environment("NO_PROXY", "registry.test").start();
    assert_eq!(get(&direct).status, 502, "there is no such host");
    let here = by_it(&fake.url(), "HTTP_PROXY").start();
    assert_eq!(get(&here).status, 200);
    assert_eq!(told.lock().expect("no one panicked").len(), 0);

    let upstream = with_tls(&fake, &authority, "");
    let (address, told) = proxy(upstream.host().to_owned());
    let config = "[upstream]\ninsecure_skip_verify = true\n";
    let secure = Backref::of("https://registry.test").environment("https_proxy", &address).config(config).start();
    assert_eq!(get(&secure).status, 200);
    assert!(told.lock().expect("no one panicked")[0].starts_with("CONNECT registry.test:443 HTTP/1.1\r\n"));
    let seen = until("the request", || fake.seen().pop());
    assert_eq!(seen.head.target(), "/v2/");
}
