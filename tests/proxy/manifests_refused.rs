//! Manifests that no registry should hold: an error in the shape of the specification, and nothing left behind.

use serde_json::json;

use crate::manifests::{INDEX, path, plain, push_as, referrer};
use crate::stand::{Stand, up};
use crate::support::http::{self, Answer};
use crate::support::sha256;
use crate::wire::{Wire, error_code};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const MAX: usize = 4 << 20;

impl Stand {
    fn push_raw(&self, reference: &str, content_type: &str, manifest: &[u8]) -> Answer {
        let url = format!("{}{}", self.backref.url(), path(reference));
        http::send("PUT", &url, &[("Content-Type", content_type)], manifest)
    }

    fn assert_refused(&self, what: &str, code: &str, answer: &Answer) {
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (400, code), "{what}: {answer:?}");
        self.assert_nothing_left(what);
    }

    fn assert_nothing_left(&self, what: &str) {
        assert_eq!(self.fake.count("PUT"), 0, "{what}: the upstream was asked");
        assert_eq!(crate::manifests::listed(&self.backref, &self.subject), [""; 0], "{what}");
    }
}

/// A descriptor of what is not there, as JSON.
fn descriptor(digest: &str) -> String {
    json!({"mediaType": IMAGE, "digest": digest, "size": 2}).to_string()
}

#[test]
fn manifest_nested_without_end_takes_no_stack() {
    let stand = up();
    let nested = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let subject = descriptor(&stand.subject);
    // Deeper than any stack, in each field that a descriptor has.
    for manifest in [
        format!("{{\"subject\":{subject},\"annotations\":{nested}}}"),
        format!("{{\"subject\":{subject},\"annotations\":{{\"a\":{nested}}}}}"),
        format!("{{\"subject\":{subject},\"config\":{nested}}}"),
        format!("{{\"subject\":{subject},\"artifactType\":{nested}}}"),
    ] {
        stand.assert_refused("deep", "MANIFEST_INVALID", &stand.push_raw("v1", IMAGE, manifest.as_bytes()));
    }
    for manifest in [
        nested.clone(),
        format!("{{\"subject\":{nested}}}"),
        format!("{{\"subject\":{{\"digest\":{nested}}}}}"),
        format!("{{\"subject\":{subject},\"other\":{nested}}}"),
    ] {
        assert_eq!(stand.push_raw("v1", IMAGE, manifest.as_bytes()).status, 201);
    }
}

#[test]
fn manifest_with_a_subject_that_two_readers_read_differently_is_refused() {
    let stand = up();
    let (real, other) = (descriptor(&stand.subject), descriptor(&sha256(b"other")));
    for manifest in [
        format!("{{\"subject\":{real},\"subject\":{other}}}"),
        format!("{{\"subject\":{real},\"\\u0073ubject\":{other}}}"),
        format!("{{\"subject\":{real},\"Subject\":{other}}}"),
        format!("{{\"SUBJECT\":{real}}}"),
        format!("{{\"\u{17f}ubject\":{real}}}"),
        format!("{{\"subject\":{real},\"refers\":{other}}}"),
        format!("{{\"subject\":{{\"digest\":\"{0}\",\"digest\":\"{0}\"}}}}", stand.subject),
        format!("{{\"subject\":{{\"Digest\":\"{}\"}}}}", stand.subject),
        format!("{{\"subject\":{real},\"artifactType\":\"a/b\",\"artifacttype\":\"c/d\"}}"),
        format!("{{\"subject\":{real},\"config\":{{\"mediaType\":\"a/b\",\"MediaType\":\"c/d\"}}}}"),
    ] {
        stand.assert_refused(&manifest, "MANIFEST_INVALID", &stand.push_raw("v1", IMAGE, manifest.as_bytes()));
    }
}

#[test]
fn manifest_that_is_an_index_and_an_image_is_refused() {
    let stand = up();
    for manifest in [r#"{"manifests":[],"layers":[]}"#, r#"{"config":{},"manifests":[]}"#] {
        for content_type in [IMAGE, INDEX] {
            let answer = stand.push_raw("v1", content_type, manifest.as_bytes());
            stand.assert_refused(manifest, "MANIFEST_INVALID", &answer);
        }
    }
}

