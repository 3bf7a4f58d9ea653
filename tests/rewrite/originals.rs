//! What an original is answered with, to whom, and at what cost for the registry: of fakes that see every request.

use crate::stand::{IMAGE, OCI, artifact, descriptor, get, manifest_url, put};
use crate::support::http::{self, Answer};
use crate::support::{Backref, Fake, Gate, Holdings, Seen, Visit, sha256};

const RIGHT: (&str, &str) = ("Authorization", "Basic cmlnaHQ6cmlnaHQ=");
const WRONG: (&str, &str) = ("Authorization", "Basic d3Jvbmc6d3Jvbmc=");

struct Stand {
    backref: Backref,
    fake: Fake,
    original: String,
    bytes: Vec<u8>,
}

/// An upstream that takes what it is given, blobs as well, and answers by `meddle` what that answers; with one original
/// that was pushed by its digest and by the tag `v1`.
fn up(meddle: impl Fn(&Holdings, &mut Visit) -> bool + Send + Sync + 'static) -> Stand {
    let holdings = Holdings::default();
    let fake = Fake::start(move |visit: &mut Visit| {
        if meddle(&holdings, visit) {
            return;
        }
        if visit.is("POST") || (visit.is("PUT") && visit.head.target().contains("/blobs/")) {
            visit.body();
            let status = if visit.is("POST") { "202 Accepted" } else { "201 Created" };
            visit.answer(status, &["Location: /v2/app/blobs/uploads/1"], "");
        } else {
            holdings.serve(visit);
        }
    });
    let backref = Backref::of(&fake.url()).config("[rewrite]\nmode = \"always\"\n").without_tags().start();
    let bytes = artifact(OCI, "a/b", Some(&descriptor(IMAGE, b"subject")), "secret");
    for reference in [sha256(&bytes).as_str(), "v1"] {
        let url = manifest_url(&backref.url(), reference);
        let pushed = http::send("PUT", &url, &[RIGHT, ("Content-Type", OCI)], &bytes);
        assert_eq!(pushed.status, 201, "{pushed:?}");
    }
    Stand { backref, fake, original: sha256(&bytes), bytes }
}

impl Stand {
    fn ask(&self, method: &str, reference: &str, headers: &[(&str, &str)]) -> Answer {
        let url = manifest_url(&self.backref.url(), reference);
        http::send(method, &url, &[&[("Accept", OCI)], headers].concat(), b"")
    }

    /// What the upstream is asked while that is done.
    fn asked<T>(&self, done: impl FnOnce() -> T) -> (T, Vec<Seen>) {
        let before = self.fake.seen().len();
        (done(), self.fake.seen().split_off(before))
    }
}

#[test]
fn original_is_not_given_for_a_login_page() {
    let changed = Gate::default();
    let page = changed.clone();
    let stand = up(move |_, visit| {
        if page.is_open() {
            visit.answer("200 OK", &["Content-Type: text/html"], "<html>log in</html>");
        }
        page.is_open()
    });
    for reference in [&stand.original, "v1"] {
        assert_eq!(stand.ask("GET", reference, &[RIGHT]).body, stand.bytes, "{reference}");
    }
    changed.open();
    for reference in [&stand.original, "v1"] {
        let answer = stand.ask("GET", reference, &[RIGHT]);
        assert_ne!(answer.body, stand.bytes, "{reference}: {answer:?}");
        assert_ne!(answer.header("Docker-Content-Digest"), stand.original, "{reference}: {answer:?}");
    }
}

#[test]
fn original_is_not_given_for_a_carrier_of_another_digest() {
    let changed = Gate::default();
    let other = changed.clone();
    let stand = up(move |_, visit| {
        let answers = other.is_open() && visit.head.target().contains("/manifests/sha256:");
        if answers {
            let digest = format!("Docker-Content-Digest: {}", sha256(b"something else"));
            visit.answer("200 OK", &[&format!("Content-Type: {IMAGE}"), &digest], "{}");
        }
        answers
    });
    changed.open();
    assert_ne!(stand.ask("GET", &stand.original, &[RIGHT]).body, stand.bytes);
}

