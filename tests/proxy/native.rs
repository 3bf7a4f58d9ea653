//! In front of a registry that has the referrers API itself: one more source of what is listed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::manifests::{INDEX, REPOSITORY, delete, listed, path, plain, push, push_as, referrer};
use crate::support::{Backref, BackrefOptions, Fake, Holdings, Visit, http, sha256, until};

/// What the registry does just now.
#[derive(Clone, Default)]
struct Api {
    /// It has the API.
    is_there: bool,
    /// It answers pushes with `OCI-Subject`.
    says_so: bool,
    /// What it answers instead of a list.
    instead: Option<&'static str>,
    /// Digests that it leaves out of lists, though it holds the manifests.
    leaves_out: BTreeSet<String>,
    /// Digests that it lists for any subject.
    adds: Vec<String>,
    /// Who comes without these credentials is shown nothing but empty lists.
    owner: Option<&'static str>,
}

const WHOLE: Api =
    Api { is_there: true, says_so: true, instead: None, leaves_out: BTreeSet::new(), adds: Vec::new(), owner: None };

impl Api {
    fn answer(&self, holdings: &Holdings, visit: &mut Visit) -> bool {
        let target = visit.head.target().to_owned();
        let is_owner = self.owner.is_none_or(|owner| visit.head.header("Authorization") == Some(owner));
        if let Some((_, subject)) = target.split_once("/referrers/") {
            if let Some(status) = self.instead {
                visit.answer(status, &["Content-Type: application/json"], "{}");
            } else if self.is_there {
                let mut digests = if is_owner { holdings.referrers(subject) } else { Vec::new() };
                digests.retain(|digest| !self.leaves_out.contains(digest));
                digests.extend(self.adds.iter().cloned());
                let entries: Vec<_> =
                    digests.iter().map(|digest| json!({"mediaType": INDEX, "digest": digest, "size": 2})).collect();
                let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
                visit.answer("200 OK", &[&format!("Content-Type: {INDEX}")], list.to_string());
            } else {
                visit.answer("404 Not Found", &[], "404 page not found");
            }
            return true;
        }
        if !is_owner {
            visit.body();
            visit.answer("404 Not Found", &["Content-Type: application/json"], "{}");
            return true;
        }
        if visit.is("PUT") && self.says_so {
            let reply = holdings.apply(visit).expect("a whole request");
            match holdings.subject_of(&target) {
                Some(subject) => reply.with(&[&format!("OCI-Subject: {subject}")]).give(visit),
                None => reply.give(visit),
            }
            return true;
        }
        false
    }
}

struct Stand {
    backref: Backref,
    fake: Fake,
    holdings: Holdings,
    api: Arc<Mutex<Api>>,
    subject: String,
}

fn up(api: Api) -> Stand {
    with(api, |backref| backref)
}

fn with(api: Api, options: impl FnOnce(BackrefOptions) -> BackrefOptions) -> Stand {
    let (holdings, api) = (Holdings::default(), Arc::new(Mutex::new(api)));
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let now = api.clone();
    let fake = holdings.upstream(move |held, visit| {
        let api = now.lock().expect("no one panicked").clone();
        api.answer(held, visit)
    });
    let backref = options(Backref::of(&fake.url())).start();
    Stand { backref, fake, holdings, api, subject: sha256(&subject) }
}

impl Stand {
    fn becomes(&self, change: impl FnOnce(&mut Api)) {
        change(&mut self.api.lock().expect("no one panicked"));
    }

    fn push(&self, name: &str) -> String {
        push(self.backref.host(), &referrer(&self.subject, name))
    }

    /// Around backref.
    fn hold(&self, name: &str) -> String {
        let manifest = referrer(&self.subject, name);
        self.holdings.hold(REPOSITORY, INDEX, &manifest);
        sha256(&manifest)
    }

    fn lists(&self) -> BTreeSet<String> {
        listed(&self.backref, &self.subject).into_iter().collect()
    }

    fn has_tag(&self) -> bool {
        self.holdings.holds(&path(&self.subject.replace(':', "-")))
    }

    fn pending(&self) -> String {
        let metrics = http::get(&format!("{}/metrics", self.backref.admin_url()), &[]).text();
        let line = metrics.lines().find(|line| line.starts_with("backref_referrers_tags_pending "));
        line.expect("it is counted").to_owned()
    }

