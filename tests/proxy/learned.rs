//! What backref learns from answers that it relays: a push's digest, a referrer that is gone, a tag that has changed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::manifests::{INDEX, REPOSITORY, listed, path, plain, push, push_as, referrer};
use crate::support::http;
use crate::support::{Backref, BackrefOptions, Fake, Gate, Holdings, Visit, sha256, sha512, until};

struct Stand {
    backref: Backref,
    fake: Fake,
    holdings: Holdings,
    subject: String,
}

fn up(options: impl FnOnce(BackrefOptions) -> BackrefOptions) -> Stand {
    with(options, |_, _| false)
}

/// An upstream that holds a subject, and answers by `meddle` what that answers.
fn with(
    options: impl FnOnce(BackrefOptions) -> BackrefOptions,
    meddle: impl Fn(&Holdings, &mut Visit) -> bool + Send + Sync + 'static,
) -> Stand {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let fake = holdings.upstream(meddle);
    let backref = options(Backref::of(&fake.url())).start();
    Stand { backref, fake, holdings, subject: sha256(&subject) }
}

impl Stand {
    fn push(&self, name: &str) -> String {
        push(self.backref.host(), &referrer(&self.subject, name))
    }

    fn listed(&self) -> Vec<String> {
        listed(&self.backref, &self.subject)
    }

    fn tag(&self) -> String {
        self.subject.replace(':', "-")
    }

    /// A referrer that comes around backref, and a tag that then names exactly these.
    fn tag_around(&self, names: &[&str]) -> Vec<String> {
        let manifests: Vec<Vec<u8>> = names.iter().map(|name| referrer(&self.subject, name)).collect();
        for manifest in &manifests {
            self.holdings.hold(REPOSITORY, INDEX, manifest);
        }
        let entries: Vec<Value> =
            manifests.iter().map(|one| json!({"mediaType": INDEX, "digest": sha256(one), "size": one.len()})).collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
        self.holdings.hold(REPOSITORY, INDEX, index.as_bytes());
        self.holdings.hold_at(&path(&self.tag()), INDEX, index.as_bytes());
        manifests.iter().map(|one| sha256(one)).collect()
    }

    fn get(&self, method: &str, reference: &str) -> u16 {
        http::send(method, &format!("{}{}", self.backref.url(), path(reference)), &[("Accept", INDEX)], b"").status
    }
}

fn rewrite_mode(mode: &str) -> String {
    format!("[rewrite]\nmode = \"{mode}\"\n")
}

/// An upstream that keeps a push by tag under the digest that its query names, as olareg does, where it says so.
fn keeps_as_asked(said: fn(&[u8]) -> String) -> impl Fn(&Holdings, &mut Visit) -> bool {
    move |held, visit| {
        let target = visit.head.target().to_owned();
        let (at, query) = target.split_once('?').unwrap_or((&target, ""));
        if visit.is("PUT") && query.starts_with("digest=sha512:") {
            let Some(body) = visit.body() else { return true };
            for path in [at, &path(&sha512(&body))] {
                held.hold_at(path, INDEX, &body);
            }
            let digest = format!("Docker-Content-Digest: {}", said(&body));
            visit.answer("201 Created", &[&digest], "");
            return true;
        }
        // The digest of what is asked for by sha512 is that one.
        if let Some(digest) = at.rsplit('/').next().filter(|digest| digest.starts_with("sha512:") && held.holds(at)) {
            visit.answer(
                "200 OK",
                &[&format!("Content-Type: {INDEX}"), &format!("Docker-Content-Digest: {digest}")],
                "",
            );
            return true;
        }
        false
    }
}

#[test]
fn push_by_tag_is_listed_under_the_digest_that_the_registry_keeps_it_under() {
    let stand = with(BackrefOptions::without_tags, keeps_as_asked(sha512));
    let manifest = referrer(&stand.subject, "a");
    let answer = push_as(stand.backref.host(), &format!("t?digest={}", sha512(&manifest)), &manifest);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("Docker-Content-Digest"), sha512(&manifest));
    assert_eq!(answer.header("OCI-Subject"), stand.subject);
    assert_eq!(stand.listed(), [sha512(&manifest)]);
}

#[test]
fn push_by_tag_believes_no_digest_of_other_bytes() {
    let others: [fn(&[u8]) -> String; 3] =
        [|_| sha512(b"other bytes"), |_| sha256(b"other bytes"), |_| "sha512:00".to_owned()];
    for said in others {
        let stand = with(BackrefOptions::without_tags, keeps_as_asked(said));
        let manifest = referrer(&stand.subject, "a");
        let answer = push_as(stand.backref.host(), &format!("t?digest={}", sha512(&manifest)), &manifest);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.header("Docker-Content-Digest"), sha256(&manifest));
        assert_eq!(stand.listed(), [sha256(&manifest)], "{}", said(&manifest));
    }
}

