//! Gates, `subject.must_exist`, `subject.on_delete` and indexes, where a manifest has two forms; on real registries.

use serde_json::{Value, json};

use crate::stand::{IMAGE, INDEX, KINDS, OCI, Stand, artifact, descriptor, digest, get, manifest_url, put, up};
use crate::support::{Backref, Fake, Kind, Visit, http, sha256};

const GATE: &str = "[[gate]]\nrepositories = [\"app\"]\nrequire = [\"a/signature\"]\n";

fn index(name: &str, fields: &Value) -> Vec<u8> {
    let mut index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"name": name}});
    index.as_object_mut().expect("an object").append(&mut fields.as_object().expect("an object").clone());
    index.to_string().into_bytes()
}

#[test]
fn gate_counts_the_referrers_of_original_and_carrier() {
    for kind in KINDS {
        for by_carrier in [false, true] {
            let stand = up(kind, GATE);
            let sbom = artifact(OCI, "a/sbom", Some(&stand.subject), "sbom");
            let original = stand.push(OCI, &sbom);
            let carrier = stand.only_carrier(digest(&stand.subject));
            assert_eq!(put(&stand.url(), "v1", OCI, &sbom).status, 403);
            let carrier_bytes = get(&stand.url(), &carrier, &[IMAGE]).body;
            let subject = if by_carrier { descriptor(IMAGE, &carrier_bytes) } else { descriptor(OCI, &sbom) };
            // No artifact manifest: that would name the carrier, whatever its pusher named.
            stand.push(INDEX, &index("signature", &json!({"artifactType": "a/signature", "subject": subject})));
            assert_eq!(put(&stand.url(), "v1", OCI, &sbom).status, 201, "{kind:?} {by_carrier}");
            assert_eq!(put(&stand.url(), "v2", IMAGE, &carrier_bytes).status, 201);
            assert_eq!(get(&stand.registry.url(), "v1", &[IMAGE]).body, carrier_bytes);
            assert_eq!(sha256(&sbom), original);
        }
    }
}

#[test]
fn gate_opens_for_a_signature_that_is_an_artifact_manifest() {
    for kind in KINDS {
        let stand = up(kind, GATE);
        let image = index("image", &json!({}));
        assert_eq!(put(&stand.url(), "v1", INDEX, &image).status, 403);
        assert_eq!(get(&stand.registry.url(), "v1", &[INDEX]).status, 404);
        // Signed before it is there.
        stand.push(OCI, &artifact(OCI, "a/signature", Some(&descriptor(INDEX, &image)), "signature"));
        assert_eq!(put(&stand.url(), "v1", INDEX, &image).status, 201);
        assert_eq!(get(&stand.registry.url(), "v1", &[INDEX]).body, image);
    }
}

#[test]
fn gate_exempts_a_referrers_tag_that_lists_carriers() {
    let stand = up(Kind::Distribution2, GATE);
    let subject = digest(&stand.subject).to_owned();
    stand.push(OCI, &artifact(OCI, "a/sbom", Some(&stand.subject), "sbom"));
    let carriers = stand.carriers(&subject);
    let tag = subject.replace(':', "-");
    let list = index("list", &json!({"manifests": carriers}));
    assert_eq!(put(&stand.url(), &tag, INDEX, &list).status, 201);
    assert_eq!(put(&stand.url(), "v1", INDEX, &list).status, 403);
}

#[test]
fn subject_must_exist_accepts_a_subject_by_original_or_carrier() {
    for kind in KINDS {
        let stand = up(kind, "[subject]\nmust_exist = true\n");
        let first = artifact(OCI, "a/b", Some(&stand.subject), "first");
        let about = artifact(OCI, "a/b", Some(&descriptor(OCI, &first)), "about");
        let refused = put(&stand.url(), &sha256(&about), OCI, &about);
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.text().contains("MANIFEST_INVALID"), "{refused:?}");
        let blob = http::get(&format!("{}/v2/app/blobs/{}", stand.registry.url(), sha256(&about)), &[]);
        assert_eq!(blob.status, 404, "nothing was written");

        stand.push(OCI, &first);
        stand.push(OCI, &about);
        let carrier = get(&stand.url(), &stand.only_carrier(digest(&stand.subject)), &[IMAGE]).body;
        stand.push(OCI, &artifact(OCI, "a/b", Some(&descriptor(IMAGE, &carrier)), "about the carrier"));
        // A blob is no subject, whatever the registry says to a HEAD of it.
        let blob = descriptor(IMAGE, b"{}");
        let about_blob = artifact(OCI, "a/b", Some(&blob), "about a blob");
        assert_eq!(put(&stand.url(), &sha256(&about_blob), OCI, &about_blob).status, 400, "{kind:?}");

        // The database is new, the carrier is there.
        let Stand { backref, registry, .. } = stand;
        drop(backref);
        let config = "[subject]\nmust_exist = true\n";
        let backref = Backref::of(&registry.url()).config(config).start();
        assert_eq!(put(&backref.url(), &sha256(&about), OCI, &about).status, 201, "{kind:?}");
    }
}

