//! Referrers that were in the registry before backref, or are pushed directly to it.

use crate::stand::{KINDS, list, plain, put, referrer, up};
use crate::support::{Kind, http, sha256};

#[test]
fn referrers_tag_that_clients_wrote_before_is_imported_in_its_order() {
    for kind in KINDS {
        let stand = up(kind);
        let before: Vec<Vec<u8>> = ["c", "a", "b"].iter().map(|name| stand.push_around(name)).collect();
        let names: Vec<&[u8]> = before.iter().map(Vec::as_slice).collect();
        put(&stand.registry.url(), &stand.tag(), &list(&names));
        let digests: Vec<String> = before.iter().map(|one| sha256(one)).collect();
        assert_eq!(stand.listed(), digests, "{kind:?}");
        let listed = http::referrers(stand.backref.host(), "app", &stand.subject, &[]);
        assert_eq!(
            listed[0]["artifactType"], "application/vnd.test",
            "from the manifest, not from the entry in the referrers tag"
        );
        stand.flushed();
    }
}

#[test]
fn referrers_tag_import_takes_only_manifests_that_refer_to_the_subject() {
    let stand = up(Kind::Distribution2);
    let mine = stand.push_around("mine");
    let ordinary = plain("ordinary");
    let other = referrer(&sha256(b"another subject"), "other");
    for manifest in [&ordinary, &other] {
        put(&stand.registry.url(), &sha256(manifest), manifest);
    }
    put(&stand.registry.url(), &stand.tag(), &list(&[&ordinary, &mine, &other, &mine]));
    assert_eq!(stand.listed(), [sha256(&mine)]);
}

#[test]
fn referrers_tag_import_takes_a_thousand_referrers_at_once() {
    let stand = up(Kind::Distribution2);
    let manifests: Vec<Vec<u8>> = (0..1000).map(|number| stand.push_around(&number.to_string())).collect();
    let names: Vec<&[u8]> = manifests.iter().map(Vec::as_slice).collect();
    put(&stand.registry.url(), &stand.tag(), &list(&names));
    let started = std::time::Instant::now();
    let listed = stand.listed();
    println!("1000 referrers imported in {:?}", started.elapsed());
    assert_eq!(listed, manifests.iter().map(|one| sha256(one)).collect::<Vec<_>>());
}

#[test]
fn referrers_tag_import_asks_nothing_until_the_recheck_is_due() {
    let stand = up(Kind::Distribution2);
    assert_eq!(stand.listed(), [""; 0]);
    for _ in 0..5 {
        stand.listed();
    }
    assert_eq!(stand.about_the_tag(0), ["HEAD 404"]);
}

#[test]
fn referrers_tag_import_works_for_an_absent_subject() {
    let stand = up(Kind::Distribution2);
    let absent = sha256(b"signed before it is pushed");
    let early = referrer(&absent, "early");
    put(&stand.registry.url(), &sha256(&early), &early);
    let listed = |stand: &crate::stand::Stand| http::referrers(stand.backref.host(), "app", &absent, &[]).len();
    assert_eq!(listed(&stand), 0, "no referrers tag lists it");
    put(&stand.registry.url(), &absent.replace(':', "-"), &list(&[&early]));
    assert_eq!(listed(&stand), 1);
}
