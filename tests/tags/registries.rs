//! Registries that refuse the referrers tag or hold something else under its name: queries list every referrer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::stand::{INDEX, delete, list, metric, plain, put, put_as, referrer, up, url};
use crate::support::{Backref, Fake, Holdings, Kind, Visit, http, sha256, until};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

const SHORT: &str = "[upstream]\nanswer_timeout = \"500ms\"\nconnect_timeout = \"100ms\"\n[permit]\nttl = \"0\"\n\
                     [referrers]\nrecheck = \"100ms\"\n";

/// A registry that a script may answer for, with backref in front and the subject in it.
struct Stand {
    backref: Backref,
    fake: Fake,
    holdings: Holdings,
    subject: String,
}

/// `script` returns whether it has answered.
fn with(script: impl Fn(&Holdings, &mut Visit) -> bool + Send + Sync + 'static) -> Stand {
    let holdings = Holdings::default();
    let subject = sha256(&plain("subject"));
    holdings.hold("app", INDEX, &plain("subject"));
    let held = holdings.clone();
    let fake = Fake::start(move |visit| {
        if !script(&held, visit) {
            held.serve(visit);
        }
    });
    let backref = Backref::of(&fake.url()).config(SHORT).start();
    Stand { backref, fake, holdings, subject }
}

fn is_tag(visit: &Visit) -> bool {
    visit.head.target().contains("/manifests/sha256-")
}

impl Stand {
    fn push(&self, name: &str) -> String {
        let manifest = referrer(&self.subject, name);
        put(&self.backref.url(), &sha256(&manifest), &manifest)
    }

    fn tag(&self) -> String {
        self.subject.replace(':', "-")
    }

    fn tagged(&self) -> Vec<String> {
        let answer = http::get(&url(&self.fake.url(), &self.tag()), &[("Accept", INDEX)]);
        digests(answer.json()["manifests"].as_array().map_or(&[], |all| all))
    }

    fn listed(&self) -> Vec<String> {
        digests(&http::referrers(self.backref.host(), "app", &self.subject, &[]))
    }

    fn pending(&self) -> u64 {
        metric(&self.backref, "backref_referrers_tags_pending")
    }

    /// Pushes new referrers until one of the pushes flushes the referrers tag.
    fn flush(&self) {
        let mut number = 0;
        until("a push to flush the referrers tag", || {
            number += 1;
            self.push(&format!("next {number}"));
            (self.pending() == 0).then_some(())
        });
    }
}

fn digests(entries: &[serde_json::Value]) -> Vec<String> {
    entries.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
}

