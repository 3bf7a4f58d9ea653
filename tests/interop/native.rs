//! In front of registries that have the referrers API themselves: olareg, which says of a push that it listed it, and
//! go-containerregistry's, which doesn't.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::stand::{attach, json, push_image, text};
use crate::support::{Backref, Home, Process, http, tool};

/// A registry with the API, until it is dropped.
struct Native {
    host: String,
    _process: Process,
}

impl Native {
    /// At an address of its own, since it can't be asked for a free port.
    fn olareg(home: &Home) -> Self {
        static STARTED: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = format!("127.{}.{}.{low}", 192 + high % 32, STARTED.fetch_add(1, Ordering::SeqCst));
        let mut command = Command::new(tool("olareg"));
        command.args(["serve", "--store-type", "mem", "--api-delete", "--addr", &address, "--port", "5050"]);
        let mut process = Process::start("olareg", &mut command, &home.path(""));
        let host = format!("{address}:5050");
        process.wait_for("to listen", |_| TcpStream::connect(&host).ok());
        Self { host, _process: process }
    }

    fn go_containerregistry(home: &Home) -> Self {
        let mut process = Process::start("registry", &mut Command::new(tool("registry-with-api")), &home.path(""));
        let host = process.wait_for("its address", |process| {
            process.stdout().lines().next().filter(|line| !line.is_empty()).map(str::to_owned)
        });
        Self { host, _process: process }
    }

    fn url(&self) -> String {
        format!("http://{}", self.host)
    }
}

/// What oras shows of an image.
fn discovered(home: &Home, reference: &str) -> BTreeSet<String> {
    let shown = json(&home.run(&format!("oras discover --plain-http --format json {reference}")));
    shown["referrers"].as_array().expect("a list").iter().map(|one| text(&one["digest"])).collect()
}

fn listed(backref: &Backref, subject: &str) -> BTreeSet<String> {
    http::referrers(backref.host(), "app", subject, &[]).iter().map(|one| text(&one["digest"])).collect()
}

fn set<const N: usize>(digests: [&String; N]) -> BTreeSet<String> {
    digests.into_iter().cloned().collect()
}

/// From before backref came until after it is gone.
fn lists_are_one(registry: &Native, home: &Home) -> Vec<String> {
    let around = format!("{}/app:v1", registry.host);
    let image = push_image(home, &around);
    let before = attach(home, &around, "application/vnd.test.before");
    let backref = Backref::of(&registry.url()).start();
    let through = format!("{}/app:v1", backref.host());
    assert_eq!(listed(&backref, &image), set([&before]));
    let signed = attach(home, &through, "application/vnd.test.through");
    let beside = attach(home, &around, "application/vnd.test.beside");
    let all = set([&before, &signed, &beside]);
    assert_eq!((listed(&backref, &image), discovered(home, &through)), (all.clone(), all.clone()));
    assert_eq!(discovered(home, &around), all);
    let tags = http::tags(&registry.host, "app");
    // Another store, which knows of nothing.
    drop(backref);
    let backref = Backref::of(&registry.url()).start();
    assert_eq!(listed(&backref, &image), all);
    let delete = format!("{}/v2/app/manifests/{signed}", backref.url());
    let deleted = http::send("DELETE", &delete, &[], b"");
    assert_eq!(deleted.status, 202, "{deleted:?}");
    let left = set([&before, &beside]);
    assert_eq!(listed(&backref, &image), left);
    drop(backref);
    assert_eq!(discovered(home, &around), left);
    tags
}

#[test]
fn native_list_of_olareg_and_backrefs_are_one() {
    let home = Home::new();
    let tags = lists_are_one(&Native::olareg(&home), &home);
    assert_eq!(tags, ["v1"], "what it lists needs no referrers tag");
}

#[test]
fn native_list_of_go_containerregistry_and_backrefs_are_one() {
    let home = Home::new();
    let tags = lists_are_one(&Native::go_containerregistry(&home), &home);
    assert_eq!(tags.len(), 2, "it does not say that it listed a push: {tags:?}");
}
