//! Callers without rights change nothing about who refers to whom.

use serde_json::json;

use crate::stand::{INDEX, list, metric, plain, referrer};
use crate::support::http::{self, Answer};
use crate::support::{Backref, Fake, Holdings, Visit, sha256, until};

const OWNER: (&str, &str) = ("Authorization", "Basic b3duZXI6b3duZXI=");
const REPOSITORY: &str = "app";

/// What a registry answers a caller without the owner's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strangers {
    /// 404 to everything.
    SeeNothing,
    /// Everybody reads; a stranger's writes get 404.
    WriteIntoNothing,
    /// Everybody reads; a stranger's writes get 401.
    MayNotWrite,
    /// 403 to everything but reading.
    AreForbidden,
}

struct Stand {
    backref: Backref,
    fake: Fake,
    holdings: Holdings,
    subject: String,
}

fn up(strangers: Strangers) -> Stand {
    up_with(move |holdings, visit| refuse(strangers, holdings, visit))
}

fn up_with(meddle: impl Fn(&Holdings, &mut Visit) -> bool + Send + Sync + 'static) -> Stand {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let fake = holdings.upstream(meddle);
    let backref = Backref::of(&fake.url()).start();
    Stand { backref, fake, holdings, subject: sha256(&subject) }
}

/// Answers a stranger, if it is one that is refused.
fn refuse(strangers: Strangers, _: &Holdings, visit: &mut Visit) -> bool {
    if visit.head.header("Authorization") == Some(OWNER.1) {
        return false;
    }
    let reads = visit.is("GET") || visit.is("HEAD");
    let (status, code) = match strangers {
        Strangers::SeeNothing => ("404 Not Found", "NAME_UNKNOWN"),
        _ if reads => return false,
        Strangers::WriteIntoNothing => ("404 Not Found", "NAME_UNKNOWN"),
        Strangers::MayNotWrite => ("401 Unauthorized", "UNAUTHORIZED"),
        Strangers::AreForbidden => ("403 Forbidden", "DENIED"),
    };
    visit.answer(status, &["Content-Type: application/json"], json!({"errors": [{"code": code}]}).to_string());
    true
}

impl Stand {
    fn send(&self, method: &str, reference: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let url = format!("{}/v2/{REPOSITORY}/manifests/{reference}", self.backref.url());
        http::send(method, &url, &[&[("Content-Type", INDEX)], headers].concat(), body)
    }

    fn push(&self, name: &str) -> String {
        let manifest = referrer(&self.subject, name);
        let digest = sha256(&manifest);
        assert_eq!(self.send("PUT", &digest, &[OWNER], &manifest).status, 201);
        digest
    }

    fn tag(&self) -> String {
        self.subject.replace(':', "-")
    }

    fn listed(&self) -> Vec<String> {
        let listed = http::referrers(self.backref.host(), REPOSITORY, &self.subject, &[OWNER]);
        listed.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
    }

    /// The digests that the referrers tag lists in the registry itself.
    fn tagged(&self) -> Vec<String> {
        let url = format!("{}/v2/{REPOSITORY}/manifests/{}", self.fake.url(), self.tag());
        let answer = http::get(&url, &[("Accept", INDEX), OWNER]);
        if answer.status == 404 {
            return Vec::new();
        }
        let index = answer.json();
        let entries = index["manifests"].as_array().expect("a list").clone();
        entries.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
    }

    fn pending(&self) -> [u64; 2] {
        ["backref_referrers_tags_pending", "backref_unresolved_writes"].map(|name| metric(&self.backref, name))
    }

    fn settled(&self) {
        until("everything to be written", || (self.pending() == [0, 0]).then_some(()));
    }
}

const ALL: [Strangers; 4] =
    [Strangers::SeeNothing, Strangers::WriteIntoNothing, Strangers::MayNotWrite, Strangers::AreForbidden];

#[test]
fn stranger_deletes_nothing_and_leaves_no_trace() {
    for strangers in ALL {
        let stand = up(strangers);
        let only = stand.push("only");
        stand.settled();
        let unknown = sha256(b"neither here nor there");
        let [of_known, of_unknown] = [&only, &unknown].map(|digest| stand.send("DELETE", digest, &[], b""));
        let refused = match strangers {
            Strangers::SeeNothing | Strangers::WriteIntoNothing => 404,
            Strangers::MayNotWrite => 401,
            Strangers::AreForbidden => 403,
        };
        assert_eq!((of_known.status, of_unknown.status), (refused, refused), "{strangers:?}");
        assert_eq!(
            of_known.text(),
            of_unknown.text(),
            "{strangers:?}: the answer tells known digests from unknown ones"
        );
        assert_eq!((stand.listed(), stand.tagged()), (vec![only.clone()], vec![only]), "{strangers:?}");
        assert_eq!(stand.pending(), [0, 0], "{strangers:?}: a refusal left something to do");
    }
}

#[test]
fn stranger_deletes_change_no_referrers_tag_that_the_owner_writes_meanwhile() {
    for strangers in ALL {
        let stand = up(strangers);
        let victim = stand.push("victim");
        let pushed = std::thread::scope(|scope| {
            let deleting: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..50 {
                            assert_ne!(stand.send("DELETE", &victim, &[], b"").status, 202);
                        }
                    })
                })
                .collect();
            let pushed: Vec<String> = (0..8)
                .map(|number| {
                    let pushed = stand.push(&format!("n{number}"));
                    assert!(
                        stand.tagged().contains(&victim),
                        "{strangers:?}: the victim was left out of the referrers tag"
                    );
                    pushed
                })
                .collect();
            for one in deleting {
                one.join().expect("no delete came through");
            }
            pushed
        });
        stand.settled();
        let all = [vec![victim], pushed].concat();
        assert_eq!((stand.listed(), stand.tagged()), (all.clone(), all), "{strangers:?}");
    }
}

