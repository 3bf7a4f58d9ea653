//! Commands that are interrupted or killed, and run again.

use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{in_database, run};
use crate::stand::{list, plain, put, referrer, up};
use crate::support::{Kind, sha256, until};

/// How many subjects, each with one referrer.
const MANY: usize = 150;

fn end(mut child: Child) -> Option<i32> {
    let status = until("the command to end", || child.try_wait().expect("the child is ours"));
    status.code()
}

#[test]
fn backfill_that_was_interrupted_continues_where_it_ended() {
    let mut stand = up(Kind::Distribution2);
    let registry = stand.registry.url();
    let mut expected = Vec::new();
    for number in 0..MANY {
        let subject = plain(&number.to_string());
        let one = referrer(&sha256(&subject), &number.to_string());
        for manifest in [&subject, &one] {
            put(&registry, &sha256(manifest), manifest);
        }
        put(&registry, &sha256(&subject).replace(':', "-"), &list(&[&one]));
        expected.push((sha256(&subject), sha256(&one)));
    }
    stand.backref.terminate();
    let since = stand.registry.requests().len();
    let read = |since| {
        let requests = stand.registry.requests();
        let all = requests[since..].iter().filter(|line| line.starts_with("GET /v2/app/manifests/sha256:"));
        all.map(|line| line.split(' ').nth(1).unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let mut command = stand.backref.command("backfill");
    let child = command.args(["app", "--jobs", "1", "--json"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.expect("it starts");
    until("a part to be read", || (read(since).len() >= 10).then_some(()));
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    assert_eq!(end(child), Some(1), "what isn't done is a finding");
    let first = read(since);
    assert!(first.len() < MANY, "it was interrupted in the middle: {}", first.len());

    let since = stand.registry.requests().len();
    let ran = run(&stand.backref, "backfill app --json");
    assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{ran:?}");
    let second = read(since);
    assert_eq!(first.len() + second.len(), MANY);
    assert!(second.iter().all(|one| !first.contains(one)), "each referrer was read once");
    for (subject, one) in expected.iter().step_by(40) {
        assert_eq!(in_database(&stand, "app", subject), std::slice::from_ref(one));
    }
}

#[test]
fn backfill_that_was_killed_leaves_nothing_in_the_way_of_the_next() {
    let mut stand = up(Kind::Distribution2);
    let around: Vec<Vec<u8>> = (0..60).map(|number| stand.push_around(&number.to_string())).collect();
    let names: Vec<&[u8]> = around.iter().map(Vec::as_slice).collect();
    put(&stand.registry.url(), &stand.tag(), &list(&names));
    stand.backref.terminate();
    let since = stand.registry.requests().len();
    let mut command = stand.backref.command("backfill");
    let child = command.arg("app").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    until("a part to be read", || (stand.registry.requests().len() > since + 20).then_some(()));
    kill_process(Pid::from_child(&child), Signal::KILL).expect("it runs");
    end(child);
    let ran = run(&stand.backref, "backfill app");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let digests: Vec<String> = around.iter().map(|one| sha256(one)).collect();
    assert_eq!(in_database(&stand, "app", &stand.subject), digests);
}