#[test]
fn manifest_of_another_type_than_the_content_type_is_refused() {
    let stand = up();
    let manifest = format!("{{\"mediaType\":\"{IMAGE}\",\"subject\":{}}}", descriptor(&stand.subject));
    stand.assert_refused("index", "MANIFEST_INVALID", &stand.push_raw("v1", INDEX, manifest.as_bytes()));
    stand.assert_refused(
        "index;",
        "MANIFEST_INVALID",
        &stand.push_raw("v1", &format!("{INDEX}; x=y"), manifest.as_bytes()),
    );
}

#[test]
fn manifest_with_a_subject_and_annotations_that_are_no_strings_is_refused() {
    let stand = up();
    let manifest = format!("{{\"subject\":{},\"annotations\":{{\"a\":1}}}}", descriptor(&stand.subject));
    stand.assert_refused(&manifest, "MANIFEST_INVALID", &stand.push_raw("v1", IMAGE, manifest.as_bytes()));
}

#[test]
fn manifest_pushed_by_a_digest_that_is_not_its_own_is_refused() {
    let stand = up();
    let manifest = referrer(&stand.subject, "a");
    let wrong = sha256(b"wrong");
    stand.assert_refused("wrong", "DIGEST_INVALID", &push_as(stand.backref.host(), &wrong, &manifest));
    let sha512 = format!("sha512:{}", "0".repeat(128));
    stand.assert_refused("wrong sha512", "DIGEST_INVALID", &push_as(stand.backref.host(), &sha512, &manifest));
    stand.assert_refused("malformed", "DIGEST_INVALID", &push_as(stand.backref.host(), "sha256:00", &manifest));
    let unknown = "blake3:0000";
    stand.assert_refused("not verifiable", "DIGEST_INVALID", &push_as(stand.backref.host(), unknown, &manifest));
    // Without a subject too: nobody gets other bytes than they asked for.
    stand.assert_refused("plain", "DIGEST_INVALID", &push_as(stand.backref.host(), &wrong, &plain("a")));
}

#[test]
fn manifest_of_the_largest_size_passes() {
    let stand = up();
    let mut manifest = referrer(&stand.subject, "a");
    manifest.resize(MAX, b' ');
    assert_eq!(push_as(stand.backref.host(), &sha256(&manifest), &manifest).status, 201);
}

#[test]
fn manifest_that_says_it_is_too_large_is_refused_before_it_is_sent() {
    let stand = up();
    let mut wire = Wire::to(stand.backref.host());
    let length = MAX + 1;
    wire.send(format!("PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n"));
    wire.send("Expect: 100-continue\r\n\r\n");
    // The first answer: no 100 comes before it.
    let answer = wire.answer();
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (413, "SIZE_INVALID"));
    stand.assert_nothing_left("announced");
}

#[test]
fn manifest_that_becomes_too_large_is_refused() {
    let stand = up();
    let mut wire = Wire::to(stand.backref.host());
    wire.send("PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..=MAX >> 10 {
        wire.send(format!("400\r\n{}\r\n", "x".repeat(1 << 10)));
    }
    let answer = wire.answer();
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (413, "SIZE_INVALID"));
    stand.assert_nothing_left("chunked");
}

#[test]
fn manifest_refusal_reaches_a_client_that_reads_only_after_it_sent_everything() {
    let stand = up();
    let mut wire = Wire::to(stand.backref.host());
    let length = MAX + (512 << 10);
    wire.send(format!("PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
    // A reset is what a connection gets that is closed while bytes still come: it takes the answer with it.
    let _ = wire.try_send("x".repeat(length));
    let answer = wire.try_answer().expect("the refusal, not a reset");
    assert_eq!((answer.head.status(), error_code(&answer.body).as_str()), (413, "SIZE_INVALID"));
}