    /// Method and path of what the upstream was asked since, in order.
    fn asked_since(&self, before: usize) -> Vec<String> {
        let seen = self.fake.seen();
        seen[before..].iter().map(|seen| format!("{} {}", seen.head.method(), seen.head.target())).collect()
    }
}

fn set<const N: usize>(digests: [&String; N]) -> BTreeSet<String> {
    digests.into_iter().cloned().collect()
}

#[test]
fn native_list_shows_what_was_pushed_around_backref_at_once() {
    let stand = up(WHOLE);
    let before = stand.hold("before");
    assert_eq!(stand.lists(), set([&before]));
    let through = stand.push("through");
    assert_eq!(stand.lists(), set([&before, &through]));
    let around = stand.hold("around");
    assert_eq!(stand.lists(), set([&before, &through, &around]));
    // Its descriptor is made from the manifest.
    let url = format!(
        "{}/v2/{REPOSITORY}/referrers/{}?artifactType=application/vnd.test.around",
        stand.backref.url(),
        stand.subject
    );
    let filtered = http::get(&url, &[]).json();
    assert_eq!(filtered["manifests"][0]["digest"], around.as_str());
    assert_eq!(filtered["manifests"][0]["annotations"]["name"], "around");
    stand.holdings.forget(&path(&around));
    assert_eq!(stand.lists(), set([&before, &through]));
    stand.hold("around");
    assert_eq!(stand.lists(), set([&before, &through, &around]));
}

#[test]
fn native_list_costs_a_query_one_request() {
    let stand = up(WHOLE);
    let all = ["a", "b", "c"].map(|name| stand.hold(name));
    let expected: BTreeSet<String> = all.into_iter().collect();
    until("all to be known", || {
        let before = stand.fake.seen().len();
        assert_eq!(stand.lists(), expected);
        (stand.asked_since(before).len() == 1).then_some(())
    });
    let before = stand.fake.seen().len();
    for _ in 0..3 {
        assert_eq!(stand.lists(), expected);
    }
    let query = format!("GET /v2/{REPOSITORY}/referrers/{}", stand.subject);
    assert_eq!(stand.asked_since(before), [query.clone(), query.clone(), query]);
}

#[test]
fn native_list_that_is_empty_is_no_permit() {
    let owner = ("Authorization", "Basic b3duZXI6b3duZXI=");
    let stand = up(Api { owner: Some(owner.1), ..WHOLE });
    let hidden = stand.hold("hidden");
    let list = |headers: &[(&str, &str)]| -> Vec<serde_json::Value> {
        http::referrers(stand.backref.host(), REPOSITORY, &stand.subject, headers)
    };
    for _ in 0..2 {
        assert_eq!(list(&[]), [] as [serde_json::Value; 0]);
        assert_eq!(list(&[owner])[0]["digest"], hidden.as_str());
    }
    assert_eq!(list(&[]), [] as [serde_json::Value; 0]);
}

#[test]
fn native_list_that_lacks_some_removes_nobody() {
    let stand = up(WHOLE);
    let [kept, lost, gone] = ["kept", "lost", "gone"].map(|name| stand.push(name));
    assert_eq!(stand.lists(), set([&kept, &lost, &gone]));
    stand.becomes(|api| api.leaves_out = set([&lost]));
    stand.holdings.forget(&path(&gone));
    for _ in 0..2 {
        assert_eq!(stand.lists(), set([&kept, &lost]));
    }
}

#[test]
fn native_list_that_names_others_is_not_believed() {
    let stand = up(WHOLE);
    let other = stand.holdings.hold(REPOSITORY, INDEX, &referrer(&sha256(b"another"), "other"));
    let (_, other) = other.rsplit_once('/').expect("a path");
    let (other, absent) = (other.to_owned(), sha256(b"nothing"));
    stand.becomes(|api| api.adds = vec![other, absent]);
    let true_one = stand.hold("true");
    assert_eq!(stand.lists(), set([&true_one]));
}

#[test]
fn native_list_that_fails_is_no_list() {
    let stand = up(WHOLE);
    let through = stand.push("through");
    assert_eq!(stand.lists(), set([&through]));
    let url = format!("{}/v2/{REPOSITORY}/referrers/{}", stand.backref.url(), stand.subject);
    for (instead, status) in
        [("503 Service Unavailable", 503), ("500 Internal Server Error", 502), ("401 Unauthorized", 401)]
    {
        stand.becomes(|api| api.instead = Some(instead));
        assert_eq!(http::get(&url, &[]).status, status, "{instead}");
    }
    stand.becomes(|api| api.instead = None);
    assert_eq!(stand.lists(), set([&through]));
}

