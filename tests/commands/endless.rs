//! Registries that never end: lists whose links go on for ever or in circles, referrers of referrers without end, answers
//! that stay away.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::stand::{INDEX, plain, put, referrer};
use crate::support::{Backref, Fake, Gate, Holdings, Visit, sha256, until};

/// A second is what is promised; a loaded machine gets another.
const PROMPTLY: Duration = Duration::from_secs(2);

/// What a command may hold, in KiB: far less than what an endless list would make it hold.
const MOST_MEMORY: u64 = 48 << 10;

/// A command on its way.
struct Running {
    child: Child,
    stdout: PathBuf,
}

fn start(mut command: Command, directory: &Path) -> Running {
    let stdout = directory.join("command.stdout");
    let stderr = File::create(directory.join("command.stderr")).expect("a file");
    command.env("DOCKER_CONFIG", directory.join("nobody"));
    let child = command.stdout(File::create(&stdout).expect("a file")).stderr(stderr).stdin(Stdio::null()).spawn();
    Running { child: child.expect("it starts"), stdout }
}

impl Running {
    /// Its exit status, and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let status = until("the command to end", || self.child.try_wait().expect("the child is ours"));
        (status.code(), std::fs::read_to_string(&self.stdout).expect("its output"))
    }

    /// The same after a signal, which has it end promptly.
    fn interrupt(self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
        let since = Instant::now();
        let ended = self.end();
        assert!(since.elapsed() < PROMPTLY, "it took {:?}", since.elapsed());
        ended
    }

    /// The most memory that it has held, in KiB.
    fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("in KiB")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only on a process that has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The page that a request for a list asks for, by its `last`.
fn page(target: &str) -> usize {
    target.rsplit_once("last=").map_or(0, |(_, page)| page.parse().expect("a number"))
}

/// A page of a list of names, and which one follows it.
fn answer_page(visit: &mut Visit, field: &str, names: &[String], next: usize) {
    let path = visit.head.target().split('?').next().expect("a path").to_owned();
    let link = format!("Link: <{path}?last={next}>; rel=\"next\"");
    visit.answer("200 OK", &[&link], json!({ field: names }).to_string());
}

fn is_catalog(target: &str) -> bool {
    target.starts_with("/v2/_catalog")
}

/// A backref with a database, in front of that registry.
fn in_front_of(fake: &Fake) -> Backref {
    let mut backref = Backref::of(&fake.url()).start();
    backref.terminate();
    backref
}

fn asked(fake: &Fake, is: impl Fn(&str) -> bool) -> usize {
    fake.seen().iter().filter(|seen| is(seen.head.target())).count()
}

#[test]
fn endless_catalog_is_taken_page_by_page_until_a_signal() {
    for (name, signal) in [("backfill", Signal::INT), ("verify", Signal::TERM)] {
        let fake = Fake::start(|visit| {
            let target = visit.head.target().to_owned();
            if is_catalog(&target) {
                let number = page(&target);
                let names: Vec<String> = (0..20).map(|one| format!("page{number}/app{one}")).collect();
                answer_page(visit, "repositories", &names, number + 1);
            } else {
                visit.answer("200 OK", &[], r#"{"tags":[]}"#);
            }
        });
        let backref = in_front_of(&fake);
        let running = start(backref.command(name), backref.directory());
        let last = |seen: &[crate::support::Seen]| seen.iter().position(|seen| seen.head.target().ends_with("last=5"));
        let before = until("six pages", || {
            let seen = fake.seen();
            last(&seen).map(|at| seen[..at].to_vec())
        });
        let visited = before.iter().filter(|seen| seen.head.target().ends_with("/tags/list")).count();
        assert_eq!(visited, 5 * 20, "{name} looks into the repositories of a page before it asks for the next");
        assert!(running.peak_memory() < MOST_MEMORY, "{name}: {} KiB", running.peak_memory());
        let (code, said) = running.interrupt(signal);
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(said.contains("interrupted: run again to continue"), "{name}: {said}");
        let summary = if name == "verify" { "subjects compared: 0" } else { "repositories: " };
        assert!(said.contains(summary), "{name}: {said}");
    }
}

#[test]
fn endless_catalog_is_counted_only_so_far() {
    let gate = Gate::default();
    let held = gate.clone();
    let others: String = (0..9_999).map(|one| format!(",\"a{one}\"")).collect();
    let fake = Fake::start(move |visit| {
        let target = visit.head.target().to_owned();
        let number = page(&target);
        if !is_catalog(&target) {
            return visit.answer("200 OK", &[], "{}");
        }
        if number == 90 {
            held.pass();
        }
        let link = format!("Link: </v2/_catalog?last={}>; rel=\"next\"", number + 1);
        visit.answer("200 OK", &[&link], format!("{{\"repositories\":[\"page{number}\"{others}]}}"));
    });
    let backref = in_front_of(&fake);
    let running = start(backref.command("doctor"), backref.directory());
    gate.wait_for(1);
    let peak = running.peak_memory();
    gate.open();
    assert!(peak < MOST_MEMORY, "{peak} KiB");
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("more than 1000000"), "{said}");
    assert_eq!(asked(&fake, is_catalog), 101);
}

