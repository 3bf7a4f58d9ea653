//! Originals are served from the database: only to callers whom the upstream lets read the carrier, and nobody else can
//! tell that they are there.

use crate::stand::{IMAGE, KINDS, OCI, artifact, descriptor, digest, get, head, manifest_url, put, up};
use crate::support::http::{self, Answer};
use crate::support::{Backref, Fake, Visit, sha256};

const KNOWN: (&str, &str) = ("Authorization", "Basic cmlnaHQ6cmlnaHQ=");

/// An upstream that takes anything of one user's, and refuses all others.
fn upstream(turned_away: &'static str) -> Fake {
    Fake::start(move |visit: &mut Visit| {
        visit.body();
        let known = visit.head.header("Authorization").is_some_and(|value| value == KNOWN.1);
        match visit.head.method() {
            _ if !known => {
                let headers = ["WWW-Authenticate: Basic realm=\"r\"", "X-Said: it", "Content-Type: text/html"];
                visit.answer(turned_away, &headers, "<html>no</html>");
            }
            "PUT" => visit.answer("201 Created", &[], ""),
            _ => visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], ""),
        }
    })
}

fn said(answer: &Answer) -> (u16, Vec<(String, String)>, &[u8]) {
    let headers = answer.headers.iter().filter(|(name, _)| name.as_str() != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
    (answer.status, headers.collect(), &answer.body)
}

#[test]
fn rewrite_refusal_is_the_same_for_a_known_and_an_unknown_digest() {
    for turned_away in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "429 Too Many Requests"] {
        let fake = upstream(turned_away);
        let backref = Backref::of(&fake.url()).config("[rewrite]\nmode = \"always\"\n").start();
        let manifest = artifact(OCI, "a/b", Some(&descriptor(IMAGE, b"subject")), "secret");
        let (there, absent) = (sha256(&manifest), sha256(b"absent"));
        let url = manifest_url(&backref.url(), &there);
        let pushed = http::send("PUT", &url, &[KNOWN, ("Content-Type", OCI)], &manifest);
        assert_eq!(pushed.status, 201, "{pushed:?}");
        assert_eq!(http::get(&url, &[KNOWN]).body, manifest);
        for method in ["GET", "HEAD"] {
            let ask = |digest: &str| {
                // Of one that is there a 304 would say so.
                let headers = [("Accept", OCI), ("If-None-Match", &*format!("\"{digest}\""))];
                http::send(method, &manifest_url(&backref.url(), digest), &headers, b"")
            };
            let (recorded, unknown) = (ask(&there), ask(&absent));
            assert!(turned_away.starts_with(&recorded.status.to_string()), "{recorded:?}");
            assert_eq!(said(&recorded), said(&unknown), "{turned_away}");
        }
    }
}

#[test]
fn rewrite_original_of_one_repository_is_not_given_in_another() {
    for kind in KINDS {
        let stand = up(kind, "");
        let manifest = artifact(OCI, "a/b", Some(&stand.subject), "a");
        let original = stand.push(OCI, &manifest);
        let other = format!("{}/v2/other/manifests/{original}", stand.url());
        assert_eq!(http::get(&other, &[("Accept", OCI)]).status, 404, "{kind:?}");
        let carrier = stand.only_carrier(digest(&stand.subject));
        // Deleted directly in the registry: the original is in the database, and not given.
        let around = format!("{}/v2/app/manifests/{carrier}", stand.registry.url());
        assert_eq!(http::send("DELETE", &around, &[], b"").status, 202);
        for asked in [get(&stand.url(), &original, &[OCI]), head(&stand.url(), &original, &[OCI])] {
            assert_eq!(asked.status, 404, "{kind:?}");
        }
        let same = [("Accept", OCI), ("If-None-Match", original.as_str())];
        assert_eq!(http::get(&manifest_url(&stand.url(), &original), &same).status, 404, "{kind:?}");
    }
}

#[test]
fn rewrite_takes_a_forged_carrier_for_a_plain_image_manifest() {
    let stand = up(KINDS[0], "");
    let manifest = artifact(OCI, "a/b", Some(&stand.subject), "a");
    let original = stand.push(OCI, &manifest);
    let carrier = stand.only_carrier(digest(&stand.subject));
    let bytes = String::from_utf8(get(&stand.url(), &carrier, &[IMAGE]).body).expect("JSON");
    assert_eq!(http::send("DELETE", &manifest_url(&stand.url(), &original), &[], b"").status, 202);
    let other_subject = descriptor(IMAGE, &manifest);
    for (from, to) in [
        (r#""name":"a""#, r#""name":"b""#),
        ("a/b", "a/c"),
        (digest(&stand.subject), digest(&other_subject)),
        (r#""size":2"#, r#""size":3"#),
    ] {
        let forged = bytes.replace(from, to);
        assert_ne!(forged, bytes, "{from}");
        let answer = put(&stand.url(), &sha256(forged.as_bytes()), IMAGE, forged.as_bytes());
        if answer.status == 201 {
            let subject = if from.starts_with("sha256") { digest(&other_subject) } else { digest(&stand.subject) };
            let listed = stand.originals(subject);
            assert!(listed.iter().any(|one| digest(one) == sha256(forged.as_bytes())), "{from}");
            assert!(listed.iter().all(|one| digest(one) != original), "{from}");
        }
        assert_eq!(get(&stand.url(), &original, &[OCI]).status, 404, "{from}");
    }
    assert_eq!(put(&stand.url(), &carrier, IMAGE, bytes.as_bytes()).status, 201);
    assert_eq!(get(&stand.url(), &original, &[OCI]).body, manifest);
}

#[test]
fn rewrite_refuses_a_digest_that_it_can_not_verify() {
    let fake = Fake::start(|visit: &mut Visit| visit.answer("201 Created", &[], ""));
    let backref = Backref::of(&fake.url()).config("[rewrite]\nmode = \"always\"\n").start();
    let answer = put(&backref.url(), "blake3:00", OCI, &artifact(OCI, "a/b", None, "a"));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.text().contains("DIGEST_INVALID"), "{answer:?}");
    assert!(fake.seen().is_empty());
}
