//! Digest tags and cosign's tags: read on push, ended by whatever moves or deletes them.

use serde_json::json;

use crate::manifests::{INDEX, REPOSITORY, delete, digest_tag, known, listed, path, plain, push, push_as, referrer};
use crate::stand::{Stand, configured as up};
use crate::support::{Backref, Fake, Holdings, http, sha256, sha512};

const COSIGN: &str = "[referrers]\ncosign_tags = true\n";
const WITHOUT_SUBJECT: &str = "[referrers]\nwithout_subject = true\n";

impl Stand {
    /// Pushes an index under a tag, or whatever follows the repository.
    fn push_under(&self, reference: &str, manifest: &[u8]) -> String {
        let answer = push_as(self.backref.host(), reference, manifest);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.header("OCI-Subject"), "", "its bytes name none");
        assert_eq!(answer.header("Docker-Content-Digest"), sha256(manifest));
        sha256(manifest)
    }

    fn tag(&self, kind: &str) -> String {
        format!("{}.{kind}", self.subject.replace(':', "-"))
    }

    fn known(&self) -> Vec<String> {
        known(&self.backref, &self.subject)
    }
}

#[test]
fn digest_tag_makes_its_manifest_a_referrer() {
    let stand = up("");
    let manifests = ["a", "b", "c"].map(plain);
    for (manifest, end) in manifests.iter().zip(["", ".sbom", ".0"]) {
        stand.push_under(&format!("{}{end}", digest_tag(&stand.subject, manifest)), manifest);
    }
    assert_eq!(stand.known(), manifests.each_ref().map(|manifest| sha256(manifest)));
    assert_eq!(listed(&stand.backref, &stand.subject), [""; 0], "1.1 asks for a subject");
    let manifest = &manifests[0];
    let seen = stand.fake.seen().into_iter().find(|seen| seen.head.method() == "PUT").expect("it was asked");
    assert_eq!(seen.head.target(), path(&digest_tag(&stand.subject, manifest)));
    assert_eq!(seen.body.as_deref(), Some(&manifest[..]), "as it came");
    assert_eq!(stand.fake.count("PUT"), 3);
    let asked = stand.fake.seen().iter().filter(|seen| seen.head.target().contains("manifests/sha256-")).count();
    assert_eq!(asked, 3, "the upstream's success is all that is needed");
}

#[test]
fn digest_tag_referrer_is_listed_by_oci_1_1_where_without_subject_is_set() {
    let stand = up(WITHOUT_SUBJECT);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": INDEX, "artifactType": "a/b", "manifests": [], "annotations": {"c": "d"},
    })
    .to_string()
    .into_bytes();
    let digest = stand.push_under(&digest_tag(&stand.subject, &manifest), &manifest);
    let listed = http::referrers(stand.backref.host(), REPOSITORY, &stand.subject, &[]);
    let expected = json!({
        "mediaType": INDEX, "digest": digest, "size": manifest.len(), "artifactType": "a/b", "annotations": {"c": "d"},
    });
    assert_eq!(listed, [expected]);
}

#[test]
fn digest_tag_of_another_manifest_makes_no_referrer_and_ends_the_former_relation() {
    let stand = up("");
    let (manifest, other) = (plain("a"), plain("b"));
    let tag = digest_tag(&stand.subject, &manifest);
    stand.push_under(&tag, &other);
    assert_eq!(stand.known(), [""; 0]);
    stand.push_under(&tag, &manifest);
    assert_eq!(stand.known(), [sha256(&manifest)]);
    stand.push_under(&tag, &other);
    assert_eq!(stand.known(), [""; 0]);
    // Nothing is a referrer of itself.
    stand.push_under(&digest_tag(&sha256(&manifest), &manifest), &manifest);
    assert_eq!(known(&stand.backref, &sha256(&manifest)), [""; 0]);
}

#[test]
fn digest_tag_counts_nothing_for_a_manifest_that_names_its_subject() {
    let stand = up("");
    let other = push(stand.backref.host(), &plain("other"));
    let manifest = referrer(&other, "a");
    let answer = push_as(stand.backref.host(), &digest_tag(&stand.subject, &manifest), &manifest);
    assert_eq!((answer.status, answer.header("OCI-Subject")), (201, other.as_str()));
    assert_eq!(stand.known(), [""; 0]);
    assert_eq!(known(&stand.backref, &other), [sha256(&manifest)]);
}

#[test]
fn digest_tag_in_the_query_counts_as_one_in_the_path() {
    let stand = up(COSIGN);
    let other = push(stand.backref.host(), &plain("other"));
    let manifest = plain("a");
    let (one, two) = (digest_tag(&stand.subject, &manifest), digest_tag(&other, &manifest));
    let digest = stand.push_under(&format!("{}?tag={one}&x=y&tag=v1&tag={two}", sha256(&manifest)), &manifest);
    assert_eq!(stand.known(), [digest.as_str()]);
    assert_eq!(known(&stand.backref, &other), [digest.as_str()]);
    // Under a digest of another kind it is the same manifest.
    let (long, tag) = (sha512(&manifest), stand.tag("sig"));
    let answer = push_as(stand.backref.host(), &format!("{long}?tag={tag}"), &manifest);
    assert_eq!(answer.status, 201);
    assert_eq!(stand.known(), [digest, long]);
}

