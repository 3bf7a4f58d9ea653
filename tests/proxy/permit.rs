//! The permit before a list is shown: the upstream's yes to a request with this caller's own headers, just now.

use crate::manifests::{INDEX, REPOSITORY, path, plain, referrer};
use crate::support::http::{self, Answer};
use crate::support::{Backref, Fake, Holdings, Visit, sha256};
use crate::wire::error_code;

const RIGHT: (&str, &str) = ("Authorization", "Basic cmlnaHQ6cmlnaHQ=");
const WRONG: (&str, &str) = ("Authorization", "Basic d3Jvbmc6d3Jvbmc=");
const STRANGER: (&str, &str) = ("Authorization", "Bearer of.another.repository");
const CHALLENGE: &str = "Basic realm=\"the registry's\"";

/// An upstream that lets one user do everything, answers 403 to a second one, and 401 to all others.
fn decide(holdings: &Holdings, visit: &mut Visit) {
    match visit.head.header("Authorization") {
        Some(value) if value == RIGHT.1 => holdings.serve(visit),
        Some(value) if value == STRANGER.1 => {
            visit.answer("403 Forbidden", &["X-Reason: secret"], "<html>");
        }
        _ => {
            let challenge = format!("WWW-Authenticate: {CHALLENGE}");
            let headers =
                [challenge.as_str(), "Docker-Distribution-Api-Version: registry/2.0", "Content-Type: text/html"];
            visit.answer("401 Unauthorized", &headers, "<html>");
        }
    }
}

struct Stand {
    backref: Backref,
    fake: Fake,
    holdings: Holdings,
    subject: String,
    subject_path: String,
}

fn up(decide: impl Fn(&Holdings, &mut Visit) + Send + Sync + 'static) -> Stand {
    let holdings = Holdings::default();
    let subject = plain("subject");
    let subject_path = holdings.hold(REPOSITORY, INDEX, &subject);
    let held = holdings.clone();
    let fake = Fake::start(move |visit| decide(&held, visit));
    // Without the cache, so that each query shows what the upstream answers now; the cache has a file of its own.
    let backref = Backref::of(&fake.url()).config("[permit]\nttl = \"0\"\n").start();
    Stand { backref, fake, holdings, subject: sha256(&subject), subject_path }
}

impl Stand {
    fn push(&self, name: &str) -> String {
        let manifest = referrer(&self.subject, name);
        let url = format!("{}{}", self.backref.url(), path(&sha256(&manifest)));
        let answer = http::send("PUT", &url, &[RIGHT, ("Content-Type", INDEX)], &manifest);
        assert_eq!(answer.status, 201, "{answer:?}");
        sha256(&manifest)
    }

    fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        http::get(&format!("{}/v2/{REPOSITORY}/referrers/{}", self.backref.url(), self.subject), headers)
    }

    fn listed(&self) -> Vec<String> {
        let referrers = http::referrers(self.backref.host(), REPOSITORY, &self.subject, &[RIGHT]);
        referrers.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
    }
}

#[test]
fn permit_of_one_caller_shows_nothing_to_the_next() {
    // With the cache: an entry is one caller's alone.
    let mut stand = up(decide);
    stand.backref = Backref::of(&stand.fake.url()).start();
    let digest = stand.push("a");
    for _ in 0..2 {
        assert_eq!(stand.listed(), [digest.as_str()]);
        for headers in [&[][..], &[WRONG]] {
            let answer = stand.ask(headers);
            assert_eq!((answer.status, error_code(&answer.body).as_str()), (401, "UNAUTHORIZED"));
            assert_eq!(answer.header("WWW-Authenticate"), CHALLENGE);
            assert_eq!(answer.header("Docker-Distribution-Api-Version"), "registry/2.0");
            assert_eq!(answer.header("Content-Type"), "application/json");
        }
        let answer = stand.ask(&[STRANGER]);
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (403, "DENIED"));
        assert_eq!(answer.headers.get("X-Reason"), None);
    }
}

#[test]
fn permit_refusal_is_the_same_whether_there_are_referrers_or_not() {
    let stand = up(decide);
    let same = ("X-Request-Id", "same");
    let without = stand.ask(&[WRONG, same]);
    stand.push("a");
    let with = stand.ask(&[WRONG, same]);
    assert_eq!((without.status, without.text()), (with.status, with.text()));
}

#[test]
fn permit_refused_by_404_gives_an_empty_list() {
    let stand = up(|holdings, visit| match visit.head.header("Authorization") {
        Some(value) if value == RIGHT.1 => holdings.serve(visit),
        _ => visit.answer("404 Not Found", &["X-Reason: hidden"], "404 page not found"),
    });
    let digest = stand.push("a");
    assert_eq!(stand.listed(), [digest.as_str()]);
    let answer = stand.ask(&[WRONG]);
    assert_eq!((answer.status, answer.json()["manifests"].as_array().map(Vec::len)), (200, Some(0)));
    assert_eq!(answer.headers.get("X-Reason"), None);
    // The stranger's 404 makes no referrer missing.
    assert_eq!(stand.listed(), [digest]);
}

#[test]
fn permit_comes_from_a_referrer_where_the_subject_is_gone() {
    let stand = up(Holdings::serve);
    let digests = ["a", "b"].map(|name| stand.push(name));
    stand.holdings.forget(&stand.subject_path);
    assert_eq!(stand.listed(), digests);
}