/// Runs a command against lists of which page `number` has those names and that page behind it.
fn with_lists(
    line: &[&str],
    names: impl Fn(usize) -> Vec<String> + Send + Sync + 'static,
    next: impl Fn(usize) -> usize + Send + Sync + 'static,
) -> (Option<i32>, String, usize) {
    let fake = Fake::start(move |visit| {
        let target = visit.head.target().to_owned();
        let number = page(&target);
        if is_catalog(&target) {
            answer_page(visit, "repositories", &names(number), next(number));
        } else if target.starts_with("/v2/app/tags/list") {
            answer_page(visit, "tags", &names(number), next(number));
        } else {
            visit.answer("404 Not Found", &[], "");
        }
    });
    let backref = in_front_of(&fake);
    let (name, arguments) = line.split_first().expect("a command");
    let mut command = backref.command(name);
    command.args(arguments);
    let (code, said) = start(command, backref.directory()).end();
    let pages = asked(&fake, |target| is_catalog(target) || target.starts_with("/v2/app/tags/list"));
    (code, said, pages)
}

const LISTING: [&[&str]; 4] = [&["backfill"], &["verify"], &["backfill", "app"], &["verify", "app"]];

#[test]
fn endless_list_in_a_circle_ends_with_an_error() {
    for line in LISTING {
        let (code, said, pages) = with_lists(line, |page| vec![format!("v{page}")], |page| page % 3 + 1);
        assert_eq!((code, pages), (Some(1), 4), "{line:?}: {said}");
        assert!(said.contains("a page that was read before"), "{line:?}: {said}");
    }
}

#[test]
fn endless_list_with_nothing_new_ends_with_an_error() {
    for line in LISTING {
        for names in [&["v1", "v2"][..], &[]] {
            let named = move |_| names.iter().map(|&name| name.to_owned()).collect();
            let (code, said, pages) = with_lists(line, named, |page| page + 1);
            assert_eq!((code, pages), (Some(1), 2), "{line:?} {names:?}: {said}");
            assert!(said.contains("nothing new"), "{line:?} {names:?}: {said}");
        }
    }
}

#[test]
fn endless_wait_for_the_registry_ends_with_the_first_signal() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let (hangs, gate) = (Arc::new(AtomicBool::new(false)), Gate::default());
    let (hanging, held) = (Arc::clone(&hangs), gate.clone());
    let fake = Fake::start(move |visit| {
        if hanging.load(Ordering::SeqCst) {
            held.pass();
        } else if visit.is("PUT") && visit.head.target().contains("/manifests/sha256-") {
            visit.body();
            visit.answer("403 Forbidden", &[], "");
        } else if visit.head.target().contains("/referrers/") {
            visit.answer("404 Not Found", &[], "");
        } else {
            holdings.serve(visit);
        }
    });
    let mut backref = Backref::of(&fake.url()).start();
    let manifest = referrer(&sha256(&subject), "a");
    put(&backref.url(), &sha256(&manifest), &manifest);
    backref.terminate();
    hangs.store(true, Ordering::SeqCst);
    for name in ["backfill", "verify", "repair", "prune", "doctor"] {
        let asked = fake.seen().len();
        let running = start(backref.command(name), backref.directory());
        until("a request", || (fake.seen().len() > asked).then_some(()));
        let (code, said) = running.interrupt(Signal::TERM);
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(said.contains("interrupted: run again to continue"), "{name}: {said}");
    }
    gate.open();
}

/// A registry whose lists of referrers are made by `list`, from the subject and the page.
fn with_referrers(list: impl Fn(&str, usize) -> (Vec<String>, bool) + Send + Sync + 'static) -> Fake {
    let holdings = Holdings::default();
    holdings.hold_at("/v2/app/manifests/v1", INDEX, &plain("image"));
    Fake::start(move |visit| {
        let target = visit.head.target().to_owned();
        let Some((path, subject)) = target.split_once("/referrers/") else { return holdings.serve(visit) };
        let subject = subject.split('?').next().unwrap_or_default();
        let number = page(&target);
        let (referrers, more) = list(subject, number);
        let entries: Vec<Value> =
            referrers.iter().map(|digest| json!({"mediaType": INDEX, "digest": digest, "size": 2})).collect();
        let body = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
        let link = format!("Link: <{path}/referrers/{subject}?last={}>; rel=\"next\"", number + 1);
        let content_type = format!("Content-Type: {INDEX}");
        let headers = if more { vec![content_type.as_str(), link.as_str()] } else { vec![content_type.as_str()] };
        visit.answer("200 OK", &headers, body);
    })
}

