//! Registries that never end: lists whose links go on for ever or in circles, answers that stay away.

use std::fs::File;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::running::{asked, entry, index, is_referrers, made_of, page, start};
use crate::stand::{INDEX, plain, put, referrer};
use crate::support::{Backref, Fake, Gate, Holdings, Seen, Visit, sha256, until};

/// What a command may hold, in KiB: far less than what an endless list would make it hold.
const MOST_MEMORY: u64 = 48 << 10;

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
        let last = |seen: &[Seen]| seen.iter().position(|seen| seen.head.target().ends_with("last=5"));
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
        let summary = if name == "verify" { "0 images compared" } else { " read; " };
        assert!(said.contains(summary), "{name}: {said}");
    }
}

#[test]
fn endless_catalog_is_counted_only_so_far() {
    let gate = Gate::default();
    let held = gate.clone();
    let others = (0..9_999).map(|one| format!("\"a{one}\"")).collect::<Vec<_>>().join(",");
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
        visit.answer("200 OK", &[&link], format!("{{\"repositories\":[\"page{number}\",{others}]}}"));
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
        } else if target == "/v2/" {
            visit.answer("200 OK", &[], "{}");
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

#[test]
fn endless_list_of_referrers_is_not_compared() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let is_endless = Arc::new(AtomicBool::new(false));
    let endless = Arc::clone(&is_endless);
    let fake = Fake::start(move |visit| {
        let target = visit.head.target().to_owned();
        let Some((path, _)) = target.split_once('?').or(Some((&target, ""))).filter(|_| is_referrers(&target)) else {
            return holdings.serve(visit);
        };
        if !endless.load(Ordering::SeqCst) {
            return visit.answer("404 Not Found", &[], "");
        }
        let number = page(&target);
        let entries: Vec<Value> = (0..1000).map(|one| entry(&made_of(path, number * 1000 + one))).collect();
        let link = format!("Link: <{path}?last={}>; rel=\"next\"", number + 1);
        visit.answer("200 OK", &[&format!("Content-Type: {INDEX}"), &link], index(&entries));
    });
    let mut backref = Backref::of(&fake.url()).start();
    let manifest = referrer(&sha256(&subject), "a");
    put(&backref.url(), &sha256(&manifest), &manifest);
    backref.terminate();
    is_endless.store(true, Ordering::SeqCst);
    let before = asked(&fake, is_referrers);
    let mut command = backref.command("verify");
    command.arg("app");
    let (code, said) = start(command, backref.directory()).end();
    assert_eq!((code, asked(&fake, is_referrers) - before), (Some(1), 102), "{said}");
    assert!(said.contains("could not be compared: the registry's own list has more than 100000 referrers"), "{said}");
}

#[test]
fn second_signal_ends_at_once() {
    let gate = Gate::default();
    let held = gate.clone();
    let fake = Fake::start(move |visit| {
        if visit.head.target() == "/v2/app/tags/list" {
            held.pass();
        } else {
            visit.answer("200 OK", &[], "{}");
        }
    });
    let backref = in_front_of(&fake);
    let mut command = backref.command("backfill");
    command.arg("app");
    let running = start(command, backref.directory());
    gate.wait_for(1);
    let pid = Pid::from_child(&running.child);
    kill_process(pid, Signal::INT).expect("it runs");
    let stderr = backref.directory().join("command.stderr");
    let has_heard = || std::fs::read_to_string(&stderr).is_ok_and(|said| said.contains("a second signal"));
    until("the first signal to be heard", || has_heard().then_some(()));
    let (code, said) = running.interrupt(Signal::TERM);
    gate.open();
    assert_eq!((code, &said[..]), (Some(1), ""), "nothing more is said");
}

#[test]
fn second_signal_ends_what_waits_for_its_reader() {
    let fake = Fake::start(|visit| match visit.head.target() {
        "/v2/app/tags/list" => {
            let tags: Vec<String> = (0..5000).map(|one| format!("v{one:0>120}")).collect();
            visit.answer("200 OK", &[], json!({ "tags": tags }).to_string());
        }
        "/v2/" => visit.answer("200 OK", &[], "{}"),
        _ => visit.answer("403 Forbidden", &[], ""),
    });
    let backref = in_front_of(&fake);
    let stderr = backref.directory().join("command.stderr");
    let mut command = backref.command("backfill");
    command.args(["app", "--json"]).env("DOCKER_CONFIG", backref.directory().join("nobody"));
    // A pipe that nobody reads has room for 64 KiB: less than 300 of the lines.
    command.stdout(Stdio::piped()).stderr(File::create(&stderr).expect("a file"));
    let mut child = command.spawn().expect("it starts");
    until("more requests than there is room for lines", || (fake.count("HEAD") >= 262).then_some(()));
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).expect("it runs");
    let has_heard = || std::fs::read_to_string(&stderr).is_ok_and(|said| said.contains("a second signal"));
    until("the first signal to be heard", || has_heard().then_some(()));
    kill_process(pid, Signal::INT).expect("it is not waited for yet");
    let status = until("the command to end", || child.try_wait().expect("the child is ours"));
    assert_eq!(status.code(), Some(1));
}
