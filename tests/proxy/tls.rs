//! TLS where clients come in: which protocol, which certificate, whose.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use reqwest::{Certificate, Client, Identity, Version, tls};

use crate::http2_client;
use crate::manifests::{INDEX, REPOSITORY, plain, referrer};
use crate::support::{Authority, Backref, Fake, Holdings, http, sha256, tls_config, until};
use crate::wire::Wire;

fn echo() -> Fake {
    Fake::start(|visit| visit.answer("200 OK", &[], "here"))
}

fn up(fake: &Fake, authority: &Authority, more: &str) -> Backref {
    Backref::of(&fake.url()).config(&authority.config(more)).start()
}

/// A client of that authority, with a certificate of its own if it has one.
fn client(
    authority: &Authority,
    identity: Option<&str>,
    options: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Client {
    // Invariant: fails only where another test has done it.
    drop(rustls::crypto::ring::default_provider().install_default());
    let root = Certificate::from_pem(authority.pem().as_bytes()).expect("PEM");
    let mut builder = Client::builder().no_proxy().tls_certs_only([root]);
    if let Some(name) = identity {
        let (certificate, key) = authority.issue(name);
        builder = builder.identity(Identity::from_pem(format!("{key}{certificate}").as_bytes()).expect("PEM"));
    }
    options(builder).build().expect("a client")
}

/// The setting that asks for its certificates.
fn client_ca(authority: &Authority) -> String {
    format!("client_ca = \"{}\"\n", authority.path("ca.pem").display())
}

fn url(backref: &Backref, path: &str) -> String {
    format!("https://{}{path}", backref.host())
}

#[tokio::test]
async fn tls_has_the_protocol_that_the_client_prefers_and_addresses_with_https() {
    let fake = Fake::start(|visit| {
        let to = format!("Location: http://{}/v2/app/blobs/uploads/1", visit.head.values("Host")[0]);
        visit.answer("202 Accepted", &[&to], "");
    });
    let authority = Authority::new();
    let backref = up(&fake, &authority, "");
    for (client, version) in [
        (client(&authority, None, |builder| builder), Version::HTTP_2),
        (client(&authority, None, reqwest::ClientBuilder::http1_only), Version::HTTP_11),
        (client(&authority, None, |builder| builder.tls_version_max(tls::Version::TLS_1_2)), Version::HTTP_2),
    ] {
        let answer = client.post(url(&backref, "/v2/app/blobs/uploads/")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (202, version));
        assert_eq!(answer.headers()["location"], url(&backref, "/v2/app/blobs/uploads/1").as_str());
        assert_eq!(fake.seen().pop().unwrap().head.values("X-Forwarded-Proto"), ["https"]);
    }
    let says = http::get(&format!("{}/metrics", backref.admin_url()), &[]).text();
    let end = says.lines().find_map(|line| line.strip_prefix("backref_certificate_expiry_timestamp_seconds "));
    assert!(end.and_then(|end| end.parse::<i64>().ok()).is_some_and(|end| end > 60_000_000_000), "rcgen's: {says}");
}

#[test]
fn tls_tells_a_client_that_speaks_plain_http() {
    let fake = echo();
    let backref = up(&fake, &Authority::new(), "[limits]\nhead_timeout = \"500ms\"\n");
    let mut wire = Wire::to(backref.host());
    wire.send("GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = wire.answer();
    assert_eq!(answer.head.status(), 400);
    assert!(answer.text().contains("\"UNSUPPORTED\"") && answer.text().contains("https://"), "{}", answer.text());
    // One that says nothing at all, and one that says something else.
    drop(TcpStream::connect(backref.host()).unwrap());
    let mut stream = TcpStream::connect(backref.host()).unwrap();
    stream.write_all(&[22, 3, 1, 0, 1, 0]).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(fake.seen().len(), 0);
}

/// The name in the certificate that is shown to a new connection.
async fn shown(backref: &Backref, authority: &Authority) -> String {
    let client = client(authority, None, |builder| builder.tls_info(true));
    let answer = client.get(url(backref, "/v2/")).send().await.expect("an answer");
    let info = answer.extensions().get::<tls::TlsInfo>().expect("TLS");
    let der = info.peer_certificate().expect("a certificate");
    // The name is in it as it is.
    let names = ["backref", "second", "third"]
        .iter()
        .filter(|name| der.windows(name.len()).any(|part| part == name.as_bytes()));
    names.copied().collect::<Vec<_>>().join(" ")
}

/// As Kubernetes does it: files are links into a folder behind a link, which is swapped for another.
#[tokio::test]
async fn tls_takes_up_a_new_certificate_and_keeps_connections() {
    let (fake, authority) = (echo(), Authority::new());
    let folder = |name: &str| {
        fs::create_dir(authority.path(name)).unwrap();
        authority.issue_into(&authority.path(name), name);
    };
    ["backref", "second", "third"].into_iter().for_each(folder);
    let swap = |to: &str| {
        symlink(authority.path(to), authority.path("next")).unwrap();
        fs::rename(authority.path("next"), authority.path("now")).unwrap();
    };
    swap("backref");
    let (certificate, key) = (authority.path("now/tls.crt"), authority.path("now/tls.key"));
    let backref = Backref::of(&fake.url()).config(&tls_config(&certificate, &key)).start();
    let mut open = http2_client::Client::of(&backref, &authority).await;
    assert_eq!(open.get("/v2/").await.unwrap().status(), 200);
    assert_eq!(shown(&backref, &authority).await, "backref");

    swap("second");
    until("the new certificate to be taken up", || {
        backref.log().contains("the certificate has changed: ").then_some(())
    });
    assert_eq!(shown(&backref, &authority).await, "second");
    assert_eq!(open.get("/v2/").await.unwrap().status(), 200, "an open connection goes on");

    // One file of two is written.
    fs::copy(authority.path("third/tls.crt"), authority.path("second/tls.crt")).unwrap();
    let says = "cannot be used, the one before stays: tls.certificate and tls.key cannot be used together";
    until("the half of a pair to be seen", || backref.log().contains(says).then_some(()));
    assert_eq!(shown(&backref, &authority).await, "second");
    fs::copy(authority.path("third/tls.key"), authority.path("second/tls.key")).unwrap();
    let twice = || backref.log().matches("the certificate has changed: ").count() == 2;
    until("the whole pair to be taken up", || twice().then_some(()));
    assert_eq!(shown(&backref, &authority).await, "third");
    assert_eq!(open.get("/v2/").await.unwrap().status(), 200);
    assert_eq!(backref.log().matches(says).count(), 1, "what can't be used is said once");
}

#[test]
fn tls_that_can_not_be_used_is_said_at_the_start() {
    let authority = Authority::new();
    let config = authority.config("");
    let (_, other) = authority.issue("other");
    let path = |name: &str| authority.path(name);
    for (file, content, says) in [
        ("tls.key", other.as_str(), "tls.certificate and tls.key cannot be used together"),
        ("tls.key", "no key", "tls.key /"),
        ("tls.crt", "", "no certificate in it"),
    ] {
        let before = fs::read(path(file)).unwrap();
        fs::write(path(file), content).unwrap();
        fs::write(path("backref.toml"), &config).unwrap();
        let binary = env!("CARGO_BIN_EXE_backref");
        let ran = std::process::Command::new(binary)
            .args(["serve", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args([
                "--store",
                &format!("sqlite:{}", path("db").display()),
                "--config",
                &path("backref.toml").display().to_string(),
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.code() == Some(2) && said.contains(says), "{file}: {says}: {ran:?}");
        fs::write(path(file), before).unwrap();
    }
}

#[tokio::test]
async fn tls_client_certificates_are_asked_for_and_named_to_the_upstream() {
    let (fake, authority) = (echo(), Authority::new());
    let more = client_ca(&authority) + "subject_header = \"X-Client\"\n";
    let backref = up(&fake, &authority, &more);
    let nobody = client(&authority, None, |builder| builder).get(url(&backref, "/v2/")).send().await;
    assert!(nobody.is_err(), "{nobody:?}");
    let stranger = Authority::new();
    let (certificate, key) = stranger.issue("stranger");
    let identity = Identity::from_pem(format!("{key}{certificate}").as_bytes()).unwrap();
    let refused =
        client(&authority, None, |builder| builder.identity(identity)).get(url(&backref, "/v2/")).send().await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(fake.seen().len(), 0);
    for options in [|builder| builder, reqwest::ClientBuilder::http1_only] {
        let builder = client(&authority, Some("builder"), options);
        let answer = builder.get(url(&backref, "/v2/")).header("X-Client", "CN=admin").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(fake.seen().pop().unwrap().head.values("X-Client"), ["CN=builder"]);
    }
}

#[tokio::test]
async fn tls_client_certificates_are_not_named_where_nobody_asked() {
    let (fake, authority) = (echo(), Authority::new());
    let backref = up(&fake, &authority, &client_ca(&authority));
    client(&authority, Some("builder"), |builder| builder).get(url(&backref, "/v2/")).send().await.unwrap();
    let seen = fake.seen().pop().unwrap();
    assert!(!format!("{:?}", seen.head).contains("builder"), "{seen:?}");
}

/// A registry that decides by what it is told: whom it shows nothing sees nothing, though another was shown it just before.
#[tokio::test]
async fn tls_a_permit_is_for_the_client_that_was_named() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let fake = Fake::start(move |visit| match visit.head.values("X-Client")[..] {
        ["CN=builder"] => holdings.serve(visit),
        _ => visit.answer("403 Forbidden", &[], "{}"),
    });
    let authority = Authority::new();
    let backref = up(&fake, &authority, &(client_ca(&authority) + "subject_header = \"X-Client\"\n"));
    let one = referrer(&sha256(&subject), "one");
    let builder = client(&authority, Some("builder"), |builder| builder);
    let pushed = builder.put(url(&backref, &format!("/v2/{REPOSITORY}/manifests/{}", sha256(&one))));
    let pushed = pushed.header("Content-Type", INDEX).body(one.clone()).send().await.unwrap();
    assert_eq!(pushed.status(), 201);
    let list = url(&backref, &format!("/v2/{REPOSITORY}/referrers/{}", sha256(&subject)));
    for _ in 0..2 {
        let listed = builder.get(&list).send().await.unwrap().text().await.unwrap();
        assert!(listed.contains(&sha256(&one)), "{listed}");
        let stranger = client(&authority, Some("stranger"), |builder| builder).get(&list).send().await.unwrap();
        assert_eq!(stranger.status(), 403);
        assert!(!stranger.text().await.unwrap().contains(&sha256(&one)));
    }
}

/// How two connections of one client began.
async fn handshakes(backref: &Backref, authority: &Authority) -> Vec<HandshakeKind> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM")).expect("an authority");
    let (certificate, key) = authority.issue("somebody");
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_root_certificates(roots).with_client_auth_cert(chain, key).expect("a key");
    let connector = TlsConnector::from(Arc::new(config));
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let stream = tokio::net::TcpStream::connect(backref.host()).await.expect("backref takes connections");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let mut stream = connector.connect(name, stream).await.expect("TLS");
        stream
            .write_all(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await
            .expect("an open connection");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
        kinds.push(stream.get_ref().1.handshake_kind().expect("a handshake"));
    }
    kinds
}

#[tokio::test]
async fn tls_sessions_are_taken_up_again_but_not_where_clients_show_certificates() {
    let (fake, authority) = (echo(), Authority::new());
    let open = handshakes(&up(&fake, &authority, ""), &authority).await;
    assert_eq!(open, [HandshakeKind::Full, HandshakeKind::Resumed]);
    let shown = handshakes(&up(&fake, &authority, &client_ca(&authority)), &authority).await;
    assert_eq!(shown, [HandshakeKind::Full, HandshakeKind::Full]);
}
