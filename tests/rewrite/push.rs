//! Pushes of artifact manifests: what the client is answered, what the upstream holds, what queries list.

use serde_json::Value;

use crate::stand::{IMAGE, KINDS, OCI, ORAS, artifact, descriptor, digest, get, header, put, up};
use crate::support::{Kind, http, sha256};

#[test]
fn rewrite_stores_an_artifact_manifest_as_an_image_manifest_and_lists_the_original() {
    for kind in KINDS {
        for media_type in [OCI, ORAS] {
            let stand = up(kind, "");
            let manifest = artifact(media_type, "application/vnd.test.sbom", Some(&stand.subject), "a");
            assert_eq!(put(&stand.registry.url(), &sha256(&manifest), media_type, &manifest).status, 400);
            let answer = put(&stand.url(), "v1", media_type, &manifest);
            assert_eq!(answer.status, 201, "{}", answer.text());
            let original = sha256(&manifest);
            assert_eq!(header(&answer, "docker-content-digest"), original);
            assert_eq!(header(&answer, "oci-subject"), digest(&stand.subject));
            assert!(header(&answer, "location").ends_with(&format!("/v2/app/manifests/{original}")), "{answer:?}");

            let [listed] = &stand.originals(digest(&stand.subject))[..] else { panic!("not one") };
            assert_eq!((digest(listed), &listed["mediaType"]), (original.as_str(), &Value::from(media_type)));
            assert_eq!(listed["artifactType"], "application/vnd.test.sbom");
            assert_eq!(listed["size"], manifest.len());

            let carrier = stand.only_carrier(digest(&stand.subject));
            let held = get(&stand.registry.url(), &carrier, &[IMAGE]);
            assert_eq!(sha256(&held.body), carrier);
            let held: Value = serde_json::from_slice(&held.body).expect("JSON");
            assert_eq!(digest(&held["config"]), original, "undone without the store");
            let blob = http::get(&format!("{}/v2/app/blobs/{original}", stand.registry.url()), &[]);
            assert_eq!(blob.body, manifest);
            assert_eq!(get(&stand.registry.url(), "v1", &[IMAGE]).status, 200);
        }
    }
}

#[test]
fn rewrite_of_a_repeated_push_changes_nothing() {
    let stand = up(Kind::Distribution2, "");
    let manifest = artifact(OCI, "sbom", Some(&stand.subject), "a");
    let first = stand.push(OCI, &manifest);
    let lists = (stand.originals(digest(&stand.subject)), stand.carriers(digest(&stand.subject)));
    assert_eq!(lists.0[0]["artifactType"], "sbom", "no media type, but what was pushed");
    assert_eq!(stand.push(OCI, &manifest), first);
    assert_eq!((stand.originals(digest(&stand.subject)), stand.carriers(digest(&stand.subject))), lists);
}

#[test]
fn rewrite_keeps_an_artifact_manifest_without_a_subject() {
    for kind in KINDS {
        let stand = up(kind, "");
        let manifest = artifact(OCI, "a/b", None, "alone");
        let original = stand.push(OCI, &manifest);
        let pulled = get(&stand.url(), &original, &[OCI]);
        assert_eq!((pulled.status, &pulled.body), (200, &manifest));
    }
}

#[test]
fn rewrite_refuses_a_manifest_that_proposal_a_forbids_with_a_sentence() {
    let stand = up(Kind::Distribution2, "");
    let mut manifest: Value = serde_json::from_slice(&artifact(OCI, "a/b", None, "x")).expect("JSON");
    manifest["blobs"] = Value::from(vec![descriptor(IMAGE, b"manifest")]);
    let manifest = manifest.to_string();
    let answer = put(&stand.url(), &sha256(manifest.as_bytes()), OCI, manifest.as_bytes());
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("MANIFEST_INVALID") && answer.text().contains("is a manifest"), "{}", answer.text());
}

#[test]
fn rewrite_delete_by_either_digest_deletes_original_and_carrier() {
    for kind in KINDS {
        for by_carrier in [false, true] {
            let stand = up(kind, "");
            let manifest = artifact(OCI, "a/b", Some(&stand.subject), "a");
            let original = stand.push(OCI, &manifest);
            let carrier = stand.only_carrier(digest(&stand.subject));
            let named = if by_carrier { &carrier } else { &original };
            let url = format!("{}/v2/app/manifests/{named}", stand.url());
            assert_eq!(http::send("DELETE", &url, &[], b"").status, 202);
            assert!(stand.originals(digest(&stand.subject)).is_empty());
            for gone in [&original, &carrier] {
                assert_eq!(get(&stand.url(), gone, &[OCI, IMAGE]).status, 404, "{kind:?}");
            }
            assert_eq!(http::send("DELETE", &url, &[], b"").status, 404);
            let blob = http::get(&format!("{}/v2/app/blobs/{original}", stand.registry.url()), &[]);
            assert_eq!(blob.status, 200, "the upstream's garbage collection takes blobs, nobody else");
            assert_eq!(stand.push(OCI, &manifest), original, "and it can be pushed again");
            assert_eq!(get(&stand.url(), &original, &[OCI]).status, 200);
        }
    }
}