fn tree(fake: &Fake, directory: &Path, arguments: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backref"));
    command.args(["tree", &format!("{}/app:v1", fake.host())]).args(arguments);
    start(command, directory)
}

fn made_of(subject: &str, number: usize) -> String {
    sha256(format!("{subject} {number}").as_bytes())
}

fn is_referrers(target: &str) -> bool {
    target.contains("/referrers/")
}

#[test]
fn endless_tree_ends_at_its_bounds() {
    let directory = tempfile::tempdir().expect("a directory");
    // Each has ten of its own.
    let fake = with_referrers(|subject, _| ((0..10).map(|number| made_of(subject, number)).collect(), false));
    let (code, said) = tree(&fake, directory.path(), &[]).end();
    let stderr = std::fs::read_to_string(directory.path().join("command.stderr")).expect("its output");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("more than 10000 referrers"), "{stderr}");
    assert_eq!(said.matches("sha256:").count(), 1 + 10_000, "what was found is shown");
    assert!(asked(&fake, is_referrers) <= 1001, "{}", asked(&fake, is_referrers));

    // One list without end.
    let fake = with_referrers(|subject, page| ((0..500).map(|one| made_of(subject, page * 500 + one)).collect(), true));
    let (code, said) = tree(&fake, directory.path(), &["--json"]).end();
    assert_eq!(code, Some(1));
    let root: Value = serde_json::from_str(&said).expect("the tree");
    assert_eq!(root["referrers"].as_array().map(Vec::len), Some(10_000));
    assert!(asked(&fake, is_referrers) <= 21, "{}", asked(&fake, is_referrers));

    // One list that goes on without anything in it, and one in which the same goes on.
    for names in [&[][..], &["a"]] {
        let fake = with_referrers(move |_, _| (names.iter().map(|name| made_of(name, 0)).collect(), true));
        let (code, _) = tree(&fake, directory.path(), &[]).end();
        let stderr = std::fs::read_to_string(directory.path().join("command.stderr")).expect("its output");
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains("nothing new"), "{stderr}");
    }
}

#[test]
fn endless_tree_in_depth_ends_where_it_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let fake = with_referrers(|subject, _| (vec![made_of(subject, 0)], false));
    for (arguments, levels) in [(&["--depth", "2"][..], 2), (&[], 16)] {
        let before = asked(&fake, is_referrers);
        let (code, said) = tree(&fake, directory.path(), arguments).end();
        assert_eq!((code, asked(&fake, is_referrers) - before), (Some(0), levels), "{said}");
        assert_eq!(said.matches("sha256:").count(), 1 + levels, "{said}");
        assert!(said.contains(&format!("not looked further: --depth {levels}")), "{said}");
    }
}

#[test]
fn endless_tree_shows_a_circle_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let image = sha256(&plain("image"));
    let other = made_of("other", 0);
    let (one, two) = (image.clone(), other.clone());
    let fake = with_referrers(move |subject, _| (vec![if subject == one { two.clone() } else { one.clone() }], false));
    let (code, said) = tree(&fake, directory.path(), &[]).end();
    assert_eq!((code, asked(&fake, is_referrers)), (Some(0), 2), "{said}");
    assert_eq!((said.matches(&image).count(), said.matches(&other).count()), (2, 1), "{said}");
    assert!(said.contains("(repeated: its referrers are shown once)"), "{said}");
    let (_, said) = tree(&fake, directory.path(), &["--json"]).end();
    let root: Value = serde_json::from_str(&said).expect("the tree");
    assert_eq!(root["referrers"][0]["referrers"][0]["repeated"], true, "{root}");
}

#[test]
fn endless_wait_of_a_tree_ends_with_the_first_signal() {
    let directory = tempfile::tempdir().expect("a directory");
    let (gate, image) = (Gate::default(), sha256(&plain("image")));
    let held = gate.clone();
    let fake = with_referrers(move |subject, _| {
        if subject != image {
            held.pass();
        }
        (vec![made_of(subject, 0)], false)
    });
    let running = tree(&fake, directory.path(), &[]);
    gate.wait_for(1);
    let (code, said) = running.interrupt(Signal::INT);
    gate.open();
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said.matches("sha256:").count(), 2, "what was found is shown: {said}");
}
