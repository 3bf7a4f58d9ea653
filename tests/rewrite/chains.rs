//! Artifacts about artifacts, in any order.

use serde_json::{Value, json};

use crate::stand::{IMAGE, INDEX, KINDS, OCI, artifact, descriptor, digest, get, put, up};
use crate::support::{Kind, sha256};

#[test]
fn rewrite_referrers_of_original_and_carrier_are_one_set() {
    for kind in KINDS {
        let stand = up(kind, "");
        let first = artifact(OCI, "a/b", Some(&stand.subject), "first");
        let original = stand.push(OCI, &first);
        let carrier = stand.only_carrier(digest(&stand.subject));
        let second = artifact(OCI, "a/b", Some(&descriptor(OCI, &first)), "second");
        let about_original = stand.push(OCI, &second);
        let index = json!({
            "schemaVersion": 2, "mediaType": INDEX, "artifactType": "c/d", "manifests": [],
            "subject": descriptor(OCI, &first),
        })
        .to_string();
        let third = stand.push(INDEX, index.as_bytes());

        let originals = [about_original.as_str(), third.as_str()];
        for subject in [&original, &carrier] {
            let mut listed: Vec<_> = stand.originals(subject).iter().map(|one| digest(one).to_owned()).collect();
            listed.reverse(); // newest first
            assert_eq!(listed, originals, "{kind:?}");
            assert_eq!(stand.carriers(subject).len(), 2);
            assert_eq!(stand.list(&format!("referrers/{subject}?artifactType=c/d")).len(), 1);
        }
        let held = get(&stand.registry.url(), digest(&stand.carriers(&original)[0]), &[IMAGE]);
        let held: Value = serde_json::from_slice(&held.body).expect("JSON");
        assert_eq!(digest(&held["subject"]), carrier, "the form that the upstream holds, so that a copy stays whole");
    }
}

#[test]
fn rewrite_referrer_may_come_before_its_subject() {
    let stand = up(Kind::Distribution2, "");
    let first = artifact(OCI, "a/b", Some(&stand.subject), "first");
    let second = artifact(OCI, "a/b", Some(&descriptor(OCI, &first)), "second");
    let early = stand.push(OCI, &second);
    let original = stand.push(OCI, &first);
    let carrier = stand.only_carrier(digest(&stand.subject));
    let before = stand.carriers(&original);
    for subject in [&original, &carrier] {
        let [listed] = &stand.originals(subject)[..] else { panic!("not one") };
        assert_eq!(digest(listed), early);
    }
    assert_eq!(stand.push(OCI, &second), early);
    assert_eq!(stand.carriers(&original), before, "pushed again, it has the carrier that it had");
}

#[test]
fn rewrite_pages_span_the_referrers_of_original_and_carrier() {
    let stand = up(Kind::Distribution2, "");
    let first = artifact(OCI, "a/b", Some(&stand.subject), "first");
    let original = sha256(&first);
    let about = |name: &str| artifact(OCI, "a/b", Some(&descriptor(OCI, &first)), name);
    let mut pushed: Vec<String> = (0..3).map(|n| stand.push(OCI, &about(&n.to_string()))).collect();
    assert_eq!(put(&stand.url(), &original, OCI, &first).status, 201);
    pushed.extend((3..6).map(|n| stand.push(OCI, &about(&n.to_string()))));
    let mut listed = Vec::new();
    let mut path = format!("_oci/artifacts/referrers?digest={original}&n=2");
    loop {
        let answer = crate::support::http::get(&format!("{}/v2/app/{path}", stand.url()), &[]);
        let page: Value = serde_json::from_slice(&answer.body).expect("JSON");
        listed.extend(page["referrers"].as_array().expect("a list").iter().map(|one| digest(one).to_owned()));
        let Some(next) = answer.headers.get("link") else { break };
        let next = next.to_str().expect("text").trim_start_matches("</v2/app/");
        path = next.split('>').next().expect("a link").to_owned();
    }
    listed.reverse();
    assert_eq!(listed, pushed);
}

/// A push to one form writes the referrers tag of the other as well. The locks are taken in one order, or two pushes
/// would wait for each other.
#[test]
fn rewrite_pushes_to_original_and_carrier_at_once_are_in_both_referrers_tags() {
    const PUSHES: usize = 24;
    let stand = up(Kind::Distribution2, "");
    let original = stand.push(OCI, &artifact(OCI, "a/b", Some(&stand.subject), "subject"));
    let carrier = stand.only_carrier(digest(&stand.subject));
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (stand, form) = (&stand, if client % 2 == 0 { &original } else { &carrier });
            scope.spawn(move || {
                for number in (client..PUSHES).step_by(8) {
                    let index = json!({
                        "schemaVersion": 2, "mediaType": INDEX, "artifactType": "a/b", "manifests": [],
                        "subject": {"mediaType": IMAGE, "digest": form, "size": 2}, "annotations": {"n": number.to_string()},
                    });
                    stand.push(INDEX, index.to_string().as_bytes());
                }
            });
        }
    });
    for form in [&original, &carrier] {
        crate::support::until("the referrers tag to list all", || {
            let index = get(&stand.registry.url(), &form.replace(':', "-"), &[INDEX]);
            (index.json()["manifests"].as_array().map_or(0, Vec::len) == PUSHES).then_some(())
        });
    }
}
