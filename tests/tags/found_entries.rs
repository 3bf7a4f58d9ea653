//! Tags that another tool made: what they name stays, whatever backref can make of it.

use serde_json::json;

use crate::stand::{INDEX, KINDS, Stand, delete, list, plain, put, referrer, up, with};
use crate::support::{Kind, Registry, sha256};

/// Of each stand.
fn subject() -> String {
    sha256(&plain("subject"))
}

/// Manifests that name the subject beyond doubt, though backref would not list such a push's annotations.
fn readable(subject: &str) -> Vec<(&'static str, Vec<u8>)> {
    let with = |rest: &str| {
        let subject = json!({"mediaType": INDEX, "digest": subject, "size": 2});
        let rest = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[],"subject":{subject}{rest}}}"#);
        rest.into_bytes()
    };
    vec![
        ("a null annotation", with(r#","annotations":{"a":null}"#)),
        ("half a character", with(r#","annotations":{"a":"\ud800"}"#)),
        ("one annotation twice", with(r#","annotations":{"a":"1","a":"2"}"#)),
        ("annotations twice", with(r#","annotations":{"a":"1"},"annotations":{"b":"2"}"#)),
        ("a key in another case", with(r#","ArtifactType":"a/b""#)),
    ]
}

/// Manifests that are not listed: of whom they refer to there is a doubt, or it is nobody, or somebody else.
fn unlisted(subject: &str) -> Vec<(&'static str, Vec<u8>)> {
    let descriptor = json!({"mediaType": INDEX, "digest": subject, "size": 2});
    let twice = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[],"subject":{descriptor},"subject":{descriptor}}}"#
    );
    vec![
        ("two subjects", twice.into_bytes()),
        ("no subject", plain("ordinary")),
        ("another subject", referrer(&sha256(b"another"), "other")),
    ]
}

/// Puts a manifest and a tag that names it into the registry, around backref.
fn tag_around(stand: &Stand, manifests: &[&[u8]]) {
    for manifest in manifests {
        put(&stand.registry.url(), &sha256(manifest), manifest);
    }
    put(&stand.registry.url(), &stand.tag(), &list(manifests));
}

#[test]
fn referrers_tag_of_another_tool_keeps_a_referrer_with_odd_annotations() {
    for kind in KINDS {
        for (name, manifest) in readable(&subject()) {
            let stand = up(kind);
            tag_around(&stand, &[&manifest]);
            // Before anybody asked: the push itself reads the tag, so that what it finds comes after what it pushes.
            let all = [stand.push("pushed"), sha256(&manifest)];
            stand.flushed();
            assert_eq!((stand.tagged(), stand.listed()), (all.to_vec(), all.to_vec()), "{kind:?}: {name}");
        }
    }
}

#[test]
fn referrers_tag_of_another_tool_keeps_an_entry_that_is_not_listed() {
    for kind in KINDS {
        for (name, manifest) in unlisted(&subject()) {
            let stand = up(kind);
            let other = stand.push_around("a referrer of the other tool");
            tag_around(&stand, &[&manifest, &other]);
            for number in 0..3 {
                let mut listed = stand.listed();
                listed.push(stand.push(&format!("pushed {number}")));
                assert_eq!(stand.listed(), listed, "{kind:?}: {name}: push {number}");
                let tagged = stand.tagged();
                assert!(listed.iter().all(|one| tagged.contains(one)), "{kind:?}: {name}: push {number}: {tagged:?}");
                assert!(tagged.contains(&sha256(&manifest)), "{kind:?}: {name}: push {number} took it out");
            }
        }
    }
}

#[test]
fn referrers_tag_with_nothing_but_an_entry_in_doubt_is_no_foreign_index() {
    let stand = up(Kind::Distribution2);
    let (_, manifest) = unlisted(&stand.subject).swap_remove(0);
    tag_around(&stand, &[&manifest]);
    let pushed = stand.push("pushed");
    let mut tagged = stand.tagged();
    tagged.sort();
    let mut expected = vec![sha256(&manifest), pushed.clone()];
    expected.sort();
    assert_eq!((tagged, stand.listed()), (expected, vec![pushed]));
}

#[test]
fn referrers_tag_lets_go_of_a_manifest_whose_digest_tag_is_gone() {
    let config = "[referrers]\nwithout_subject = true\n";
    let stand = with(Registry::of(Kind::Distribution3), |backref| backref.config(config));
    let kept = stand.push("kept");
    let tagged = plain("by its tag");
    let digest = sha256(&tagged);
    let digest_tag = format!("{}.{}", stand.tag(), &digest["sha256:".len()..][..16]);
    put(&stand.url(), &digest_tag, &tagged);
    stand.flushed();
    assert_eq!(stand.tagged(), [kept.clone(), digest]);
    assert_eq!(delete(&stand.url(), &digest_tag), 202);
    stand.flushed();
    assert_eq!((stand.tagged(), stand.listed()), (vec![kept.clone()], vec![kept]));
}
