//! Addresses in answers: the upstream's become backref's, as the client knows it; all others stay.

use crate::support::{Backref, Fake};
use crate::wire::{Answer, ask};

/// What backref makes of one header, for a client that knows it as `registry.test:81`.
fn through(config: &str, header: impl Fn(&str) -> String + Send + Sync + 'static) -> (Answer, Fake) {
    let fake = Fake::start(move |visit| {
        let own = visit.head.header("Host").expect("one Host").to_owned();
        visit.answer("307 Temporary Redirect", &[&header(&own)], "elsewhere");
    });
    let backref = Backref::of(&fake.url()).config(config).start();
    (ask(backref.host(), "GET /v2/app/blobs/x HTTP/1.1\r\nHost: registry.test:81\r\n\r\n"), fake)
}

#[test]
fn addresses_in_a_location_become_backrefs_where_they_are_the_upstreams() {
    let (answer, _) = through("", |own| format!("Location: http://{own}/v2/app/blobs/uploads/1?_state=x%3D&b='+"));
    let expected = "http://registry.test:81/v2/app/blobs/uploads/1?_state=x%3D&b='+";
    assert_eq!(answer.head.values("Location"), [expected]);
}

#[test]
fn addresses_in_a_location_stay_where_they_are_relative() {
    let (answer, _) = through("", |_| "Location: /v2/app/blobs/uploads/1?_state=x%3D".to_owned());
    assert_eq!(answer.head.values("Location"), ["/v2/app/blobs/uploads/1?_state=x%3D"]);
}

#[test]
fn addresses_in_a_link_become_backrefs_where_they_are_the_upstreams() {
    let (answer, _) = through("", |own| format!("Link: <http://{own}/v2/_catalog?n=1&last=a%2Fb>; rel=\"next\""));
    assert_eq!(answer.head.values("Link"), ["<http://registry.test:81/v2/_catalog?n=1&last=a%2Fb>; rel=\"next\""]);
}

#[test]
fn addresses_of_a_third_party_are_passed_on_and_never_followed() {
    let storage = Fake::start(|visit| visit.answer("200 OK", &[], "secret"));
    let presigned = format!("http://{}/bucket/x?X-Sig=a%2Bb&at=http://127.0.0.1:1/", storage.host());
    let expected = presigned.clone();
    let (answer, _) = through("", move |_| format!("Location: {presigned}"));
    assert_eq!((answer.head.status(), answer.text().as_str()), (307, "elsewhere"));
    assert_eq!(answer.head.values("Location"), [expected]);
    assert_eq!(storage.seen().len(), 0);
}

#[test]
fn addresses_of_the_token_server_become_backrefs_where_they_are_the_upstreams() {
    let challenge = |origin: &str| format!("Bearer realm=\"{origin}/token\",service=\"r\"");
    let (answer, _) = through("", move |own| format!("WWW-Authenticate: {}", challenge(&format!("http://{own}"))));
    assert_eq!(answer.head.values("WWW-Authenticate"), [challenge("http://registry.test:81")]);
    let (answer, _) = through("", move |_| format!("WWW-Authenticate: {}", challenge("https://tokens.test")));
    assert_eq!(answer.head.values("WWW-Authenticate"), [challenge("https://tokens.test")]);
}

#[test]
fn addresses_of_the_token_server_stay_where_rewrite_realm_is_off() {
    let config = "[upstream]\nrewrite_realm = false\n";
    let (answer, fake) =
        through(config, |own| format!("WWW-Authenticate: Bearer realm=\"http://{own}/token\",service=\"r\""));
    let expected = format!("Bearer realm=\"http://{}/token\",service=\"r\"", fake.host());
    assert_eq!(answer.head.values("WWW-Authenticate"), [expected]);
}

