//! The two forms are not in the database: another backref, a deleted database, a copied carrier.

use crate::stand::{IMAGE, KINDS, OCI, Stand, artifact, descriptor, digest, get, put, up};
use crate::support::{Backref, http, sha256};

/// A backref with an empty store in front of the same registry.
fn another(stand: Stand) -> Stand {
    let Stand { backref, registry, subject } = stand;
    drop(backref);
    let backref = Backref::of(&registry.url()).start();
    Stand { backref, registry, subject }
}

#[test]
fn rewrite_original_is_found_without_the_database_by_digest_and_by_tag() {
    for kind in KINDS {
        for reference in ["digest", "v1"] {
            let stand = up(kind, "");
            let manifest = artifact(OCI, "a/b", Some(&stand.subject), "a");
            assert_eq!(put(&stand.url(), "v1", OCI, &manifest).status, 201);
            let original = sha256(&manifest);
            let stand = another(stand);
            let reference = if reference == "digest" { &original } else { reference };
            let got = get(&stand.url(), reference, &[OCI]);
            assert_eq!((got.status, &got.body), (200, &manifest), "{kind:?} {reference}");
            let listed = stand.originals(digest(&stand.subject));
            assert_eq!(listed.iter().map(digest).collect::<Vec<_>>(), [original.as_str()]);
        }
    }
}

#[test]
fn rewrite_chain_is_found_without_the_database_from_its_end() {
    let stand = up(KINDS[0], "");
    let first = artifact(OCI, "a/b", Some(&stand.subject), "first");
    let second = artifact(OCI, "a/b", Some(&descriptor(OCI, &first)), "second");
    stand.push(OCI, &first);
    let last = stand.push(OCI, &second);
    let stand = another(stand);
    let got = get(&stand.url(), &last, &[OCI]);
    assert_eq!((got.status, &got.body), (200, &second));
}

#[test]
fn rewrite_delete_by_the_original_without_the_database_deletes_the_carrier_alone() {
    for kind in KINDS {
        let stand = up(kind, "");
        let manifest = artifact(OCI, "a/b", Some(&stand.subject), "a");
        let original = stand.push(OCI, &manifest);
        let carrier = stand.only_carrier(digest(&stand.subject));
        let stand = another(stand);
        let url = format!("{}/v2/app/manifests/{original}", stand.url());
        assert_eq!(http::send("DELETE", &url, &[], b"").status, 202);
        assert_eq!(get(&stand.registry.url(), &carrier, &[IMAGE]).status, 404);
        assert_eq!(http::send("DELETE", &url, &[], b"").status, 404);
        let blob = http::get(&format!("{}/v2/app/blobs/{original}", stand.registry.url()), &[]);
        assert_eq!(blob.status, 200);
    }
}

#[test]
fn rewrite_recognizes_a_carrier_that_is_pushed_as_an_image_manifest() {
    let stand = up(KINDS[0], "");
    let manifest = artifact(OCI, "a/b", Some(&stand.subject), "a");
    let original = stand.push(OCI, &manifest);
    let carrier = stand.only_carrier(digest(&stand.subject));
    let bytes = get(&stand.url(), &carrier, &[IMAGE]).body;
    let stand = another(stand);
    stand.push(IMAGE, &bytes);
    assert_eq!(stand.originals(digest(&stand.subject)).iter().map(digest).collect::<Vec<_>>(), [original]);
}
