//! A service manager that holds the sockets, and is told how it goes (systemd's `sd_listen_fds(3)`, `sd_notify(3)`).

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use tempfile::TempDir;

use crate::support::{Backref, Fake, Gate, http};

fn fake() -> Fake {
    Fake::start(|visit| visit.answer("200 OK", &[], "here"))
}

/// A listening socket that processes started from here inherit.
fn socket() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    fcntl_setfd(&listener, FdFlags::empty()).expect("a descriptor");
    listener
}

/// What a shell does to pass sockets on as descriptors 3 and further, with their names.
fn passing(sockets: &[&TcpListener], names: &str) -> String {
    let redirect = |(at, socket): (usize, &&TcpListener)| format!("exec {}<&{}; ", at + 3, socket.as_raw_fd());
    let redirects: String = sockets.iter().enumerate().map(redirect).collect();
    let variables = format!("LISTEN_FDS={} LISTEN_FDNAMES={names} LISTEN_PID=$$", sockets.len());
    // Not every sh has descriptors of two digits.
    format!("exec bash -c '{redirects}export {variables}; exec \"$0\" \"$@\"' \"$0\" \"$@\"")
}

#[test]
fn sockets_of_a_service_manager_lose_no_connection_over_a_restart() {
    let (fake, clients, admin) = (fake(), socket(), socket());
    let mut backref = Backref::of(&fake.url()).shell(&passing(&[&clients, &admin], "backref.socket:admin")).start();
    let address = clients.local_addr().expect("it is bound").to_string();
    assert_eq!(backref.host(), address);
    assert_eq!(backref.admin_url(), format!("http://{}", admin.local_addr().expect("it is bound")));
    assert_eq!(http::get(&format!("{}/v2/", backref.url()), &[]).status, 200);
    backref.terminate();

    let (url, begun) = (format!("http://{address}/v2/"), Gate::default());
    let comes = begun.clone();
    let waiting = thread::spawn(move || {
        comes.count();
        http::get(&url, &[])
    });
    begun.wait_for(1);
    backref.start();
    assert_eq!(waiting.join().expect("an answer").status, 200);
}

#[test]
fn sockets_two_for_the_same_are_refused() {
    let (first, second) = (socket(), socket());
    let mut command = Command::new("sh");
    command.args(["-c", &passing(&[&first, &second], "a:b"), env!("CARGO_BIN_EXE_backref"), "serve"]);
    let ran = command.args(["--upstream", "http://127.0.0.1:1"]).output().expect("a shell");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("the service manager passes two sockets for clients"), "{said}");
}

#[test]
fn service_manager_is_told_when_backref_is_ready_and_when_it_stops() {
    let (fake, folder) = (fake(), TempDir::new().expect("a folder"));
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let options = Backref::of(&fake.url()).environment("NOTIFY_SOCKET", &path.display().to_string());
    let mut backref = options.start();
    let told = || {
        let mut message = [0; 100];
        let length = manager.recv(&mut message).expect("a message");
        String::from_utf8_lossy(&message[..length]).trim().to_owned()
    };
    assert_eq!(told(), "READY=1");
    assert_eq!(http::get(&format!("{}/readyz", backref.admin_url()), &[]).status, 200);
    backref.terminate();
    assert_eq!(told(), "STOPPING=1");
}