#[test]
fn referrers_tag_that_can_not_be_changed_stays_as_it_was_first_at_constant_cost() {
    // Immutable tags of ECR, Harbor and others.
    for (status, code) in
        [("400 Bad Request", "TAG_INVALID"), ("412 Precondition Failed", "PRECONDITION"), ("409 Conflict", "CONFLICT")]
    {
        let stand = with(move |holdings, visit| {
            let refused = visit.is("PUT") && is_tag(visit) && holdings.holds(visit.head.target());
            if refused {
                visit.body();
                visit.answer(status, &[], format!(r#"{{"errors":[{{"code":"{code}","message":"immutable"}}]}}"#));
            }
            refused
        });
        let first = stand.push("first");
        let mut pushed = vec![first.clone()];
        let mut cost = Vec::new();
        for number in 0..10 {
            let before = stand.fake.seen().len();
            pushed.push(stand.push(&number.to_string()));
            cost.push(stand.fake.seen().len() - before);
        }
        assert_eq!((stand.listed(), stand.tagged(), stand.pending()), (pushed.clone(), vec![first], 1), "{status}");
        assert_eq!(cost, [3; 10], "{status}: the push, a read of the referrers tag, a write that is refused");
        assert_eq!(delete(&stand.backref.url(), &pushed.pop().expect("some")), 202, "{status}");
        assert_eq!(stand.listed(), pushed, "{status}");
    }
}

#[test]
fn referrers_tag_is_flushed_after_a_registry_broke_off_every_write_for_a_while() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let stand = with(move |_, visit| {
        let breaks = visit.is("PUT") && is_tag(visit) && is_down.load(Ordering::SeqCst);
        if breaks {
            visit.body();
            visit.close();
        }
        breaks
    });
    let pushed = ["a", "b", "c"].map(|name| stand.push(name));
    assert_eq!((stand.listed(), stand.pending()), (pushed.to_vec(), 1));
    assert!(!stand.holdings.holds(&format!("/v2/app/manifests/{}", stand.tag())));
    down.store(false, Ordering::SeqCst);
    stand.flush();
    assert_eq!(stand.tagged(), stand.listed());
}

/// A write of unknown outcome took the referrer out of the referrers tag, and its delete is refused: the tag is stale.
#[test]
fn referrers_tag_lacks_no_referrer_unnoticed_after_a_refused_delete() {
    let strange = Arc::new(AtomicBool::new(false));
    let is_strange = Arc::clone(&strange);
    let stand = with(move |holdings, visit| {
        if !is_strange.load(Ordering::SeqCst) {
            return false;
        }
        if visit.is("PUT") && is_tag(visit) {
            holdings.apply(visit);
            visit.close();
        } else if visit.is("DELETE") {
            visit.answer("405 Method Not Allowed", &[], "");
        } else {
            return false;
        }
        true
    });
    let pushed = ["a", "b"].map(|name| stand.push(name));
    until("the tag to be written, and the index before it to be gone", || (stand.pending() == 0).then_some(()));
    strange.store(true, Ordering::SeqCst);
    assert_eq!(delete(&stand.backref.url(), &pushed[0]), 405);
    assert_eq!(stand.listed(), pushed);
    assert!(stand.tagged() == pushed || stand.pending() == 1, "{:?}", stand.tagged());
    strange.store(false, Ordering::SeqCst);
    stand.flush();
    assert_eq!(stand.tagged(), stand.listed());
}

#[test]
fn referrers_tag_entry_that_can_not_be_read_now_makes_the_first_answer_wait() {
    let busy = Arc::new(AtomicBool::new(true));
    let is_busy = Arc::clone(&busy);
    let later = sha256(&referrer(&sha256(&plain("subject")), "later"));
    let of_later = later.clone();
    let stand = with(move |_, visit| {
        let refused = visit.head.target().ends_with(&of_later) && is_busy.load(Ordering::SeqCst);
        if refused {
            visit.answer("429 Too Many Requests", &["Retry-After: 1"], r#"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#);
        }
        refused
    });
    let [now, later_too] = ["now", "later"].map(|name| referrer(&stand.subject, name));
    for manifest in [&now, &later_too] {
        stand.holdings.hold("app", INDEX, manifest);
    }
    put(&stand.fake.url(), &stand.tag(), &list(&[&now, &later_too]));
    let query = format!("{}/v2/app/referrers/{}", stand.backref.url(), stand.subject);
    for _ in 0..3 {
        let answer = http::get(&query, &[]);
        assert_eq!(answer.status, 503, "an incomplete list: {answer:?}");
        assert!(answer.header("Retry-After").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
    }
    let reads = |digest: &str| stand.fake.seen().iter().filter(|seen| seen.head.target().ends_with(digest)).count();
    assert_eq!(reads(&sha256(&now)), 1, "what was read is kept");
    busy.store(false, Ordering::SeqCst);
    assert_eq!(stand.listed().into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([sha256(&now), later]));
}

#[test]
fn referrers_tag_that_changes_while_it_is_read_is_read_again() {
    let manifests = ["first", "second"].map(|name| referrer(&sha256(&plain("subject")), name));
    let [first, second] = manifests.clone();
    let changed = AtomicBool::new(false);
    let stand = with(move |holdings, visit| {
        // Between the read of the index and the reads of its entries.
        if visit.head.target().ends_with(&sha256(&first)) && !changed.swap(true, Ordering::SeqCst) {
            let path = format!("/v2/app/manifests/{}", sha256(&plain("subject")).replace(':', "-"));
            holdings.hold_at(&path, INDEX, &list(&[&first, &second]));
        }
        false
    });
    for manifest in &manifests {
        stand.holdings.hold("app", INDEX, manifest);
    }
    put(&stand.fake.url(), &stand.tag(), &list(&[&manifests[0]]));
    assert_eq!(stand.listed(), [sha256(&manifests[0])]);
    let both = manifests.each_ref().map(|manifest| sha256(manifest));
    until("the new index to be read", || (stand.listed() == both).then_some(()));
}

#[test]
fn referrers_tag_name_with_an_ordinary_image_is_left_alone() {
    let stand = with(|_, _| false);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let image = json!({
        "schemaVersion": 2, "mediaType": kind, "layers": [],
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2},
    });
    let image = image.to_string().into_bytes();
    // As somebody did who names images after their digests.
    let at = url(&stand.backref.url(), &stand.tag());
    assert_eq!(http::send("PUT", &at, &[("Content-Type", kind)], &image).status, 201);
    let pushed = ["a", "b"].map(|name| stand.push(name));
    assert_eq!((stand.listed(), stand.pending()), (pushed.to_vec(), 1));
    assert_eq!(delete(&stand.backref.url(), &pushed[0]), 202);
    assert_eq!(stand.listed(), pushed[1..]);
    assert_eq!(http::get(&at, &[("Accept", kind)]).body, image);
    assert_eq!(delete(&stand.backref.url(), &sha256(&image)), 202, "and the image can be deleted");
}

#[test]
fn referrers_tag_that_a_client_deletes_by_name_is_written_again() {
    let stand = up(Kind::Distribution3);
    let pushed = ["a", "b"].map(|name| stand.push(name));
    assert_eq!(delete(&stand.url(), &stand.tag()), 202);
    assert_eq!((stand.listed(), stand.tagged()), (pushed.to_vec(), pushed.to_vec()));
    stand.flushed();
    // 2.8 has no delete by tag.
    let stand = up(Kind::Distribution2);
    let pushed = stand.push("a");
    assert!(matches!(delete(&stand.url(), &stand.tag()), 400 | 405));
    assert_eq!((stand.listed(), stand.tagged()), (vec![pushed.clone()], vec![pushed]));
    assert_eq!(put_as(&stand.url(), "v1", &plain("other")).status, 201);
    assert!(matches!(delete(&stand.url(), "v1"), 400 | 405));
}

/// Any caller may name any referrers tag.
#[test]
fn referrers_tag_requests_that_the_registry_refuses_leave_no_rows() {
    let stand = with(|_, visit| {
        if !visit.is("PUT") && !visit.is("DELETE") {
            return false;
        }
        visit.body();
        visit.answer(
            "401 Unauthorized",
            &["WWW-Authenticate: Basic realm=\"a\""],
            r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#,
        );
        true
    });
    for number in 0..10 {
        let tag = sha256(number.to_string().as_bytes()).replace(':', "-");
        assert_eq!(put_as(&stand.backref.url(), &tag, &list(&[&referrer(&stand.subject, "a")])).status, 401);
        assert_eq!(delete(&stand.backref.url(), &tag), 401);
    }
    // The last is the lock of a repository, which a file needs none of.
    let tables = ["subject", "attempt", "referrer", "repository"];
    for table in &tables[..if stand.backref.is_on_postgres() { 4 } else { 3 }] {
        assert_eq!(stand.backref.sql(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
    }
    assert_eq!(stand.pending(), 0);
}

/// Gitea refuses an index that lists an index. What is listed for it by the API alone keeps nothing else out of the tag.
#[test]
fn referrers_tag_leaves_out_indexes_where_the_registry_takes_none_in_an_index() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let fake = holdings.upstream(|held, visit| {
        let lists_one = |entry: &serde_json::Value| {
            entry["mediaType"] == INDEX
                && held.holds(&format!("/v2/app/manifests/{}", entry["digest"].as_str().expect("a digest")))
        };
        if !visit.is("PUT") {
            return false;
        }
        let index: serde_json::Value = serde_json::from_slice(&visit.body().unwrap_or_default()).unwrap_or_default();
        let refused = index["manifests"].as_array().is_some_and(|entries| entries.iter().any(lists_one));
        if refused {
            let said = r#"{"errors":[{"code":"MANIFEST_INVALID","message":"manifest is invalid"}]}"#;
            visit.answer("400 Bad Request", &["Content-Type: application/json"], said);
        }
        refused
    });
    let backref = Backref::of(&fake.url()).start();
    let image = |name: &str| {
        json!({
            "schemaVersion": 2, "mediaType": IMAGE, "artifactType": "a/b", "layers": [], "annotations": {"name": name},
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2},
            "subject": {"mediaType": INDEX, "digest": sha256(&subject), "size": subject.len()},
        })
        .to_string()
        .into_bytes()
    };
    let push = |kind: &str, manifest: &[u8]| {
        let url = crate::stand::url(&backref.url(), &sha256(manifest));
        assert_eq!(http::send("PUT", &url, &[("Content-Type", kind)], manifest).status, 201);
        sha256(manifest)
    };
    let [first, index, last] = [
        push(IMAGE, &image("first")),
        push(INDEX, &referrer(&sha256(&subject), "an index")),
        push(IMAGE, &image("last")),
    ];
    let tag = format!("{}/v2/app/manifests/{}", fake.url(), sha256(&subject).replace(':', "-"));
    let tagged = || http::get(&tag, &[("Accept", INDEX)]).text();
    assert!(tagged().contains(&first) && tagged().contains(&last) && !tagged().contains(&index), "{}", tagged());
    let pending = || metric(&backref, "backref_referrers_tags_pending");
    assert_eq!(pending(), 0);
    let listed = http::referrers(backref.host(), "app", &sha256(&subject), &[]);
    assert_eq!(listed.len(), 3);
    // It is not tried again.
    let puts = fake.count("PUT");
    push(IMAGE, &image("more"));
    assert_eq!(fake.count("PUT") - puts, 2, "the push and the tag");
    assert_eq!(pending(), 0);
}
