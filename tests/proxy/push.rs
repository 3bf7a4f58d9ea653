//! Pushes that go through: untouched without a subject, recorded with one.

use serde_json::json;

use crate::manifests::{INDEX, delete, listed, path, push, push_as, referrer};
use crate::stand::configured as up;
use crate::support::{Backref, Fake, http, sha256, sha512};
use crate::wire::Wire;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

#[test]
fn push_without_a_subject_passes_byte_for_byte() {
    // What an upstream with the API of its own would answer: clients would take it for backref's.
    let fake = Fake::start(|visit| {
        visit.body();
        let headers =
            ["OCI-Subject: sha256:ab", "oci-SUBJECT: sha256:cd", "Docker-Content-Digest: x:y", "Location: /l"];
        visit.answer("299 Odd", &headers, "body");
    });
    let backref = Backref::of(&fake.url()).start();
    let odd = " {\"schemaVersion\" :2,\n\t\"layers\":[ ],\"a\\u0062\":1e2 , \"annotations\": {\"b\": \"\\/\"}}\n";
    let artifact = json!({"mediaType": ARTIFACT, "artifactType": "a/b", "blobs": []}).to_string();
    for (content_type, manifest) in [
        (IMAGE, odd),
        (ARTIFACT, artifact.as_str()),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", "{}"),
    ] {
        let mut wire = Wire::to(backref.host());
        let length = manifest.len();
        wire.send(format!(
            "PUT /v2/app/manifests/v1?tag=%61&x='+' HTTP/1.1\r\nHost: a\r\nCONTENT-type: {content_type}; q=1\r\n\
             Content-Length: {length}\r\nX-Odd: 1\r\nx-odd: 2\r\n\r\n{manifest}"
        ));
        let answer = wire.answer();
        assert_eq!((answer.head.line.as_str(), answer.text().as_str()), ("HTTP/1.1 299 Odd", "body"));
        assert_eq!(answer.head.values("OCI-Subject"), [""; 0]);
        assert_eq!(answer.head.values("Docker-Content-Digest"), ["x:y"]);
        let seen = fake.seen().pop().expect("it was asked");
        assert_eq!(seen.head.target(), "/v2/app/manifests/v1?tag=%61&x='+'");
        assert_eq!(seen.body.as_deref(), Some(manifest.as_bytes()));
        assert!(seen.head.headers.contains(&format!("CONTENT-type: {content_type}; q=1")), "{:?}", seen.head);
        assert_eq!(seen.head.values("Content-Length"), [length.to_string()]);
        assert_eq!(seen.head.values("X-Odd"), ["1", "2"]);
    }
}

#[test]
fn push_with_a_subject_passes_byte_for_byte() {
    let stand = up("");
    let mut manifest = referrer(&stand.subject, "a");
    manifest.extend_from_slice(b" \n\t ");
    let digest = push(stand.backref.host(), &manifest);
    let seen = stand.fake.seen().pop().expect("it was asked");
    assert_eq!((seen.head.target(), seen.body), (path(&digest).as_str(), Some(manifest)));
    assert_eq!(seen.head.values("Content-Type"), [INDEX]);
}

#[test]
fn push_by_tag_or_digest_records_the_digest_of_the_bytes() {
    let stand = up("");
    let pushed = |name: &str| referrer(&stand.subject, name);
    let manifests = [pushed("tag"), pushed("short"), pushed("long")];
    let references = ["v1".to_owned(), sha256(&manifests[1]), sha512(&manifests[2])];
    let digests = [sha256(&manifests[0]), sha256(&manifests[1]), sha512(&manifests[2])];
    for ((manifest, reference), digest) in manifests.iter().zip(&references).zip(&digests) {
        let answer = push_as(stand.backref.host(), reference, manifest);
        assert_eq!((answer.status, answer.header("OCI-Subject")), (201, stand.subject.as_str()));
        assert_eq!(answer.header("Docker-Content-Digest"), digest);
    }
    assert_eq!(listed(&stand.backref, &stand.subject), digests);
}

