//! `tree` of registries that never end: referrers of referrers without end or in circles, lists that go on for ever,
//! answers that stay away.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::running::{Running, asked, entry, index, is_referrers, made_of, page, start};
use crate::stand::{INDEX, plain};
use crate::support::{Fake, Gate, Holdings, sha256};

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
        let body = index(&referrers.iter().map(|digest| entry(digest)).collect::<Vec<_>>());
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

#[test]
fn endless_annotations_of_a_tree_are_shown_as_they_are_within_its_bound() {
    let directory = tempfile::tempdir().expect("a directory");
    let holdings = Holdings::default();
    holdings.hold_at("/v2/app/manifests/v1", INDEX, &plain("image"));
    let long = "x".repeat(3 << 20);
    let fake = Fake::start(move |visit| {
        let target = visit.head.target().to_owned();
        let Some((path, _)) = target.split_once('?').or(Some((&target, ""))).filter(|_| is_referrers(&target)) else {
            return holdings.serve(visit);
        };
        let number = page(&target);
        let mut one = entry(&made_of(path, number));
        one["annotations"] = json!({"a": format!("{number}"), "b": long});
        let link = format!("Link: <{path}?last={}>; rel=\"next\"", number + 1);
        visit.answer("200 OK", &[&format!("Content-Type: {INDEX}"), &link], index(&[one]));
    });
    let (code, said) = tree(&fake, directory.path(), &["--json"]).end();
    let stderr = std::fs::read_to_string(directory.path().join("command.stderr")).expect("its output");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("the lists of referrers have more than 16 MiB"), "{stderr}");
    let root: Value = serde_json::from_str(&said).expect("the tree");
    let shown = root["referrers"].as_array().expect("a list");
    assert_eq!((shown.len(), &shown[4]["annotations"]["a"]), (5, &"4".into()));
}
