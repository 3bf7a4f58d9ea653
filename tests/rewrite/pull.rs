//! Pulls of rewritten artifact manifests: by either digest, and by tag as the client accepts it.

use crate::stand::{IMAGE, INDEX, KINDS, OCI, Stand, artifact, digest, get, head, header, manifest_url, put, up};
use crate::support::{Kind, http, sha256};

const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn tagged(kind: crate::support::Kind, config: &str) -> (Stand, Vec<u8>, String, String) {
    let stand = up(kind, config);
    let manifest = artifact(OCI, "a/b", Some(&stand.subject), "a");
    assert_eq!(put(&stand.url(), "v1", OCI, &manifest).status, 201);
    let carrier = stand.only_carrier(digest(&stand.subject));
    (stand, manifest.clone(), sha256(&manifest), carrier)
}

#[test]
fn pull_by_digest_gives_the_original_or_the_carrier() {
    for kind in KINDS {
        let (stand, manifest, original, carrier) = tagged(kind, "");
        for accept in [&[OCI][..], &[IMAGE, OCI], &["*/*"], &[]] {
            let got = get(&stand.url(), &original, accept);
            assert_eq!((got.status, &got.body), (200, &manifest), "{accept:?}");
            assert_eq!(header(&got, "content-type"), OCI);
            let asked = head(&stand.url(), &original, accept);
            assert_eq!(asked.status, 200);
            for name in ["content-type", "content-length", "docker-content-digest", "etag"] {
                assert_eq!(header(&asked, name), header(&got, name), "{name}");
            }
        }
        let got = get(&stand.url(), &carrier, &[IMAGE]);
        assert_eq!((got.status, sha256(&got.body)), (200, carrier));
    }
}

#[test]
fn pull_by_tag_gives_what_the_client_accepts() {
    for kind in KINDS {
        for (config, both) in [("", true), ("[rewrite]\ntag = \"carrier\"\n", false)] {
            let (stand, _, original, carrier) = tagged(kind, config);
            let preferred = if both { &original } else { &carrier };
            for (accept, expected) in
                [(&[OCI][..], &original), (&[IMAGE], &carrier), (&[IMAGE, OCI], preferred), (&["*/*"], preferred)]
            {
                let (got, asked) = (get(&stand.url(), "v1", accept), head(&stand.url(), "v1", accept));
                assert_eq!((got.status, &sha256(&got.body)), (200, expected), "{kind:?} {accept:?}");
                assert_eq!(header(&got, "docker-content-digest"), expected);
                assert_eq!((asked.status, header(&asked, "docker-content-digest")), (200, expected.as_str()));
            }
        }
    }
}

#[test]
fn pull_of_what_is_no_carrier_gives_the_registrys_answer() {
    let (stand, ..) = tagged(Kind::Distribution2, "");
    let index = get(&stand.registry.url(), digest(&stand.subject), &[INDEX]).body;
    assert_eq!(put(&stand.registry.url(), "index", INDEX, &index).status, 201);
    for accept in [&[INDEX][..], &[OCI], &[OCI, INDEX], &[DOCKER], &["*/*"], &[]] {
        let (directly, through) = (get(&stand.registry.url(), "index", accept), get(&stand.url(), "index", accept));
        assert_eq!((through.status, &through.body), (directly.status, &directly.body), "{accept:?}");
    }
    assert_eq!(get(&stand.url(), "v1", &[DOCKER]).status, get(&stand.registry.url(), "v1", &[DOCKER]).status);
    assert_eq!(get(&stand.url(), "absent", &[OCI]).status, 404);
}

#[test]
fn pull_of_a_current_copy_gives_304() {
    let (stand, _, original, _) = tagged(Kind::Distribution2, "");
    let quoted = format!("\"{original}\"");
    for reference in [original.as_str(), "v1"] {
        let same = [("Accept", OCI), ("If-None-Match", quoted.as_str())];
        let answer = http::get(&manifest_url(&stand.url(), reference), &same);
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{reference}");
        let other = [("Accept", OCI), ("If-None-Match", "\"x\"")];
        assert_eq!(http::get(&manifest_url(&stand.url(), reference), &other).status, 200);
    }
}
