//! Who refers to whom while others read and write the tag: orders of events in which something was lost or brought back, as
//! `tests/model` finds them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use crate::stand::{INDEX, list, metric, plain, referrer};
use crate::support::http::{self, Answer};
use crate::support::{Backref, Fake, Gate, Holdings, Visit, sha256, until};

const OWNER: (&str, &str) = ("Authorization", "Basic b3duZXI6b3duZXI=");
/// Anybody else, of whom each test says what the registry refuses.
const OTHER: (&str, &str) = ("Authorization", "Basic b3RoZXI6b3RoZXI=");

const NO_MEMORY: &str = "[permit]\nttl = \"0\"\n[referrers]\nrecheck = \"1ms\"\n";

struct Stand {
    backref: Backref,
    fake: Fake,
    holdings: Holdings,
    subject: String,
    trap: Trap,
}

/// Holds back the answer to the next request of a kind, which is carried out.
#[derive(Clone, Default)]
struct Trap(Arc<Mutex<Option<(String, String, Gate)>>>);

impl Trap {
    /// Set for a method and the end of a path.
    fn set(&self, method: &str, path: &str) -> Gate {
        let gate = Gate::default();
        *self.0.lock().expect("no one panicked") = Some((method.to_owned(), path.to_owned(), gate.clone()));
        gate
    }

    fn holds(&self, holdings: &Holdings, visit: &mut Visit) -> bool {
        let mut set = self.0.lock().expect("no one panicked");
        let Some((_, _, gate)) =
            set.take_if(|(method, path, _)| visit.is(method) && visit.head.target().ends_with(path.as_str()))
        else {
            return false;
        };
        drop(set);
        let reply = holdings.apply(visit);
        gate.pass();
        if let Some(reply) = reply {
            reply.give(visit);
        }
        true
    }
}

/// `meddle` sees every request first.
fn up(config: &str, meddle: impl Fn(&Holdings, &mut Visit) -> bool + Send + Sync + 'static) -> Stand {
    let (holdings, trap) = (Holdings::default(), Trap::default());
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let traps = trap.clone();
    let fake = holdings.upstream(move |held, visit| meddle(held, visit) || traps.holds(held, visit));
    let backref = Backref::of(&fake.url()).config(config).start();
    Stand { backref, fake, holdings, subject: sha256(&subject), trap }
}

fn is_tag(visit: &Visit) -> bool {
    visit.head.target().contains("/manifests/sha256-")
}

fn is_other(visit: &Visit) -> bool {
    visit.head.header("Authorization") == Some(OTHER.1)
}

/// May read and delete, not push.
fn only_deletes(_: &Holdings, visit: &mut Visit) -> bool {
    let refused = visit.is("PUT") && is_other(visit);
    if refused {
        visit.answer("403 Forbidden", &[], "{}");
    }
    refused
}

impl Stand {
    fn send(&self, method: &str, reference: &str, who: (&str, &str), body: &[u8]) -> Answer {
        let url = format!("{}/v2/app/manifests/{reference}", self.backref.url());
        http::send(method, &url, &[("Content-Type", INDEX), who], body)
    }

    fn manifest(&self, name: &str) -> Vec<u8> {
        referrer(&self.subject, name)
    }

    fn digest(&self, name: &str) -> String {
        sha256(&self.manifest(name))
    }

    fn push(&self, name: &str) {
        let pushed = self.send("PUT", &self.digest(name), OWNER, &self.manifest(name));
        assert_eq!(pushed.status, 201, "{pushed:?}");
    }

    fn delete(&self, name: &str, who: (&str, &str)) -> u16 {
        self.send("DELETE", &self.digest(name), who, b"").status
    }

    fn hold(&self, name: &str) {
        self.holdings.hold("app", INDEX, &self.manifest(name));
    }

    /// The tag is written around backref, by a client that knows of these.
    fn tag_around(&self, names: &[&str]) {
        let manifests: Vec<Vec<u8>> = names.iter().map(|name| self.manifest(name)).collect();
        let refs: Vec<&[u8]> = manifests.iter().map(Vec::as_slice).collect();
        self.holdings.hold_at(&format!("/v2/app/manifests/{}", self.tag()), INDEX, &list(&refs));
    }

    fn put_list(&self, who: (&str, &str), names: &[&str]) -> u16 {
        let manifests: Vec<Vec<u8>> = names.iter().map(|name| self.manifest(name)).collect();
        let refs: Vec<&[u8]> = manifests.iter().map(Vec::as_slice).collect();
        self.send("PUT", &self.tag(), who, &list(&refs)).status
    }

    fn tag(&self) -> String {
        self.subject.replace(':', "-")
    }

