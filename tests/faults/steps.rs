//! `kill -9` at every named step of what writes, and a new start on the same database: every referrer is listed and in
//! the referrers tag, or that tag is stale; what is listed is there; the next push flushes the tag.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, thread};

use crate::support::{Backref, Chaos, Kind, Mishap, Registry, http, sha256, until};
use crate::tagged::{INDEX, Stand, delete, list, metric, plain, put, referrer, url, with};

/// What is asked of backref when it is killed.
#[derive(Clone, Copy, Debug)]
enum Act {
    Push,
    /// A push, when one of the other referrers was deleted directly in the registry.
    PushBesideAbsent,
    Delete,
    DeleteLast,
    /// A delete that the registry refuses as long as a tag lists it.
    DeleteProtected,
    /// A client writes the referrers tag itself, and leaves out what it doesn't know.
    WriteTag,
    DeleteIndex,
    /// The first query, with a referrers tag that was there before.
    Query,
}

/// Where it is killed, and by what it gets there.
const STEPS: &[(Act, &[&str])] = &[
    (Act::Push, &["push-noted", "push-answered", "push-recorded", "change-maintained"]),
    (Act::Push, &["tag-begun", "tag-found", "tag-written", "tag-recorded", "tag-replaced"]),
    (Act::Push, &["commit-due", "commit-due=1*off->", "commit-due=2*off->", "commit-due=3*off->"]),
    (Act::Push, &["committed", "committed=1*off->", "committed=2*off->", "committed=3*off->"]),
    (Act::PushBesideAbsent, &["tag-missed", "tag-written", "tag-written=1*off->"]),
    (Act::Delete, &["delete-noted", "delete-answered", "delete-applied", "change-maintained"]),
    (Act::DeleteProtected, &["delete-taken-out", "delete-applied", "delete-put-back", "tag-begun", "tag-written"]),
    (Act::Delete, &["tag-begun", "tag-found", "tag-written", "tag-recorded", "tag-replaced"]),
    (Act::Delete, &["commit-due=1*off->", "commit-due=2*off->", "committed=1*off->", "committed=2*off->"]),
    (Act::DeleteLast, &["tag-removed", "delete-answered", "change-maintained"]),
    (Act::WriteTag, &["adopt-begun", "adopt-answered", "adopt-settled", "adopt-imported", "tag-begun", "tag-written"]),
    (Act::DeleteIndex, &["adopt-begun", "adopt-answered", "adopt-settled", "tag-begun", "tag-written"]),
    (Act::Query, &["tag-found", "import-checked", "import-seen"]),
];

/// How many steps are tried at a time: each has processes of its own.
const AT_A_TIME: usize = 8;

/// What was sent may land for a little more than two seconds.
pub(crate) const SHORT: &str = "[upstream]\nanswer_timeout = \"1s\"\nconnect_timeout = \"100ms\"\n[permit]\nttl = \"0\"\n\
                                [referrers]\nrecheck = \"100ms\"\n";

#[test]
fn kill_at_each_step_of_a_push_loses_nothing() {
    kill_at_each(|act| matches!(act, Act::Push | Act::PushBesideAbsent));
}

#[test]
fn kill_at_each_step_of_a_delete_loses_nothing() {
    kill_at_each(|act| matches!(act, Act::Delete | Act::DeleteLast | Act::DeleteProtected));
}

#[test]
fn kill_at_each_step_of_a_clients_tag_write_and_of_an_import_loses_nothing() {
    kill_at_each(|act| matches!(act, Act::WriteTag | Act::DeleteIndex | Act::Query));
}

fn kill_at_each(of: impl Fn(Act) -> bool) {
    let steps = STEPS.iter().filter(|(act, _)| of(*act));
    let cases: Vec<(Act, &str)> = steps.flat_map(|(act, steps)| steps.iter().map(|step| (*act, *step))).collect();
    for cases in cases.chunks(AT_A_TIME) {
        thread::scope(|scope| {
            let running: Vec<_> =
                cases.iter().map(|(act, step)| (act, step, scope.spawn(|| kill_at(*act, step)))).collect();
            for (act, step, case) in running {
                assert!(case.join().is_ok(), "{act:?}, killed at {step}");
            }
        });
    }
}

