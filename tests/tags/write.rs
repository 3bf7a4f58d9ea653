//! What backref writes into the referrers tag: the referrers in order of arrival, as the API lists them.

use crate::stand::{INDEX, KINDS, delete, put, put_as, referrer, up, url, with};
use crate::support::{Kind, Registry, http, sha256};

#[test]
fn referrers_tag_has_what_the_api_lists_in_the_same_order() {
    for kind in KINDS {
        let stand = up(kind);
        let pushed: Vec<String> = (0..5).map(|number| stand.push(&number.to_string())).collect();
        assert_eq!(stand.listed(), pushed, "{kind:?}");
        let index = stand.index().expect("a tag");
        let through = http::referrers(stand.backref.host(), "app", &stand.subject, &[]);
        assert_eq!(index["manifests"].as_array(), Some(&through), "the same descriptors");
        assert!(stand.is_marked());
        stand.flushed();
        assert_eq!(stand.push("3"), pushed[3], "pushed again, it keeps its place");
        assert_eq!(stand.tagged(), pushed);
    }
}

#[test]
fn referrers_tag_restores_a_deleted_database() {
    for kind in KINDS {
        let stand = up(kind);
        let pushed: Vec<String> = (0..5).map(|number| stand.push(&number.to_string())).collect();
        let stand = stand.forget();
        assert_eq!(stand.listed(), pushed, "{kind:?}");
        stand.flushed();
    }
}

#[test]
fn referrers_tag_indexes_that_were_replaced_are_deleted_where_that_is_allowed() {
    for (deletes, left) in [(true, 1), (false, 4)] {
        let stand = with(Registry::distribution_2().deletes(deletes), |backref| backref);
        for name in ["a", "b", "c", "d"] {
            stand.push(name);
        }
        let written: Vec<String> =
            (1..=4).map(|count| index_of(&stand.subject, &["a", "b", "c", "d"][..count])).collect();
        let there =
            |digest: &&String| http::get(&url(&stand.registry.url(), digest), &[("Accept", INDEX)]).status == 200;
        crate::support::until("replaced indexes to be gone", || {
            (written.iter().filter(there).count() == left).then_some(())
        });
        assert_eq!(stand.tagged().len(), 4);
    }
}

/// The digest of the index that backref writes for these referrers.
fn index_of(subject: &str, names: &[&str]) -> String {
    let entries: Vec<String> = names
        .iter()
        .map(|name| {
            let manifest = referrer(subject, name);
            let (digest, size) = (sha256(&manifest), manifest.len());
            format!(
                r#"{{"mediaType":"{INDEX}","digest":"{digest}","size":{size},"artifactType":"application/vnd.test","annotations":{{"name":"{name}"}}}}"#
            )
        })
        .collect();
    let entries = entries.join(",");
    sha256(
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entries}],"annotations":{{"io.backref.subject":"{subject}"}}}}"#
        )
        .as_bytes(),
    )
}

#[test]
fn referrers_tag_is_written_without_a_referrer_that_vanished() {
    for kind in KINDS {
        let stand = up(kind);
        let [gone, kept] = ["gone", "kept"].map(|name| stand.push(name));
        assert_eq!(delete(&stand.registry.url(), &gone), 202);
        let last = stand.push("last");
        assert_eq!(stand.tagged(), [kept.clone(), last.clone()], "{kind:?}");
        assert_eq!(stand.listed(), [kept, last]);
        stand.flushed();
    }
}

#[test]
fn referrers_tag_name_with_a_foreign_index_is_never_written() {
    let stand = up(Kind::Distribution2);
    let around = crate::stand::plain("an ordinary index, tagged like a list");
    let child = put(&stand.registry.url(), &sha256(&around), &around);
    let ordinary = crate::stand::list(&[&around]);
    put(&stand.registry.url(), &stand.tag(), &ordinary);
    let pushed = stand.push("a");
    assert_eq!(stand.listed(), [pushed]);
    assert_eq!(stand.tagged(), [child], "the foreign index is left as it was");
    assert_eq!(stand.pending(), 1);
}

#[test]
fn referrers_tag_name_of_the_subject_itself_is_never_written() {
    let stand = up(Kind::Distribution2);
    put(&stand.registry.url(), &stand.tag(), &crate::stand::plain("subject"));
    let pushed = stand.push("a");
    assert_eq!((stand.listed(), stand.tagged()), (vec![pushed], vec![]));
    assert_eq!(stand.pending(), 1);
}

#[test]
fn referrers_tag_off_writes_nothing() {
    let stand = with(Registry::distribution_2(), crate::support::BackrefOptions::without_tags);
    stand.push("a");
    assert_eq!(stand.index(), None);
    let answer = put_as(&stand.url(), &stand.tag(), &crate::stand::list(&[]));
    assert_eq!(answer.status, 201, "and clients' referrers tags pass as they are");
    assert_eq!(stand.about_the_tag(0), ["GET 404", "PUT 201"]);
}