#[test]
fn permit_comes_from_another_referrer_where_one_is_gone_and_that_one_is_unlisted() {
    let stand = up(Holdings::serve);
    let [living, gone] = ["living", "gone"].map(|name| stand.push(name));
    stand.holdings.forget(&stand.subject_path);
    // Deleted directly in the registry.
    stand.holdings.forget(&path(&gone));
    assert_eq!(stand.listed(), [living.as_str()]);
    assert_eq!(stand.listed(), [living.as_str()]);
    // Seen again, it is listed again, in its place.
    stand.holdings.hold(REPOSITORY, INDEX, &referrer(&stand.subject, "gone"));
    assert_eq!(stand.push("gone"), gone);
    assert_eq!(stand.listed(), [living, gone]);
}

#[test]
fn permit_comes_from_nothing_where_everything_is_gone_and_the_list_is_empty() {
    let stand = up(Holdings::serve);
    let digests = ["a", "b", "c", "d", "e"].map(|name| stand.push(name));
    stand.holdings.forget(&stand.subject_path);
    for digest in &digests {
        stand.holdings.forget(&path(digest));
    }
    stand.holdings.forget(&path(&stand.subject.replace(':', "-")));
    let before = stand.fake.count("HEAD");
    assert_eq!(stand.listed(), [""; 0]);
    // The subject, three of its referrers and its tag: a long list costs no more.
    assert_eq!(stand.fake.count("HEAD") - before, 5);
}

#[test]
fn permit_is_not_given_while_the_registry_can_not_answer() {
    for (status, expected, code) in [
        ("429 Too Many Requests", 429, "TOOMANYREQUESTS"),
        ("503 Service Unavailable", 503, "UNAVAILABLE"),
        ("504 Gateway Timeout", 504, "UNAVAILABLE"),
        ("502 Bad Gateway", 502, "UNAVAILABLE"),
        ("418 Teapot", 502, "UNAVAILABLE"),
        ("302 Found", 502, "UNAVAILABLE"),
        ("304 Not Modified", 502, "UNAVAILABLE"),
        ("206 Partial Content", 502, "UNAVAILABLE"),
    ] {
        let stand = up(move |holdings, visit| {
            if visit.is("HEAD") {
                visit.answer(status, &["Retry-After: 7", "RateLimit-Remaining: 0", "Location: /elsewhere"], "");
            } else {
                holdings.serve(visit);
            }
        });
        stand.push("a");
        let answer = stand.ask(&[RIGHT]);
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (expected, code), "{status}");
        assert_eq!((answer.header("Retry-After"), answer.header("RateLimit-Remaining")), ("7", "0"), "{status}");
        assert_eq!(answer.headers.get("Location"), None, "{status}");
    }
}

#[test]
fn permit_is_not_given_where_the_registry_fails_on_everything() {
    // distribution 2.8 answers 500 to a digest that only a blob has: it counts as absent.
    let stand = up(|holdings, visit| match visit.head.method() {
        "HEAD" => visit.answer("500 Internal Server Error", &[], ""),
        _ => holdings.serve(visit),
    });
    stand.push("a");
    let answer = stand.ask(&[RIGHT]);
    assert!(answer.status >= 500, "{answer:?}");
    error_code(&answer.body);
}

#[test]
fn permit_is_asked_for_with_the_callers_headers_and_without_conditions() {
    let stand = up(Holdings::serve);
    stand.ask(&[
        RIGHT,
        ("Cookie", "session=1"),
        ("X-Client-Cert", "abc"),
        ("User-Agent", "tests/1"),
        ("Accept", "text/html"),
        ("Accept-Encoding", "gzip"),
        ("Range", "bytes=0-1"),
        ("If-None-Match", "\"x\""),
        ("If-Match", "\"x\""),
        ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("If-Range", "\"x\""),
    ]);
    let head = &stand.fake.seen()[0].head;
    assert_eq!(head.line, format!("HEAD {} HTTP/1.1", stand.subject_path));
    for (name, value) in
        [("Authorization", RIGHT.1), ("Cookie", "session=1"), ("X-Client-Cert", "abc"), ("User-Agent", "tests/1")]
    {
        assert_eq!(head.values(name), [value]);
    }
    let accept = head.values("Accept").join(",");
    for media_type in [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.artifact.manifest.v1+json",
        "application/vnd.cncf.oras.artifact.manifest.v1+json",
    ] {
        assert!(accept.contains(media_type), "{media_type}: {accept}");
    }
    for name in ["Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"] {
        assert_eq!(head.values(name), [""; 0], "{name}");
    }
}

#[test]
fn permit_refusal_has_a_challenge_with_backrefs_address() {
    let fake = Fake::start(|visit| {
        let host = visit.head.header("Host").expect("one Host").to_owned();
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"r\"");
        visit.answer("401 Unauthorized", &[&challenge], "");
    });
    let backref = Backref::of(&fake.url()).start();
    let answer = http::get(&format!("{}/v2/{REPOSITORY}/referrers/{}", backref.url(), sha256(b"")), &[]);
    let expected = format!("Bearer realm=\"{}/token\",service=\"r\"", backref.url());
    assert_eq!(answer.header("WWW-Authenticate"), expected);
}
