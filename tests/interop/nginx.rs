//! A registry behind its own TLS proxy: nginx, in each of the ways in which operators tell the registry where clients see it.

use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use rcgen::{CertificateParams, KeyPair};

use crate::stand::{Stand, push_image};
use crate::support::{Backref, Home, Kind, Process, Registry, http};

on_both_upstreams!(
    nginx_with_tls_host_and_scheme_as_distribution_documents_it,
    nginx_with_tls_and_the_host_without_its_port,
    nginx_with_tls_and_the_scheme_alone,
    nginx_with_tls_and_the_host_alone,
    nginx_with_tls_and_the_forwarded_host,
);

fn nginx_with_tls_host_and_scheme_as_distribution_documents_it(kind: Kind) {
    pushes_and_pulls(kind, "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;");
}

fn nginx_with_tls_and_the_host_without_its_port(kind: Kind) {
    pushes_and_pulls(kind, "proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme;");
}

fn nginx_with_tls_and_the_scheme_alone(kind: Kind) {
    pushes_and_pulls(kind, "proxy_set_header X-Forwarded-Proto $scheme;");
}

fn nginx_with_tls_and_the_host_alone(kind: Kind) {
    pushes_and_pulls(kind, "proxy_set_header Host $http_host;");
}

fn nginx_with_tls_and_the_forwarded_host(kind: Kind) {
    pushes_and_pulls(kind, "proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;");
}

/// An image and what is attached to it, through backref in front of nginx in front of the registry.
fn pushes_and_pulls(kind: Kind, headers: &str) {
    let registry = Registry::of(kind).start();
    let home = Home::new();
    let nginx = Nginx::start(&home, registry.host(), headers);
    let config = format!("[upstream]\nca_file = \"{}\"\n", home.path("ca.pem").display());
    let backref = Backref::of(&nginx.url).config(&config).start();
    let stand = Stand { home, backref, registry };

    let image = push_image(&stand.home, &stand.at("app:v1"));
    let sbom = stand.attach("app:v1", "application/vnd.test.sbom.v1+json");
    assert_eq!(stand.listed("app", &image), std::slice::from_ref(&sbom));
    let pulled = stand.home.run(&format!("oras pull --plain-http -o pulled {}", stand.at("app:v1")));
    assert!(pulled.contains("Digest: sha256:"), "{pulled}");
    assert_eq!(stand.home.read("pulled/layer.txt"), stand.at("app:v1"));
    // The registry itself is asked over TLS, on a loopback address.
    let of = format!("{}/app:v1", nginx.url);
    let tree = |more: &[&str]| backref_tree(&[&["tree", of.as_str()], more].concat());
    let (code, said) = tree(&["--ca-file", &stand.home.path("ca.pem").display().to_string()]);
    assert!(code == Some(0) && said.contains(&sbom), "{said}");
    let (code, said) = tree(&[]);
    assert!(code == Some(1) && said.contains("its certificate is not trusted") && said.contains("--ca-file"), "{said}");
    // A second repository: its blobs are mounted, which has a Location too.
    stand.home.run(&format!("crane copy --insecure {} {}", stand.at("app:v1"), stand.at("copy:v1")));
    assert_eq!(http::tags(stand.backref.host(), "copy"), ["v1"]);
}

/// Runs a command, and gives its exit code and all that it says.
fn backref_tree(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_backref")).args(args).output().expect("the binary under test");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

struct Nginx {
    url: String,
    _process: Process,
}

impl Nginx {
    /// At an address of its own, since it can't be asked for a free port. Its certificate is in `ca.pem`.
    fn start(home: &Home, registry: &str, headers: &str) -> Self {
        static STARTED: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = format!("127.{}.{}.{low}", 128 + high % 64, STARTED.fetch_add(1, Ordering::SeqCst));
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([address.clone()]).expect("an address");
        home.write("ca.pem", &params.self_signed(&key).expect("a certificate").pem());
        home.write("key.pem", &key.serialize_pem());
        let folder = home.path("");
        home.write(
            "nginx.conf",
            &format!(
                "daemon off; master_process off; pid nginx.pid; error_log stderr warn; events {{ }}
                 http {{
                     access_log off; client_max_body_size 0;
                     client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                     uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                     server {{
                         listen {address}:8443 ssl;
                         ssl_certificate ca.pem; ssl_certificate_key key.pem;
                         location / {{ proxy_pass http://{registry}; proxy_http_version 1.1; {headers} }}
                     }}
                 }}"
            ),
        );
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(&folder).args(["-c", "nginx.conf", "-e", "stderr"]);
        let mut process = Process::start("nginx", &mut command, &folder);
        let port = format!("{address}:8443");
        process.wait_for("to listen", |_| std::net::TcpStream::connect(&port).ok());
        Self { url: format!("https://{port}"), _process: process }
    }
}
