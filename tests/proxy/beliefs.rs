//! What of the upstream's answers is believed: which yes is a permit, which failure is none, whose trace ids count.

use crate::manifests::{INDEX, REPOSITORY, listed, path, plain, push, referrer};
use crate::support::http::{self, Answer};
use crate::support::{Backref, BackrefOptions, Fake, Gate, Holdings, Visit, sha256};
use crate::wire::error_code;

const ALWAYS_ASKS: &str = "[permit]\nttl = \"0\"\n";

struct Stand {
    backref: Backref,
    fake: Fake,
    subject: String,
}

/// An upstream that holds a subject. From the moment that `changed` opens, it answers as `then` says, which is `false`
/// for what it answers as before.
fn up(
    changed: &Gate,
    options: impl FnOnce(BackrefOptions) -> BackrefOptions,
    then: impl Fn(&Holdings, &mut Visit) -> bool + Send + Sync + 'static,
) -> Stand {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let changed = changed.clone();
    let fake = holdings.upstream(move |held, visit| changed.is_open() && then(held, visit));
    let backref = options(Backref::of(&fake.url())).start();
    Stand { backref, fake, subject: sha256(&subject) }
}

impl Stand {
    fn push(&self, name: &str) -> String {
        push(self.backref.host(), &referrer(&self.subject, name))
    }

    fn query(&self, headers: &[(&str, &str)]) -> Answer {
        http::get(&format!("{}/v2/{REPOSITORY}/referrers/{}", self.backref.url(), self.subject), headers)
    }

    fn listed(&self) -> Vec<String> {
        listed(&self.backref, &self.subject)
    }

    /// How often the upstream was asked whether the subject is there.
    fn asked(&self) -> usize {
        let of_subject = path(&self.subject);
        let seen = self.fake.seen();
        seen.iter().filter(|seen| seen.head.method() == "HEAD" && seen.head.target() == of_subject).count()
    }
}

fn always_asks(backref: BackrefOptions) -> BackrefOptions {
    backref.config(ALWAYS_ASKS)
}

/// A page for people in place of every answer.
fn login_page(_: &Holdings, visit: &mut Visit) -> bool {
    visit.body();
    visit.answer("200 OK", &["Content-Type: text/html; charset=utf-8"], "<html>log in</html>");
    true
}

#[test]
fn permit_is_no_login_page() {
    let changed = Gate::default();
    let stand = up(&changed, always_asks, login_page);
    let pushed = stand.push("a");
    assert_eq!(stand.listed(), [pushed.as_str()]);
    changed.open();
    for headers in [&[][..], &[("Authorization", "Basic d3Jvbmc6d3Jvbmc=")]] {
        let answer = stand.query(headers);
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (502, "UNAVAILABLE"));
        assert!(!answer.text().contains(&pushed), "{answer:?}");
    }
}

#[test]
fn permit_is_no_manifest_of_another_digest() {
    let changed = Gate::default();
    let stand = up(&changed, always_asks, |_, visit| {
        let digest = format!("Docker-Content-Digest: {}", sha256(b"something else"));
        visit.answer("200 OK", &[&format!("Content-Type: {INDEX}"), &digest], "{}");
        true
    });
    let pushed = stand.push("a");
    assert_eq!(stand.listed(), [pushed.as_str()]);
    changed.open();
    let answer = stand.query(&[]);
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(!answer.text().contains(&pushed), "{answer:?}");
}

#[test]
fn query_of_an_upstream_that_fails_is_no_empty_list() {
    let failing = |visit: &mut Visit| visit.answer("500 Internal Server Error", &[], "");
    let subject = path(&sha256(&plain("subject")));
    let tag = subject.replace("sha256:", "sha256-");
    // Everything fails; or what could say no more than that the subject isn't there.
    for fails in [None, Some(subject), Some(tag)] {
        let changed = Gate::default();
        let of_subject = path(&sha256(&plain("subject")));
        let stand = up(&changed, always_asks, {
            let fails = fails.clone();
            move |_, visit| {
                let all = fails.as_ref().is_none_or(|path| path == visit.head.target());
                if all {
                    failing(visit);
                } else if visit.head.target() == of_subject {
                    visit.answer("404 Not Found", &[], "");
                }
                all || visit.head.target() == of_subject
            }
        });
        changed.open();
        let answer = stand.query(&[]);
        assert!(answer.status >= 500, "{fails:?}: {answer:?}");
        error_code(&answer.body);
    }
}

#[test]
fn query_of_a_digest_that_only_a_blob_has_is_empty_on_distribution_2() {
    let changed = Gate::default();
    let stand = up(&changed, always_asks, |_, visit| {
        let target = visit.head.target().to_owned();
        if target.contains("/manifests/sha256:") {
            visit.answer("500 Internal Server Error", &[], "");
        } else if target.contains("/blobs/") {
            visit.answer("200 OK", &["Content-Type: application/octet-stream"], "{}");
        } else {
            return false;
        }
        true
    });
    changed.open();
    assert!(stand.listed().is_empty());
}

/// What load balancers, meshes and clients set anew for each request.
const TRACES: [&str; 12] = [
    "X-Amzn-Trace-Id",
    "traceparent",
    "tracestate",
    "X-Request-Id",
    "X-Correlation-Id",
    "CF-Ray",
    "X-Cloud-Trace-Context",
    "b3",
    "X-B3-TraceId",
    "X-Datadog-Trace-Id",
    "Uber-Trace-Id",
    "X-Envoy-Attempt-Count",
];

#[test]
fn permit_stands_whatever_trace_id_a_query_has() {
    for name in TRACES {
        let stand = up(&Gate::default(), BackrefOptions::without_tags, |_, _| false);
        for number in 0..5 {
            assert_eq!(stand.query(&[(name, &format!("id-{number}"))]).status, 200);
        }
        assert_eq!(stand.asked(), 1, "{name}");
    }
}

#[test]
fn permit_stands_whatever_an_ignored_header_says() {
    for (config, asked) in [("[permit]\nignore_headers = \"X-Other, X-Made-Up\"\n", 1), ("", 5)] {
        let stand = up(&Gate::default(), |backref| backref.config(config).without_tags(), |_, _| false);
        for number in 0..5 {
            assert_eq!(stand.query(&[("X-Made-Up", &number.to_string())]).status, 200);
        }
        assert_eq!(stand.asked(), asked, "{config}");
        // It is who asks that an upstream decides by, still.
        stand.query(&[("Authorization", "Basic YTph")]);
        assert_eq!(stand.asked(), asked + 1, "{config}");
    }
}