#[test]
fn stranger_referrers_tag_costs_the_registry_few_requests() {
    for strangers in ALL {
        let stand = up(strangers);
        let only = stand.push("only");
        stand.settled();
        // The registry holds the entries, so that believing the index would mean to read each.
        let entries: Vec<Vec<u8>> = (0..300).map(|number| referrer(&stand.subject, &format!("e{number}"))).collect();
        for entry in &entries {
            stand.holdings.hold(REPOSITORY, INDEX, entry);
        }
        let before = stand.fake.seen().len();
        let refs: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
        let answer = stand.send("PUT", &stand.tag(), &[], &list(&refs));
        assert!(matches!(answer.status, 401 | 403 | 404), "{strangers:?}: {answer:?}");
        let asked = stand.fake.seen().len() - before;
        assert!(asked <= 3, "{strangers:?}: {asked} requests for an index that was refused");
        assert_eq!((stand.listed(), stand.pending()), (vec![only], [0, 0]), "{strangers:?}");
    }
}

#[test]
fn stranger_delete_on_a_registry_that_hides_ends_at_the_first_404() {
    let stand = up(Strangers::SeeNothing);
    let pushed: Vec<String> = (0..40).map(|number| stand.push(&format!("n{number}"))).collect();
    stand.settled();
    let before = stand.fake.seen().len();
    assert_eq!(stand.send("DELETE", &pushed[7], &[], b"").status, 404);
    let asked = stand.fake.seen().len() - before;
    assert!(asked <= 4, "{asked} requests for one delete that was refused");
    assert_eq!(stand.listed().len(), pushed.len());
}

#[test]
fn delete_whose_connection_is_lost_leaves_its_referrer_in_list_and_referrers_tag() {
    let stand = up_with(|_, visit| {
        if visit.is("DELETE") && visit.head.target().contains("/manifests/sha256:") {
            visit.body();
            visit.close();
            return true;
        }
        false
    });
    let [a, b] = ["a", "b"].map(|name| stand.push(name));
    until("the tags to be written", || (stand.pending()[0] == 0).then_some(()));
    assert_eq!(stand.send("DELETE", &a, &[OWNER], b"").status, 502);
    assert_eq!((stand.listed(), stand.tagged()), (vec![a.clone(), b.clone()], vec![a, b]));
}

/// A registry that protects what a tagged index lists, as zot does.
fn protects(holdings: &Holdings, visit: &mut Visit) -> bool {
    let target = visit.head.target().to_owned();
    let (parent, digest) = target.rsplit_once('/').expect("a path");
    if !visit.is("DELETE") || !holdings.lists(parent, digest) {
        return false;
    }
    let body = json!({"errors": [{"code": "DENIED", "message": "it is listed"}]}).to_string();
    visit.answer("405 Method Not Allowed", &["Content-Type: application/json"], body);
    true
}

#[test]
fn delete_of_a_protected_referrer_takes_it_out_of_the_referrers_tag_first() {
    let stand = up_with(protects);
    let [gone, kept] = ["gone", "kept"].map(|name| stand.push(name));
    stand.settled();
    assert_eq!(stand.send("DELETE", &gone, &[OWNER], b"").status, 202);
    stand.settled();
    assert_eq!((stand.listed(), stand.tagged()), (vec![kept.clone()], vec![kept.clone()]));
    // The last one as well.
    assert_eq!(stand.send("DELETE", &kept, &[OWNER], b"").status, 202);
    stand.settled();
    assert!(stand.listed().is_empty() && stand.tagged().is_empty());
}

#[test]
fn delete_that_is_refused_twice_puts_its_referrer_back_into_the_referrers_tag() {
    let stand = up_with(|_, visit| {
        if visit.is("DELETE") && visit.head.target().contains("/manifests/sha256:") {
            visit.answer("405 Method Not Allowed", &[], "{}");
            return true;
        }
        false
    });
    let pushed = ["a", "b"].map(|name| stand.push(name));
    until("the tags to be written", || (stand.pending()[0] == 0).then_some(()));
    assert_eq!(stand.send("DELETE", &pushed[0], &[OWNER], b"").status, 405);
    until("the tag to be put back", || (stand.tagged() == pushed && stand.pending()[0] == 0).then_some(()));
    assert_eq!(stand.listed(), pushed);
}

/// A registry that answers 202 and keeps what a tagged index lists, as Pulp does under load.
#[test]
fn delete_that_is_accepted_and_not_done_takes_its_referrer_out_of_the_referrers_tag() {
    let stand = up_with(|holdings, visit| {
        let target = visit.head.target().to_owned();
        let (parent, digest) = target.rsplit_once('/').expect("a path");
        let keeps = visit.is("DELETE") && holdings.lists(parent, digest);
        if keeps {
            visit.answer("202 Accepted", &[], "");
        }
        keeps
    });
    let [gone, kept] = ["gone", "kept"].map(|name| stand.push(name));
    stand.settled();
    assert_eq!(stand.send("DELETE", &gone, &[OWNER], b"").status, 202);
    stand.settled();
    assert!(!stand.holdings.holds(&format!("/v2/{REPOSITORY}/manifests/{gone}")));
    assert_eq!((stand.listed(), stand.tagged()), (vec![kept.clone()], vec![kept]));
}