#[test]
fn query_right_after_recheck_shows_what_the_tag_names_by_then() {
    let stand = up(|backref| backref.config("[referrers]\nrecheck = \"1s\"\n"));
    let looked = Instant::now();
    let before = stand.tag_around(&["a"]);
    assert_eq!(stand.listed(), before);
    let after = stand.tag_around(&["a", "b"]);
    until("the look at the tag to be too old", || (looked.elapsed() > Duration::from_millis(1500)).then_some(()));
    assert_eq!(stand.listed(), after, "the first query");
}

#[test]
fn query_of_many_after_recheck_looks_at_the_tag_once() {
    let held = Gate::default();
    let looking = held.clone();
    let changed = Gate::default();
    let (then, tag) = (changed.clone(), path(&sha256(&plain("subject")).replace(':', "-")));
    let stand = with(
        |backref| backref.config("[referrers]\nrecheck = \"100ms\"\n"),
        move |_, visit| {
            if then.is_open() && visit.is("HEAD") && visit.head.target() == tag {
                looking.pass();
            }
            false
        },
    );
    assert!(stand.listed().is_empty());
    let looked = Instant::now();
    let after = stand.tag_around(&["a", "b"]);
    until("the look at the tag to be too old", || (looked.elapsed() > Duration::from_millis(200)).then_some(()));
    changed.open();
    let before = stand.fake.seen().len();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| stand.listed())).collect();
        held.wait_for(1);
        held.open();
        for one in asking {
            assert_eq!(one.join().expect("a list"), after);
        }
    });
    let gets = stand.fake.seen().split_off(before);
    let gets = gets.iter().filter(|seen| seen.head.method() == "GET" && seen.head.target() == path(&stand.tag()));
    assert_eq!(gets.count(), 1, "the tag was read once for all");
}

#[test]
fn query_reads_a_tag_that_a_pull_has_shown_to_be_another() {
    for (method, mode) in [("GET", "auto"), ("HEAD", "auto"), ("GET", "never")] {
        let stand = up(|backref| backref.config(&rewrite_mode(mode)));
        let before = stand.tag_around(&["a"]);
        assert_eq!(stand.listed(), before);
        let after = stand.tag_around(&["a", "b"]);
        assert_eq!(stand.listed(), before, "{method}: the tag was looked at just now");
        assert_eq!(stand.get(method, &stand.tag()), 200);
        assert_eq!(stand.listed(), after, "{method}");
        // The same tag again is no news.
        let seen = stand.fake.seen().len();
        assert_eq!(stand.get(method, &stand.tag()), 200);
        stand.listed();
        assert_eq!(stand.fake.seen().len(), seen + 1, "{method}: the tag was looked at again for nothing");
    }
}

#[test]
fn query_lists_no_referrer_whose_pull_was_answered_with_a_404() {
    for (method, mode) in [("GET", "auto"), ("HEAD", "auto"), ("GET", "never")] {
        let stand = up(|backref| backref.config(&rewrite_mode(mode)));
        let [kept, lost] = ["kept", "lost"].map(|name| stand.push(name));
        stand.holdings.forget(&path(&lost));
        assert_eq!(stand.listed(), [kept.clone(), lost.clone()], "{method}: nobody has told");
        assert_eq!(stand.get(method, &lost), 404);
        assert_eq!(stand.listed(), [kept.as_str()], "{method}");
        // It is back as soon as it is there again.
        assert_eq!(stand.push("lost"), lost);
        assert_eq!(stand.listed(), [kept, lost], "{method}");
    }
}

#[test]
fn query_goes_on_listing_what_a_registry_hides_with_404() {
    let owner = ("Authorization", "Basic b3duZXI6b3duZXI=");
    let stand = with(
        |backref| backref,
        move |_, visit| {
            let hidden = visit.head.header("Authorization") != Some(owner.1);
            if hidden {
                visit.answer("404 Not Found", &["Content-Type: application/json"], "{}");
            }
            hidden
        },
    );
    let manifest = referrer(&stand.subject, "a");
    let digest = sha256(&manifest);
    let url = format!("{}{}", stand.backref.url(), path(&digest));
    assert_eq!(http::send("PUT", &url, &[owner, ("Content-Type", INDEX)], &manifest).status, 201);
    for method in ["GET", "HEAD"] {
        assert_eq!(stand.get(method, &digest), 404, "to a stranger");
        let list = http::referrers(stand.backref.host(), REPOSITORY, &stand.subject, &[owner]);
        assert!(list.len() == 1 && list[0]["digest"] == digest, "{method}: {list:?}");
    }
}