    fn listed_to(&self, who: (&str, &str)) -> Vec<String> {
        self.names(&http::referrers(self.backref.host(), "app", &self.subject, &[who]))
    }

    fn listed(&self) -> Vec<String> {
        self.listed_to(OWNER)
    }

    fn tagged(&self) -> Vec<String> {
        let url = format!("{}/v2/app/manifests/{}", self.fake.url(), self.tag());
        let answer = http::get(&url, &[("Accept", INDEX), OWNER]);
        let entries = if answer.status == 404 {
            Vec::new()
        } else {
            answer.json()["manifests"].as_array().cloned().expect("a list")
        };
        self.names(&entries)
    }

    /// The digests of a list, by the names of the manifests, in order.
    fn names(&self, entries: &[serde_json::Value]) -> Vec<String> {
        let name = |entry: &serde_json::Value| {
            let found = ["a", "b", "c", "d"].into_iter().find(|name| entry["digest"] == self.digest(name));
            found.map_or_else(|| entry["digest"].to_string(), str::to_owned)
        };
        let mut names: Vec<String> = entries.iter().map(name).collect();
        names.sort();
        names
    }

    fn pending(&self) -> u64 {
        metric(&self.backref, "backref_referrers_tags_pending")
    }

    fn unresolved(&self) -> u64 {
        metric(&self.backref, "backref_unresolved_writes")
    }

    fn deletes_of(&self, name: &str) -> usize {
        let path = format!("/v2/app/manifests/{}", self.digest(name));
        self.fake.seen().iter().filter(|seen| seen.head.method() == "DELETE" && seen.head.target() == path).count()
    }
}

#[test]
fn delete_that_gets_404_erases_no_push_that_came_after_the_upstream_was_asked() {
    // Without a tag, from which it would be read again.
    let stand = up("[referrers]\ntag = \"off\"\n", |_, visit| {
        let refused = is_other(visit) && !visit.is("HEAD") && !visit.is("GET");
        if refused {
            visit.answer("404 Not Found", &[], "{}");
        }
        refused
    });
    let asked = stand.trap.set("HEAD", &stand.digest("a"));
    std::thread::scope(|scope| {
        let deleting = scope.spawn(|| stand.delete("a", OTHER));
        asked.wait_for(1);
        stand.push("a");
        asked.open();
        assert_eq!(deleting.join().expect("an answer"), 404);
    });
    assert_eq!(stand.listed(), ["a"]);
}

/// The referrer is not in the tag: the first refusal can't have been for that.
#[test]
fn delete_that_is_refused_is_not_sent_again_where_nothing_was_taken_out_of_the_tag() {
    let refuse = Arc::new(Mutex::new(vec!["404 Not Found", "403 Forbidden"]));
    let stand = up("", move |_, visit| {
        let status = match () {
            () if is_tag(visit) && visit.is("PUT") => "403 Forbidden",
            () if is_other(visit) && visit.is("DELETE") => {
                refuse.lock().expect("no one panicked").pop().unwrap_or("404 Not Found")
            }
            () => return false,
        };
        visit.answer(status, &[], "{}");
        true
    });
    stand.push("a");
    assert_eq!(stand.listed(), ["a"], "which looks at the tag");
    assert_eq!(stand.delete("a", OTHER), 403);
    assert_eq!((stand.deletes_of("a"), stand.unresolved(), stand.listed()), (1, 0, vec!["a".to_owned()]));
}

/// Whose tag is 404 to a caller who has to delete its only entry.
#[test]
fn delete_that_is_refused_leaves_a_tag_that_its_caller_does_not_see_as_it_was() {
    let stand = up("", |_, visit| {
        let status = match () {
            () if !is_other(visit) => return false,
            () if visit.is("DELETE") => "405 Method Not Allowed",
            () => "404 Not Found",
        };
        visit.answer(status, &[], "{}");
        true
    });
    stand.push("a");
    assert_eq!((stand.pending(), stand.unresolved()), (0, 0));
    assert_eq!(stand.delete("a", OTHER), 405);
    assert_eq!((stand.deletes_of("a"), stand.pending(), stand.unresolved()), (1, 0, 0));
    assert_eq!((stand.listed(), stand.tagged()), (vec!["a".to_owned()], vec!["a".to_owned()]));
}