#[test]
fn push_answer_names_the_subject_and_digest_of_what_was_pushed() {
    let wrong = sha256(b"wrong");
    let headers = [format!("OCI-Subject: {wrong}"), format!("Docker-Content-Digest: {wrong}")];
    let fake = Fake::start(move |visit| {
        visit.body();
        let headers: Vec<&str> = headers.iter().chain(&headers).map(String::as_str).collect();
        // Quay answers 202 at times; clients insist on 201.
        visit.answer("202 Accepted", &headers, "");
    });
    let backref = Backref::of(&fake.url()).start();
    let subject = sha256(b"subject");
    let manifest = referrer(&subject, "a");
    let mut wire = Wire::to(backref.host());
    let (target, length) = (path("v1"), manifest.len());
    wire.send(format!("PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {INDEX}\r\nContent-Length: {length}\r\n\r\n"));
    wire.send(&manifest);
    let head = wire.answer().head;
    assert_eq!(head.status(), 201);
    assert_eq!(head.values("OCI-Subject"), [subject]);
    assert_eq!(head.values("Docker-Content-Digest"), [sha256(&manifest)]);
}

#[test]
fn push_in_chunks_is_recorded() {
    let stand = up("");
    let manifest = referrer(&stand.subject, "a");
    let mut wire = Wire::to(stand.backref.host());
    wire.send(format!(
        "PUT {} HTTP/1.1\r\nHost: a\r\nContent-Type: {INDEX}\r\nTransfer-Encoding: chunked\r\n\
         Expect: 100-continue\r\n\r\n",
        path("v1")
    ));
    assert_eq!(wire.head().status(), 100);
    for byte in &manifest {
        wire.send([b"1\r\n".as_slice(), &[*byte], b"\r\n"].concat());
    }
    wire.send("0\r\n\r\n");
    assert_eq!(wire.answer().head.status(), 201);
    let seen = stand.fake.seen().pop().expect("it was asked");
    assert_eq!(seen.body.as_ref(), Some(&manifest));
    assert_eq!(listed(&stand.backref, &stand.subject), [sha256(&manifest)]);
}

#[test]
fn push_may_come_before_its_subject() {
    let stand = up("");
    let absent = sha256(b"absent");
    let digest = push(stand.backref.host(), &referrer(&absent, "early"));
    assert_eq!(listed(&stand.backref, &absent), [digest]);
}

#[test]
fn push_with_refers_alone_is_listed_where_that_is_configured() {
    let manifest = |subject: &str| {
        let refers = json!({"mediaType": INDEX, "digest": subject, "size": 2});
        json!({"mediaType": INDEX, "manifests": [], "refers": refers}).to_string().into_bytes()
    };
    let stand = up("");
    let answer = push_as(stand.backref.host(), "v1", &manifest(&stand.subject));
    assert_eq!((answer.status, answer.header("OCI-Subject")), (201, stand.subject.as_str()));
    assert_eq!(listed(&stand.backref, &stand.subject), [""; 0]);

    let stand = up("[referrers]\nwithout_subject = true\n");
    let manifest = manifest(&stand.subject);
    let digest = push(stand.backref.host(), &manifest);
    assert_eq!(listed(&stand.backref, &stand.subject), [digest]);
}

#[test]
fn delete_unlists_the_referrer() {
    let stand = up("");
    let digest = push(stand.backref.host(), &referrer(&stand.subject, "a"));
    let kept = push(stand.backref.host(), &referrer(&stand.subject, "b"));
    assert_eq!(delete(stand.backref.host(), &digest).status, 202);
    assert_eq!(listed(&stand.backref, &stand.subject), [kept.as_str()]);
    // Not there: the upstream's own answer.
    let again = delete(stand.backref.host(), &digest);
    assert_eq!((again.status, again.json()["errors"][0]["code"].as_str()), (404, Some("MANIFEST_UNKNOWN")));
    assert_eq!(listed(&stand.backref, &stand.subject), [kept]);
}

#[test]
fn push_answer_has_a_location_at_backrefs_address() {
    let fake = Fake::start(|visit| {
        visit.body();
        let host = visit.head.header("Host").expect("one Host").to_owned();
        visit.answer("201 Created", &[&format!("Location: http://{host}/v2/app/manifests/x")], "");
    });
    let backref = Backref::of(&fake.url()).start();
    let answer = push_as(backref.host(), "v1", &referrer(&sha256(b"subject"), "a"));
    assert_eq!(answer.header("Location"), format!("{}/v2/app/manifests/x", backref.url()));
    let digest = sha256(&referrer(&sha256(b"subject"), "a"));
    let answer = http::send("DELETE", &format!("{}{}", backref.url(), path(&digest)), &[], b"");
    assert_eq!(answer.header("Location"), format!("{}/v2/app/manifests/x", backref.url()));
}