#[test]
fn on_delete_referrers_deletes_the_referrers_of_original_and_carrier() {
    for kind in KINDS {
        for by_carrier in [false, true] {
            let stand = up(kind, "[subject]\non_delete = \"referrers\"\n");
            let first = artifact(OCI, "a/b", Some(&stand.subject), "first");
            let original = stand.push(OCI, &first);
            let carrier = stand.only_carrier(digest(&stand.subject));
            let carrier_bytes = get(&stand.url(), &carrier, &[IMAGE]).body;
            let referrers = [descriptor(OCI, &first), descriptor(IMAGE, &carrier_bytes)]
                .map(|subject| stand.push(INDEX, &index("about", &json!({"artifactType": "a/b", "subject": subject}))));
            let named = if by_carrier { &carrier } else { &original };
            let url = format!("{}/v2/app/manifests/{named}", stand.url());
            assert_eq!(http::send("DELETE", &url, &[], b"").status, 202);
            for gone in [&original, &carrier].into_iter().chain(&referrers) {
                assert_eq!(get(&stand.url(), gone, &[OCI, IMAGE, INDEX]).status, 404, "{kind:?} {by_carrier} {gone}");
            }
            assert!(stand.originals(&original).is_empty());
            assert_eq!(get(&stand.url(), digest(&stand.subject), &[INDEX]).status, 200);
        }
    }
}

#[test]
fn rewrite_original_in_an_index_can_be_pulled_where_the_registry_takes_the_index() {
    let stand = up(Kind::Distribution2, "");
    let sbom = artifact(OCI, "a/sbom", Some(&stand.subject), "sbom");
    let original = stand.push(OCI, &sbom);
    let listing = index("listing", &json!({"manifests": [descriptor(OCI, &sbom)]}));
    assert_eq!(put(&stand.url(), "v1", INDEX, &listing).status, 201);
    assert_eq!(get(&stand.url(), &original, &[OCI]).body, sbom);
}

#[test]
fn rewrite_original_in_a_refused_index_is_explained_by_naming_its_carrier() {
    let stand = up(Kind::Distribution3, "");
    let sbom = artifact(OCI, "a/sbom", Some(&stand.subject), "sbom");
    let original = stand.push(OCI, &sbom);
    let carrier = stand.only_carrier(digest(&stand.subject));
    let listing = |entry: &Value| index("listing", &json!({"manifests": [entry]}));
    let refused = put(&stand.url(), "v1", INDEX, &listing(&descriptor(OCI, &sbom)));
    assert_eq!(refused.status, 400, "{refused:?}");
    let errors = refused.json()["errors"].clone();
    let message = errors[0]["message"].as_str().expect("a sentence");
    assert!(message.contains(&original) && message.contains(&carrier), "{message}");
    assert_eq!(errors[0]["code"], "MANIFEST_BLOB_UNKNOWN");
    assert!(errors.as_array().is_some_and(|errors| errors.len() > 1), "and what the registry said: {errors}");
    // Something else that is not there: the registry's own words.
    let absent = listing(&descriptor(IMAGE, b"absent"));
    let (through, directly) =
        (put(&stand.url(), "v1", INDEX, &absent), put(&stand.registry.url(), "v1", INDEX, &absent));
    assert_eq!((through.status, through.body), (directly.status, directly.body));
    let carrier_bytes = get(&stand.url(), &carrier, &[IMAGE]).body;
    assert_eq!(put(&stand.url(), "v1", INDEX, &listing(&descriptor(IMAGE, &carrier_bytes))).status, 201);
}

#[test]
fn rewrite_original_in_a_refused_index_is_explained_only_to_readers_of_the_carrier() {
    let said = json!({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "no"}]}).to_string();
    let refusal = said.clone();
    let fake = Fake::start(move |visit: &mut Visit| {
        visit.body();
        let kind = visit.head.header("content-type").unwrap_or_default().to_owned();
        let is_known = visit.head.header("authorization") == Some("Basic YTph");
        match (visit.head.method(), kind.as_str()) {
            ("PUT", OCI) => visit.answer("415 Unsupported Media Type", &[], ""),
            ("PUT", INDEX) => visit.answer("400 Bad Request", &["X-Said: it"], &refusal),
            ("HEAD", _) if is_known => {
                visit.answer("200 OK", &["Content-Type: application/vnd.oci.image.manifest.v1+json"], "");
            }
            ("HEAD", _) => visit.answer("404 Not Found", &[], ""),
            _ => visit.answer("201 Created", &[], ""),
        }
    });
    let backref = Backref::of(&fake.url()).start();
    let sbom = artifact(OCI, "a/sbom", None, "sbom");
    let listing = index("listing", &json!({"manifests": [descriptor(IMAGE, b"other"), descriptor(OCI, &sbom)]}));
    let put = |media_type, manifest: &[u8], authorization| {
        let headers = [("Content-Type", media_type), ("Authorization", authorization)];
        http::send("PUT", &manifest_url(&backref.url(), "v1"), &headers, manifest)
    };
    assert_eq!(put(OCI, &sbom, "Basic YTph").status, 201);
    let explained = put(INDEX, &listing, "Basic YTph");
    assert_eq!((explained.status, explained.header("x-said")), (400, "it"));
    assert!(explained.text().contains(&sha256(&sbom)) && explained.text().contains("list that one"), "{explained:?}");
    assert_eq!(explained.json()["errors"][1]["message"], "no");
    assert_eq!(put(INDEX, &listing, "Basic Yjpi").text(), said);
}