/// By somebody who may write the tag and not delete.
#[test]
fn delete_that_is_sent_again_and_gets_404_is_believed_no_more_than_the_first() {
    let refuse = Arc::new(Mutex::new(vec!["404 Not Found", "405 Method Not Allowed"]));
    let stand = up("", move |_, visit| {
        let is_it = is_other(visit) && visit.is("DELETE") && !is_tag(visit) && visit.head.target().contains("/sha256:");
        let status = if is_it { refuse.lock().expect("no one panicked").pop() } else { None };
        if let Some(status) = status {
            visit.answer(status, &[], "{}");
        }
        status.is_some()
    });
    stand.push("a");
    stand.push("b");
    assert_eq!(stand.delete("a", OTHER), 404);
    assert_eq!((stand.deletes_of("a"), stand.listed()), (2, vec!["a".to_owned(), "b".to_owned()]));
    until("the tag to be put back", || (stand.tagged() == ["a", "b"] && stand.pending() == 0).then_some(()));
}

#[test]
fn delete_whose_write_of_the_tag_has_no_known_outcome_stays_open() {
    let stand = up("", |held, visit| {
        let status = match () {
            () if visit.is("DELETE") && !is_tag(visit) => "405 Method Not Allowed",
            () if visit.is("PUT") && is_tag(visit) && is_other(visit) => {
                held.apply(visit);
                "500 Internal Server Error"
            }
            () => return false,
        };
        visit.answer(status, &[], "{}");
        true
    });
    stand.push("a");
    stand.push("b");
    assert_eq!(stand.delete("a", OTHER), 405);
    assert_eq!((stand.deletes_of("a"), stand.unresolved()), (1, 1), "it may still be taken out of the tag");
}

/// A write of the tag with a referrer, which is deleted while it is on its way, and comes back around backref.
#[test]
fn referrers_tag_keeps_what_comes_back_around_after_a_delete_beside_a_write_of_the_tag() {
    let stand = up("", only_deletes);
    stand.push("a");
    let written = stand.trap.set("PUT", &stand.tag());
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| stand.push("c"));
        written.wait_for(1);
        assert_eq!(stand.delete("a", OTHER), 202);
        written.open();
        pushing.join().expect("pushed");
    });
    until("the deleter's own write to be refused", || {
        let puts = |seen: &&crate::support::Seen| {
            seen.head.method() == "PUT" && seen.head.header("Authorization") == Some(OTHER.1)
        };
        stand.fake.seen().iter().find(puts).map(|_| ())
    });
    // The tag names it still.
    stand.hold("a");
    stand.push("d");
    assert_eq!(stand.tagged(), ["a", "c", "d"]);
    assert_eq!(stand.listed(), ["a", "c", "d"]);
}

/// A tag that was read, or on record, some time ago.
#[test]
fn referrers_tag_that_a_client_overwrites_keeps_what_came_back_around_since_it_was_read() {
    let stand = up("", only_deletes);
    stand.push("a");
    stand.push("c");
    assert_eq!(stand.listed(), ["a", "c"], "which looks at the tag");
    assert_eq!(stand.delete("a", OTHER), 202);
    stand.hold("a");
    stand.hold("b");
    assert_eq!(stand.put_list(OWNER, &["b"]), 201);
    until("the tag to have all", || (stand.tagged() == ["a", "b", "c"]).then_some(()));
}

#[test]
fn referrers_tag_is_stale_when_an_entry_is_deleted_while_the_tag_is_read() {
    let stand = up(NO_MEMORY, only_deletes);
    stand.push("a");
    stand.hold("b");
    stand.tag_around(&["a", "b"]);
    let fetched = stand.trap.set("GET", &stand.digest("b"));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| stand.listed());
        fetched.wait_for(1);
        assert_eq!(stand.delete("a", OTHER), 202);
        fetched.open();
        asking.join().expect("a list");
    });
    assert_eq!((stand.listed(), stand.pending()), (vec!["b".to_owned()], 1));
    stand.push("c");
    assert_eq!(stand.tagged(), ["b", "c"]);
}

#[test]
fn referrers_tag_keeps_what_is_deleted_and_comes_back_around_while_the_tag_is_read() {
    let stand = up("", only_deletes);
    stand.push("a");
    stand.hold("b");
    stand.tag_around(&["a", "b"]);
    let fetched = stand.trap.set("GET", &stand.digest("b"));
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| stand.push("c"));
        fetched.wait_for(1);
        assert_eq!(stand.delete("a", OTHER), 202);
        stand.hold("a");
        fetched.open();
        pushing.join().expect("pushed");
    });
    until("the tag to have all", || (stand.tagged() == ["a", "b", "c"]).then_some(()));
}

