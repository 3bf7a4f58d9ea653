//! Artifact manifests under digest tags: the tag is the original's or the carrier's, and each API lists its own form.

use crate::stand::{IMAGE, INDEX, KINDS, OCI, ORAS, Stand, artifact, digest, get, head, header, manifest_url, put, up};
use crate::support::{http, sha256};

const WITHOUT_SUBJECT: &str = "[referrers]\nwithout_subject = true\n";

fn tag(stand: &Stand, referrer: &str) -> String {
    let hex = referrer.strip_prefix("sha256:").expect("a sha256 digest");
    format!("{}.{}", digest(&stand.subject).replace(':', "-"), &hex[..16])
}

#[test]
fn digest_tag_makes_an_artifact_manifest_without_a_subject_a_referrer() {
    for kind in KINDS {
        let stand = up(kind, WITHOUT_SUBJECT);
        let subject = digest(&stand.subject);
        for (media_type, name) in [(OCI, "a"), (ORAS, "b")] {
            let manifest = artifact(media_type, "sbom", None, name);
            let original = sha256(&manifest);
            let tag = tag(&stand, &original);
            let answer = put(&stand.url(), &tag, media_type, &manifest);
            assert_eq!((answer.status, header(&answer, "docker-content-digest")), (201, original.as_str()));
            assert_eq!(header(&answer, "oci-subject"), "");

            let listed = stand.originals(subject);
            let listed = listed.first().expect("the newest");
            assert_eq!((digest(listed), listed["mediaType"].as_str()), (original.as_str(), Some(media_type)));
            assert_eq!(
                (listed["artifactType"].as_str(), listed["annotations"]["name"].as_str()),
                (Some("sbom"), Some(name))
            );
            let carrier = stand.carriers(subject).pop().expect("the last to arrive");
            assert_eq!((carrier["mediaType"].as_str(), carrier["artifactType"].as_str()), (Some(IMAGE), Some("sbom")));
            let held = head(&stand.registry.url(), &tag, &[IMAGE]);
            assert_eq!((held.status, header(&held, "docker-content-digest")), (200, digest(&carrier)));
            let got = get(&stand.url(), &tag, &[media_type]);
            assert_eq!((got.status, got.body), (200, manifest));
            let list = get(&stand.registry.url(), &subject.replace(':', "-"), &[INDEX]);
            let list: serde_json::Value = serde_json::from_slice(&list.body).expect("the referrers tag");
            assert_eq!(list["manifests"].as_array(), Some(&stand.carriers(subject)), "as the 1.1 API lists");
        }
        let listed = stand.originals(subject);
        let [_, older] = &listed[..] else { panic!("not two: {listed:?}") };
        let delete = http::send("DELETE", &manifest_url(&stand.url(), digest(older)), &[], b"");
        assert_eq!(delete.status, 202);
        assert_eq!(stand.originals(subject).len(), 1);
    }
}

#[test]
fn digest_tag_may_name_the_carrier() {
    for kind in KINDS {
        let stand = up(kind, WITHOUT_SUBJECT);
        let manifest = artifact(OCI, "a/b", None, "a");
        assert_eq!(put(&stand.url(), "v1", OCI, &manifest).status, 201);
        let held = get(&stand.registry.url(), "v1", &[IMAGE]);
        let carrier = sha256(&held.body);
        assert_eq!(put(&stand.url(), &tag(&stand, &carrier), OCI, &manifest).status, 201);
        let subject = digest(&stand.subject);
        assert_eq!(digest(&stand.originals(subject)[0]), sha256(&manifest));
        // The carrier pushed as an image manifest, as by a copying client, to a backref with a new database.
        let Stand { backref, registry, subject } = stand;
        drop(backref);
        let backref = crate::support::Backref::of(&registry.url()).config(WITHOUT_SUBJECT).start();
        let stand = Stand { backref, registry, subject };
        for named in [&carrier, &sha256(&manifest)] {
            assert_eq!(put(&stand.url(), &tag(&stand, named), IMAGE, &held.body).status, 201);
            let subject = digest(&stand.subject);
            assert_eq!(digest(&stand.originals(subject)[0]), sha256(&manifest), "{kind:?}");
            assert_eq!(stand.only_carrier(subject), carrier);
        }
    }
}

#[test]
fn digest_tag_that_distribution_3_deletes_ends_its_relation() {
    for (kind, deletes) in KINDS.into_iter().zip([false, true]) {
        let stand = up(kind, "");
        let manifest = artifact(OCI, "a/b", None, "a");
        let tag = tag(&stand, &sha256(&manifest));
        assert_eq!(put(&stand.url(), &tag, OCI, &manifest).status, 201);
        let answer = http::send("DELETE", &manifest_url(&stand.url(), &tag), &[], b"");
        assert_eq!(answer.status == 202, deletes, "{kind:?}: {answer:?}");
        assert_eq!(stand.originals(digest(&stand.subject)).is_empty(), deletes, "{kind:?}");
    }
}
