//! In front of registries that have the referrers API themselves: olareg, which says of a push that it listed it, and
//! go-containerregistry's, which doesn't.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::stand::{attach, json, push_image, text};
use crate::support::{Backref, Home, Process, http, sha256, tool, until};
use crate::tagged::{INDEX, metric, referrer};

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
        Self::olareg_at(home, &address, true)
    }

    /// With what it held before at that address.
    fn olareg_at(home: &Home, address: &str, has_api: bool) -> Self {
        let mut command = Command::new(tool("olareg"));
        command.args(["serve", "--api-delete", "--addr", address, "--port", "5050", "--dir"]).arg(home.path("olareg"));
        command.arg(format!("--api-referrer={has_api}"));
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
    let doctor = backref.command("doctor").args(["--write", "app/trial"]).output().expect("the binary under test");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.success() && said.contains("OK    app/trial: it lists referrers itself"), "{said}");
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

/// One image of each repository, and what refers to it.
type Images = Vec<(String, String, BTreeSet<String>)>;

/// The same sets by each client, through backref and around it.
fn are_seen(home: &Home, host: &str, images: &Images) {
    for (repository, image, referrers) in images {
        let reference = format!("{host}/{repository}@{image}");
        assert_eq!(discovered(home, &reference), *referrers, "oras, {reference}");
        let listed = json(
            &home.run(&format!("regctl --host reg={host},tls=disabled artifact list --format raw-body {reference}")),
        );
        let listed: BTreeSet<String> =
            listed["manifests"].as_array().expect("a list").iter().map(|one| text(&one["digest"])).collect();
        assert_eq!(listed, *referrers, "regctl, {reference}");
    }
    // cosign shows those that have layers, as what oras attaches: one repository is enough.
    let (repository, image, _) = &images[0];
    let tree = home.run(&format!("cosign tree --allow-http-registry {host}/{repository}@{image}"));
    assert!(tree.contains("application/vnd.test.plain artifacts via OCI referrer"), "{tree}");
}

/// A registry without the API; with backref in front; with the API; without backref. `REPOSITORIES=50 REFERRERS=40` for as
/// many.
#[test]
fn native_way_there_and_away_loses_nobody() {
    let number =
        |name: &str, default: usize| std::env::var(name).map_or(default, |number| number.parse().expect("a number"));
    let (repositories, each) = (number("REPOSITORIES", 4), number("REFERRERS", 6));
    let home = Home::new();
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = format!("127.{}.255.{low}", 192 + high % 32);
    let registry = Native::olareg_at(&home, &address, false);
    let mut images: Images = Vec::new();
    for number in 0..repositories {
        let repository = format!("team/app{number}");
        let reference = format!("{}/{repository}:v1", registry.host);
        let image = push_image(&home, &reference);
        let plain = attach(&home, &reference, "application/vnd.test.plain");
        images.push((repository, image, BTreeSet::from([plain])));
    }
    are_seen(&home, &registry.host, &images);

    let backref = Backref::of(&registry.url()).start();
    for (repository, image, referrers) in &mut images {
        for number in 1..each {
            let manifest = referrer(image, &number.to_string());
            let digest = sha256(&manifest);
            let url = format!("{}/v2/{repository}/manifests/{digest}", backref.url());
            let pushed = http::send("PUT", &url, &[("Content-Type", INDEX)], &manifest);
            assert_eq!(pushed.status, 201, "{pushed:?}");
            referrers.insert(digest);
        }
    }
    are_seen(&home, backref.host(), &images);
    until("the tags to be written", || (metric(&backref, "backref_referrers_tags_pending") == 0).then_some(()));
    are_seen(&home, &registry.host, &images);
    let rebuilt = Backref::of(&registry.url()).start();
    are_seen(&home, rebuilt.host(), &images);
    drop(rebuilt);

    drop(registry);
    let registry = Native::olareg_at(&home, &address, true);
    are_seen(&home, backref.host(), &images);
    let migrate = |line: &[&str]| {
        let mut command = backref.command(line[0]);
        let output = command.args(&line[1..]).output().expect("the binary under test");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = migrate(&["migrate", "--remove-tags"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = migrate(&["verify"]);
    assert!(code == Some(0) && said.matches("backref may go").count() == repositories, "{said}");
    are_seen(&home, backref.host(), &images);
    let rebuilt = Backref::of(&registry.url()).start();
    are_seen(&home, rebuilt.host(), &images);
    drop((rebuilt, backref));
    are_seen(&home, &registry.host, &images);
    for (repository, ..) in &images {
        assert_eq!(http::tags(&registry.host, repository), ["v1"]);
    }
}