fn kill_at(act: Act, step: &str) {
    let (mut stand, _protecting) = match act {
        Act::DeleteProtected => protected(),
        _ => (with(Registry::of(Kind::Distribution2), |backref| backref.config(SHORT)), None),
    };
    let names: &[&str] = match act {
        Act::DeleteLast => &["other"],
        Act::Query => &[],
        _ => &["kept", "other"],
    };
    let mut pushed: Vec<String> = names.iter().map(|name| stand.push(name)).collect();
    let around = stand.push_around("around");
    let gone = sha256(&referrer(&stand.subject, "kept"));
    match act {
        Act::Query => drop(put(&stand.registry.url(), &stand.tag(), &list(&[&around]))),
        Act::PushBesideAbsent => assert_eq!(delete(&stand.registry.url(), &gone), 202),
        _ => {}
    }
    stand.backref.terminate();
    let (name, when) = step.split_once('=').unwrap_or((step, ""));
    stand.backref.start_to_die(&format!("{name}={when}return"));
    let answer = ask(&stand, act, &around);
    stand.backref.wait_for_death();
    // The one step of a push or delete that may come after its answer.
    assert!(answer.is_none() || matches!((answer, step), (Some(201 | 202), "tag-replaced")), "{answer:?}");
    if answer == Some(201) {
        pushed.push(sha256(&referrer(&stand.subject, "new")));
    }
    stand.backref.start();

    // Before any query: all that was acknowledged and is still there is in the referrers tag, or that tag is stale.
    let here = |digest: &String| is_there(&stand, digest);
    let (tagged, pending) = (stand.tagged(), stand.pending());
    for digest in pushed.iter().filter(|digest| here(digest)) {
        assert!(tagged.contains(digest) || pending > 0, "{digest} is not in the referrers tag, which is not stale");
    }
    until(&format!("{act:?} {step}: what is there to be listed, and nothing else"), || {
        let mut listed: BTreeSet<String> = stand.listed().into_iter().collect();
        if matches!(act, Act::PushBesideAbsent) {
            // Its absence shows when the referrers tag is written.
            listed.remove(&gone);
        }
        assert!(pushed.iter().filter(|digest| here(digest)).all(|digest| listed.contains(digest)), "{listed:?}");
        let new = [referrer(&stand.subject, "new"), around.clone()].map(|manifest| sha256(&manifest));
        let known: BTreeSet<String> = pushed.iter().chain(&new).filter(|digest| here(digest)).cloned().collect();
        // What was pushed directly is known from the referrers tag alone, if the write came that far.
        (listed == known || listed == &known - &BTreeSet::from([sha256(&around)])).then_some(())
    });
    until(&format!("{act:?} {step}: a push to flush the referrers tag"), || {
        stand.push("next");
        (metric(&stand.backref, "backref_referrers_tags_pending") == 0).then_some(())
    });
    let listed = stand.listed();
    assert_eq!(stand.tagged(), listed);
    assert!(listed.iter().all(here), "{listed:?}");
}

/// A registry that refuses to delete what its referrers tag lists, as zot does.
fn protected() -> (Stand, Option<Chaos>) {
    let registry = Registry::of(Kind::Distribution2).start();
    let subject = plain("subject");
    let tag = url(&registry.url(), &sha256(&subject).replace(':', "-"));
    let chaos = Chaos::before(registry.host(), move |head| {
        let digest = head.target().rsplit_once('/').map_or("", |(_, digest)| digest);
        let listed = || http::get(&tag, &[("Accept", INDEX)]).text().contains(digest);
        if head.method() == "DELETE" && digest.starts_with("sha256:") && listed() {
            Mishap::Refused(405)
        } else {
            Mishap::Nothing
        }
    });
    let backref = Backref::of(&chaos.url()).config(SHORT).start();
    put(&registry.url(), &sha256(&subject), &subject);
    (Stand { backref, registry, subject: sha256(&subject) }, Some(chaos))
}

/// The answer's status, if one comes.
fn ask(stand: &Stand, act: Act, around: &[u8]) -> Option<u16> {
    let send = |method: &str, reference: &str, body: &[u8]| {
        http::try_send(method, &url(&stand.url(), reference), &[("Content-Type", INDEX)], body)
    };
    let answer = match act {
        Act::Push | Act::PushBesideAbsent => {
            let manifest = referrer(&stand.subject, "new");
            send("PUT", &sha256(&manifest), &manifest)
        }
        Act::Delete | Act::DeleteLast | Act::DeleteProtected => {
            send("DELETE", &sha256(&referrer(&stand.subject, "other")), b"")
        }
        Act::WriteTag => send("PUT", &stand.tag(), &list(&[around])),
        Act::DeleteIndex => {
            let index = http::get(&url(&stand.registry.url(), &stand.tag()), &[("Accept", INDEX)]).body;
            send("DELETE", &sha256(&index), b"")
        }
        Act::Query => {
            let list = format!("{}/v2/app/referrers/{}", stand.url(), stand.subject);
            http::try_send("GET", &list, &[], b"")
        }
    };
    answer.ok().map(|answer| answer.status)
}

fn is_there(stand: &Stand, digest: &str) -> bool {
    http::get(&url(&stand.registry.url(), digest), &[("Accept", INDEX)]).status == 200
}

#[test]
fn kill_steps_include_every_one_that_the_source_names() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut named = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(path).expect("text");
            named.extend(source.split("step(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
    let tried = STEPS.iter().flat_map(|(_, steps)| *steps);
    let tried: BTreeSet<String> = tried.map(|step| step.split('=').next().unwrap_or(step).to_owned()).collect();
    assert_eq!(named, tried);
}