#[test]
fn native_push_needs_no_referrers_tag() {
    let stand = up(WHOLE);
    let [one, other] = ["one", "other"].map(|name| stand.push(name));
    assert_eq!(stand.lists(), set([&one, &other]));
    assert_eq!(delete(stand.backref.host(), &one).status, 202);
    assert_eq!(stand.lists(), set([&other]));
    assert!(!stand.has_tag(), "it would keep the registry from deleting what it names");
    assert_eq!(stand.pending(), "backref_referrers_tags_pending 0");
}

#[test]
fn native_push_that_is_not_said_to_be_listed_gets_a_referrers_tag() {
    // As go-containerregistry's.
    let stand = up(Api { says_so: false, ..WHOLE });
    let through = stand.push("through");
    assert_eq!(stand.lists(), set([&through]));
    assert!(stand.has_tag());
    // As Docker Hub once was.
    let stand = up(Api { is_there: false, ..WHOLE });
    let through = stand.push("through");
    assert_eq!(stand.lists(), set([&through]));
    assert!(stand.has_tag());
}

#[test]
fn native_list_that_is_gone_again_loses_nobody_and_tags_are_written() {
    let stand = up(WHOLE);
    let before = stand.push("before");
    let around = stand.hold("around");
    assert_eq!(stand.lists(), set([&before, &around]));
    assert!(!stand.has_tag());
    stand.becomes(|api| (api.is_there, api.says_so) = (false, false));
    for _ in 0..2 {
        assert_eq!(stand.lists(), set([&before, &around]));
    }
    assert_eq!(stand.pending(), "backref_referrers_tags_pending 1");
    let after = stand.push("after");
    assert!(stand.has_tag());
    for digest in [&before, &around, &after] {
        assert!(stand.holdings.lists(&format!("/v2/{REPOSITORY}/manifests"), digest), "{digest}");
    }
    // And there once more.
    stand.becomes(|api| (api.is_there, api.says_so) = (true, true));
    let last = stand.push("last");
    assert_eq!(stand.lists(), set([&before, &around, &after, &last]));
}

#[test]
fn native_list_opens_a_gate() {
    let config = "[[gate]]\nrepositories = [\"a*\"]\ntags = [\"v*\"]\nrequire = [\"application/vnd.test.signature\"]\n";
    let stand = with(WHOLE, |backref| backref.config(config));
    assert_eq!(push_as(stand.backref.host(), "v1", &plain("subject")).status, 403);
    stand.hold("signature");
    assert_eq!(push_as(stand.backref.host(), "v1", &plain("subject")).status, 201);
}

#[test]
fn native_list_is_not_asked_where_that_is_off() {
    let stand = with(WHOLE, |backref| backref.config("[referrers]\nnative = \"off\"\n"));
    stand.hold("around");
    let through = stand.push("through");
    assert_eq!(stand.lists(), set([&through]));
    assert!(stand.has_tag());
    assert!(stand.fake.seen().iter().all(|seen| !seen.head.target().contains("/referrers/")));
}

#[test]
fn native_list_is_not_asked_for_again_and_again_where_there_is_none() {
    let stand = up(Api::default());
    stand.push("a");
    for _ in 0..3 {
        stand.lists();
    }
    let asked = stand.fake.seen().iter().filter(|seen| seen.head.target().contains("/referrers/")).count();
    assert_eq!(asked, 1);
}

#[test]
fn native_list_is_what_there_is_while_the_database_can_not_be_read() {
    let stand = up(WHOLE);
    let pushed = stand.push("a");
    stand.backref.sql("ALTER TABLE referrer RENAME TO elsewhere");
    assert_eq!(stand.lists(), set([&pushed]));
    // A registry that has no list has none for this either.
    stand.becomes(|api| api.is_there = false);
    let answer = http::get(&format!("{}/v2/{REPOSITORY}/referrers/{}", stand.backref.url(), stand.subject), &[]);
    assert_eq!(answer.status, 503, "{answer:?}");
}