/// What becomes of the upload location of a registry behind a proxy that ends TLS, set up as distribution's
/// documentation says: the proxy overwrites the scheme and keeps the rest, and the registry makes its address of both.
#[test]
fn addresses_of_a_registry_behind_a_tls_proxy_become_backrefs() {
    for (config, expected) in [
        ("", "http://registry.test:81/v2/app/blobs/uploads/1?_state=x%3D"),
        ("public_url = \"https://public.test\"\n", "https://public.test/v2/app/blobs/uploads/1?_state=x%3D"),
    ] {
        for by in ["Host", "X-Forwarded-Host"] {
            let fake = Fake::start(move |visit| {
                let host = visit.head.header(by).expect("one").to_owned();
                let location = format!("Location: https://{host}/v2/app/blobs/uploads/1?_state=x%3D");
                visit.answer("202 Accepted", &[&location], "");
            });
            let backref = Backref::of(&fake.url()).config(config).start();
            let request = "POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: registry.test:81\r\nContent-Length: 0\r\n\r\n";
            assert_eq!(ask(backref.host(), request).head.values("Location"), [expected], "{by}, {config}");
        }
    }
}

#[test]
fn addresses_of_backref_come_from_public_url_before_the_host_header() {
    let config = "public_url = \"https://public.test\"\n";
    let (answer, fake) = through(config, |own| format!("Location: http://{own}/v2/x"));
    assert_eq!(answer.head.values("Location"), ["https://public.test/v2/x"]);
    let head = &fake.seen()[0].head;
    assert_eq!(head.values("X-Forwarded-Host"), ["public.test"]);
    assert_eq!(head.values("X-Forwarded-Proto"), ["https"]);
}

/// What the upstream is told of a client that came through a proxy at 127.0.0.1, and where it is then sent.
fn forwarded(config: &str, headers: &str) -> (Vec<String>, String, Backref) {
    let fake = Fake::start(move |visit| {
        let told = |name| visit.head.header(name).unwrap_or("nothing").to_owned();
        let location = format!("Location: {}://{}/v2/x", told("x-forwarded-proto"), told("x-forwarded-host"));
        visit.answer("202 Accepted", &[&location], "");
    });
    let backref = Backref::of(&fake.url()).config(config).start();
    let answer = ask(backref.host(), &format!("GET /v2/ HTTP/1.1\r\nHost: inner:80\r\n{headers}\r\n"));
    let seen = &fake.seen()[0].head;
    let told = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| seen.values(name).join("+"));
    (told.to_vec(), answer.head.values("Location").join("+"), backref)
}

const BY_A_PROXY: &str = "X-Forwarded-For: 203.0.113.9, 192.0.2.7\r\nX-Forwarded-For: 127.0.0.5\r\n\
    X-Forwarded-Proto: https\r\nX-Forwarded-Host: registry.test\r\n";

#[test]
fn addresses_of_clients_are_believed_of_a_trusted_proxy() {
    let (told, location, _) = forwarded("trusted_proxies = \"127.0.0.0/8\"\n", BY_A_PROXY);
    // What stands further left the client may have said itself.
    assert_eq!(told, ["192.0.2.7", "https", "registry.test"]);
    assert_eq!(location, "https://registry.test/v2/x");
    let odd = "X-Forwarded-For: a, 127.0.0.5\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\n";
    let (told, ..) = forwarded("trusted_proxies = \"127.0.0.0/8\"\n", odd);
    assert_eq!(told, ["127.0.0.5", "http", "inner:80"]);
    let config = "public_url = \"https://public.test\"\ntrusted_proxies = \"127.0.0.1\"\n";
    let (told, location, _) = forwarded(config, BY_A_PROXY);
    assert_eq!(
        (told[1..].join(" "), location),
        ("https public.test".to_owned(), "https://public.test/v2/x".to_owned())
    );
}

#[test]
fn addresses_of_clients_are_believed_of_nobody_else_and_that_is_said_once() {
    let (told, location, backref) = forwarded("trusted_proxies = \"10.0.0.0/8\"\n", BY_A_PROXY);
    assert_eq!(told, ["127.0.0.1", "http", "inner:80"]);
    assert_eq!(location, "http://inner:80/v2/x");
    ask(backref.host(), &format!("GET /v2/ HTTP/1.1\r\nHost: a\r\n{BY_A_PROXY}\r\n"));
    assert_eq!(backref.log().matches("is not in trusted_proxies").count(), 1, "{}", backref.log());
}