#[test]
fn digest_tag_that_the_registry_ignored_counts_nothing() {
    let holdings = Holdings::default();
    let held = holdings.clone();
    // As distribution does.
    let fake = Fake::start(move |visit| {
        visit.head.line = visit.head.line.replace("?tag=", "?x=");
        held.serve(visit);
    });
    let backref = Backref::of(&fake.url()).without_tags().start();
    let subject = push(backref.host(), &plain("subject"));
    let manifest = plain("a");
    let reference = format!("{}?tag={}", sha256(&manifest), digest_tag(&subject, &manifest));
    assert_eq!(push_as(backref.host(), &reference, &manifest).status, 201);
    assert_eq!(known(&backref, &subject), [""; 0]);
}

#[test]
fn digest_tag_that_is_deleted_ends_its_relation() {
    let stand = up("");
    let manifest = plain("a");
    let tag = digest_tag(&stand.subject, &manifest);
    let typed = format!("{tag}.sbom");
    let digest = stand.push_under(&tag, &manifest);
    stand.push_under(&typed, &manifest);
    assert_eq!(delete(stand.backref.host(), &tag).status, 202);
    assert_eq!(stand.known(), [digest.as_str()], "the other tag says it too");
    assert_eq!(delete(stand.backref.host(), &typed).status, 202);
    assert_eq!(stand.known(), [""; 0]);
    assert_eq!(delete(stand.backref.host(), &typed).status, 404);
    // The manifest is still there, and pushed under the tag it refers again.
    stand.push_under(&tag, &manifest);
    assert_eq!(stand.known(), [digest.as_str()]);
    assert_eq!(delete(stand.backref.host(), &digest).status, 202);
    assert_eq!(stand.known(), [""; 0]);
}

#[test]
fn digest_tag_whose_delete_is_refused_keeps_its_relation() {
    let holdings = Holdings::default();
    let held = holdings.clone();
    // As distribution 2.8 does.
    let fake =
        Fake::start(
            move |visit| {
                if visit.is("DELETE") { visit.answer("405 No", &["X-Odd: 1"], "no") } else { held.serve(visit) }
            },
        );
    let backref = Backref::of(&fake.url()).without_tags().start();
    let subject = push(backref.host(), &plain("subject"));
    let manifest = plain("a");
    let tag = digest_tag(&subject, &manifest);
    assert_eq!(push_as(backref.host(), &tag, &manifest).status, 201);
    for tag in [tag.as_str(), "v1"] {
        let answer = delete(backref.host(), tag);
        assert_eq!((answer.status, answer.header("X-Odd"), answer.text().as_str()), (405, "1", "no"));
    }
    assert_eq!(known(&backref, &subject), [sha256(&manifest)]);
}

#[test]
fn cosign_tag_counts_where_cosign_tags_is_set() {
    let off = up("");
    off.push_under(&off.tag("sig"), &plain("a"));
    assert_eq!(off.known(), [""; 0]);

    let stand = up(COSIGN);
    let [first, attested, bill, second] =
        [("sig", "a"), ("att", "b"), ("sbom", "c"), ("sig", "d")].map(|(kind, name)| {
            let digest = stand.push_under(&stand.tag(kind), &plain(name));
            assert!(stand.known().contains(&digest), "{kind}");
            digest
        });
    assert_eq!(stand.known(), [attested.as_str(), bill.as_str(), second.as_str()], "{first} is under no tag any more");
    stand.push_under(&stand.tag("sigs"), &plain("e"));
    assert_eq!(stand.known().len(), 3);
}

#[test]
fn digest_tag_counts_nothing_where_digest_tags_is_off() {
    let stand = up("[referrers]\ndigest_tags = \"off\"\n");
    let manifest = plain("a");
    let tag = digest_tag(&stand.subject, &manifest);
    stand.push_under(&tag, &manifest);
    assert_eq!(stand.known(), [""; 0]);
    assert_eq!(delete(stand.backref.host(), &tag).status, 202);
}

#[test]
fn digest_tag_is_refused_for_a_manifest_that_can_be_no_referrer() {
    let stand = up("");
    let odd = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"a": 1}}).to_string();
    let tag = digest_tag(&stand.subject, odd.as_bytes());
    let refused = push_as(stand.backref.host(), &tag, odd.as_bytes());
    assert_eq!((refused.status, refused.json()["errors"][0]["code"].as_str()), (400, Some("MANIFEST_INVALID")));
    assert_eq!(stand.fake.count("PUT"), 0);
    assert_eq!(push_as(stand.backref.host(), "v1", odd.as_bytes()).status, 201);

    let manifest = plain("a");
    let tag = digest_tag(&stand.subject, &manifest);
    let tags: Vec<_> = (0..17).map(|n| format!("tag={tag}.{n}")).collect();
    let refused = push_as(stand.backref.host(), &format!("v1?{}", tags.join("&")), &manifest);
    assert_eq!((refused.status, refused.json()["errors"][0]["code"].as_str()), (400, Some("UNSUPPORTED")));
}

#[test]
fn cosign_tag_keeps_its_relation_where_a_push_is_refused() {
    let holdings = Holdings::default();
    let held = holdings.clone();
    let unwanted = sha256(&plain("refused"));
    let fake = Fake::start(move |visit| {
        let refuses = visit.is("PUT") && visit.body().is_some_and(|body| sha256(&body) == unwanted);
        if refuses { visit.answer("403 No", &[], "no") } else { held.serve(visit) }
    });
    let backref = Backref::of(&fake.url()).config(COSIGN).without_tags().start();
    let subject = push(backref.host(), &plain("subject"));
    let tag = format!("{}.sig", subject.replace(':', "-"));
    assert_eq!(push_as(backref.host(), &tag, &plain("a")).status, 201);
    assert_eq!(push_as(backref.host(), &tag, &plain("refused")).status, 403);
    assert_eq!(known(&backref, &subject), [sha256(&plain("a"))]);
}