#[test]
fn original_costs_a_stranger_the_same_requests_whether_it_is_there_or_not() {
    let stand = up(|_, visit| {
        let stranger = visit.head.header("Authorization") != Some(RIGHT.1);
        if stranger {
            visit.body();
            visit.answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"r\""], "{}");
        }
        stranger
    });
    let unknown = sha256(b"unknown");
    for method in ["GET", "HEAD", "DELETE"] {
        let [of_original, of_unknown] = [&stand.original, &unknown].map(|digest| {
            let (answer, seen) = stand.asked(|| stand.ask(method, digest, &[WRONG]));
            let methods: Vec<String> = seen.iter().map(|seen| seen.head.method().to_owned()).collect();
            (answer.status, answer.text(), answer.header("WWW-Authenticate").to_owned(), methods)
        });
        assert_eq!(of_original, of_unknown, "{method}");
        assert_eq!(of_original.0, 401, "{method}");
    }
    assert_eq!(stand.ask("GET", &stand.original, &[RIGHT]).body, stand.bytes, "nothing was deleted");
}

#[test]
fn original_by_a_tag_has_the_headers_that_are_about_it_and_no_others() {
    let gzip = "Content-Encoding: gzip";
    let extra = [gzip, "Vary: Cookie", "X-Storage: a", "Content-Disposition: inline", "Last-Modified: today"];
    let kept = ["RateLimit-Remaining: 7", "Cache-Control: no-store", "Docker-Distribution-Api-Version: registry/2.0"];
    let stand = up(move |held, visit| {
        let (by_tag, reads) = (visit.head.target().ends_with("/v1"), visit.is("GET") || visit.is("HEAD"));
        if by_tag && reads && held.holds(visit.head.target()) {
            // Of the carrier: its digest, its type and its length.
            let reply = held.apply(visit).expect("a whole request");
            reply.with(&[&extra[..], &kept[..]].concat()).give(visit);
            return true;
        }
        false
    });
    for method in ["GET", "HEAD"] {
        let answer = stand.ask(method, "v1", &[RIGHT]);
        assert_eq!((answer.status, answer.header("Docker-Content-Digest")), (200, stand.original.as_str()));
        assert_eq!(answer.header("Content-Type"), OCI);
        assert_eq!(answer.header("Content-Length"), stand.bytes.len().to_string());
        assert_eq!(answer.header("Vary"), "Accept");
        for line in extra {
            let (name, _) = line.split_once(':').expect("a header");
            assert!(name == "Vary" || !answer.headers.contains_key(name), "{method} has {name}: {answer:?}");
        }
        for line in kept {
            let (name, value) = line.split_once(": ").expect("a header");
            assert_eq!(answer.header(name), value, "{method}");
        }
    }
    assert_eq!(stand.ask("GET", "v1", &[RIGHT]).body, stand.bytes);
    // Whoever takes what the upstream holds gets it with all that the upstream says.
    let url = manifest_url(&stand.backref.url(), "v1");
    let carrier = http::get(&url, &[RIGHT, ("Accept", IMAGE), ("Accept-Encoding", "gzip")]);
    assert_ne!(carrier.header("Docker-Content-Digest"), stand.original);
    assert_eq!(carrier.header("X-Storage"), "a");
}

#[test]
fn original_is_authorised_by_a_request_without_a_coding() {
    let stand = up(|_, _| false);
    let (answer, seen) = stand.asked(|| get(&stand.backref.url(), &stand.original, &[OCI]));
    assert_eq!(answer.body, stand.bytes);
    let heads: Vec<&Seen> = seen.iter().filter(|seen| seen.head.method() == "HEAD").collect();
    assert!(!heads.is_empty(), "{seen:?}");
    for seen in heads {
        assert_eq!(seen.head.header("Accept-Encoding"), Some("identity"), "{seen:?}");
    }
}

#[test]
fn original_whose_blobs_the_registry_answers_oddly_is_not_acknowledged() {
    // Neither opens an upload (distribution-spec 1.1, "Pushing a blob in chunks": 202).
    for status in ["200 OK", "201 Created"] {
        let fake = Fake::start(move |visit: &mut Visit| {
            visit.body();
            let status = if visit.is("POST") { status } else { "404 Not Found" };
            visit.answer(status, &["Content-Type: text/html"], "<html>");
        });
        let backref = Backref::of(&fake.url()).config("[rewrite]\nmode = \"always\"\n").without_tags().start();
        let manifest = artifact(OCI, "a/b", Some(&descriptor(IMAGE, b"subject")), "a");
        let pushed = put(&backref.url(), &sha256(&manifest), OCI, &manifest);
        assert_eq!((pushed.status, fake.count("PUT")), (502, 0), "{status}: {pushed:?}");
    }
}
