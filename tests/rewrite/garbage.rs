//! `garbage-collect --delete-untagged` of the real registries: what a digest tag keeps, and what goes without one.

use serde_json::json;

use crate::stand::{IMAGE, INDEX, KINDS, OCI, Stand, artifact, descriptor, digest, get, put, up};
use crate::support::{http, sha256};

/// Everything that refers to the subject, and to that: pushed, then the garbage collected.
struct Collected {
    stand: Stand,
    /// In order of arrival: each with its subject, its media type and its bytes.
    pushed: Vec<(String, &'static str, Vec<u8>)>,
}

fn collected(kind: crate::support::Kind, config: &str) -> Collected {
    let mut stand = up(kind, config);
    let subject = digest(&stand.subject).to_owned();
    let image = get(&stand.registry.url(), &subject, &[INDEX]);
    assert_eq!(put(&stand.url(), "v1", INDEX, &image.body).status, 201);

    let by_subject = json!({
        "schemaVersion": 2, "mediaType": INDEX, "artifactType": "a/b", "manifests": [], "subject": stand.subject,
    });
    let rewritten = artifact(OCI, "c/d", Some(&stand.subject), "rewritten");
    let about_that = artifact(OCI, "e/f", Some(&descriptor(OCI, &rewritten)), "about that");
    let pushed = vec![
        (subject.clone(), INDEX, by_subject.to_string().into_bytes()),
        (subject, OCI, rewritten.clone()),
        (sha256(&rewritten), OCI, about_that),
    ];
    for (_, media_type, manifest) in &pushed {
        stand.push(media_type, manifest);
    }
    stand.registry.stop();
    stand.registry.collect_garbage(&["--delete-untagged"]);
    stand.registry.start();
    assert_eq!(get(&stand.url(), "v1", &[INDEX]).status, 200, "what has a tag is there in any case");
    Collected { stand, pushed }
}

impl Collected {
    /// How many of the pushed manifests are still there.
    fn left(&self) -> usize {
        let is_there = |(_, media_type, manifest): &&(String, &'static str, Vec<u8>)| {
            get(&self.stand.url(), &sha256(manifest), &[*media_type]).status == 200
        };
        self.pushed.iter().filter(is_there).count()
    }
}

#[test]
fn garbage_collection_keeps_every_referrer_that_has_a_digest_tag() {
    for kind in KINDS {
        let Collected { stand, pushed } = collected(kind, "[referrers]\ndigest_tags = \"write\"\n");
        for (subject, media_type, manifest) in &pushed {
            let got = get(&stand.url(), &sha256(manifest), &[media_type]);
            assert_eq!((got.status, &got.body), (200, manifest), "{kind:?}");
            let listed = stand.originals(subject);
            assert!(listed.iter().any(|one| digest(one) == sha256(manifest)), "{kind:?}: {listed:?}");
            for one in stand.carriers(subject) {
                let held = get(&stand.registry.url(), digest(&one), &[IMAGE, INDEX]);
                assert_eq!(held.status, 200, "{kind:?}: {one}");
            }
            if *media_type == OCI {
                let config = format!("{}/v2/app/blobs/{}", stand.registry.url(), sha256(manifest));
                assert_eq!(http::get(&config, &[]).body, *manifest, "what the carrier was made of is there too");
            }
        }
    }
}

/// The control: without digest tags the collection does take them.
#[test]
fn garbage_collection_takes_every_referrer_without_a_digest_tag() {
    for kind in KINDS {
        assert_eq!(collected(kind, "[referrers]\ntag = \"off\"\n").left(), 0, "{kind:?}");
    }
}

#[test]
fn garbage_collection_of_distribution_3_keeps_what_the_referrers_tag_lists() {
    let [left_2, left_3] = KINDS.map(|kind| collected(kind, "").left());
    assert_eq!((left_2, left_3), (0, 3), "2.8 takes what a tagged index lists");
}