/// What the tag names gets rows when a client is about to overwrite it.
#[test]
fn referrers_tag_that_a_client_may_not_overwrite_is_as_fresh_as_before() {
    let stand = up("", only_deletes);
    stand.push("a");
    stand.hold("b");
    stand.tag_around(&["a", "b"]);
    assert_eq!(stand.put_list(OTHER, &["a"]), 403);
    assert_eq!((stand.pending(), stand.tagged()), (0, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(stand.listed(), ["a", "b"]);
}

#[test]
fn referrers_tag_whose_overwriting_fails_costs_no_look_at_what_the_list_names() {
    let stand = up("", |_, visit| {
        let fails = visit.is("PUT") && is_tag(visit) && is_other(visit);
        if fails {
            visit.answer("500 Internal Server Error", &[], "{}");
        }
        fails
    });
    stand.push("a");
    let names: Vec<String> = (0..300).map(|number| format!("n{number}")).collect();
    for name in &names {
        stand.hold(name);
    }
    let before = stand.fake.seen().len();
    assert_eq!(stand.put_list(OTHER, &names.iter().map(String::as_str).collect::<Vec<_>>()), 500);
    let asked = stand.fake.seen().len() - before;
    assert!(asked <= 4, "{asked} requests for a list that the registry did not take");
}

#[test]
fn referrers_tag_that_a_client_overwrites_keeps_what_it_may_not_see() {
    let secret = sha256(&referrer(&sha256(&plain("subject")), "d"));
    let stand = up("", move |_, visit| {
        let hidden = visit.head.target().ends_with(&secret) && is_other(visit);
        if hidden {
            visit.answer("403 Forbidden", &[], "{}");
        }
        hidden
    });
    stand.hold("a");
    stand.hold("d");
    stand.tag_around(&["a", "d"]);
    assert_eq!(stand.put_list(OTHER, &["a"]), 201);
    until("the tag to have both", || (stand.tagged() == ["a", "d"]).then_some(()));
}

/// To a caller who was let in not long ago, and sees nothing any more.
#[test]
fn referrers_tag_that_is_404_to_one_caller_is_what_it_was() {
    let hides = Arc::new(AtomicBool::new(false));
    let (hidden, a) = (hides.clone(), sha256(&referrer(&sha256(&plain("subject")), "a")));
    let stand = up("[referrers]\nrecheck = \"1ms\"\n", move |_, visit| {
        let status = match () {
            () if !is_other(visit) => return false,
            () if hidden.load(Ordering::SeqCst) => "404 Not Found",
            // May read, and delete this one manifest.
            () if visit.is("PUT") || (visit.is("DELETE") && !visit.head.target().ends_with(&a)) => "403 Forbidden",
            () => return false,
        };
        visit.answer(status, &[], "{}");
        true
    });
    stand.push("a");
    assert_eq!(stand.listed_to(OTHER), ["a"]);
    hides.store(true, Ordering::SeqCst);
    assert_eq!(stand.listed_to(OTHER), ["a"], "by the permit from before");
    assert_eq!((stand.pending(), stand.tagged()), (0, vec!["a".to_owned()]));

    hides.store(false, Ordering::SeqCst);
    assert_eq!(stand.delete("a", OTHER), 202);
    assert_eq!((stand.pending(), stand.tagged()), (1, vec!["a".to_owned()]), "who deleted it may not write the tag");
    hides.store(true, Ordering::SeqCst);
    assert!(stand.listed_to(OTHER).is_empty());
    assert_eq!(stand.pending(), 1, "what the tag names is not known to this caller");
}

/// A registry that protects what a tagged index lists: until the delete is over, no other write may list it again.
#[test]
fn referrers_tag_is_written_by_nobody_else_while_a_protected_referrer_is_deleted() {
    let again = Gate::default();
    let held = again.clone();
    let protects = |holdings: &Holdings, visit: &mut Visit| {
        let target = visit.head.target().to_owned();
        let (parent, digest) = target.rsplit_once('/').expect("a path");
        let listed = holdings.lists(parent, digest);
        if listed {
            visit.answer("405 Method Not Allowed", &[], "{}");
        }
        listed
    };
    let stand = up("", move |holdings, visit| {
        if !visit.is("DELETE") {
            return false;
        }
        if protects(holdings, visit) {
            return true;
        }
        held.pass();
        protects(holdings, visit)
    });
    again.open();
    for name in ["a", "b"] {
        stand.push(name);
    }
    until("the tag to be written", || (stand.pending() == 0).then_some(()));
    again.close();
    std::thread::scope(|scope| {
        let deleting = scope.spawn(|| stand.delete("a", OWNER));
        until("it to be sent again", || (stand.deletes_of("a") == 2).then_some(()));
        stand.push("c");
        assert_eq!(stand.tagged(), ["b"]);
        again.open();
        assert_eq!(deleting.join().expect("an answer"), 202);
    });
    until("the tag to be written", || (stand.pending() == 0).then_some(()));
    assert_eq!(
        (stand.listed(), stand.tagged()),
        (vec!["b".to_owned(), "c".to_owned()], vec!["b".to_owned(), "c".to_owned()])
    );
}
