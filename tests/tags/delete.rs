//! A deleted referrer is taken out of the referrers tag; with the last one the referrers tag is deleted.

use crate::stand::{KINDS, delete, up, with};
use crate::support::{Kind, Registry};

#[test]
fn referrers_tag_and_query_lose_a_deleted_referrer() {
    for kind in KINDS {
        let stand = up(kind);
        let [gone, kept] = ["gone", "kept"].map(|name| stand.push(name));
        assert_eq!(delete(&stand.url(), &gone), 202, "{kind:?}");
        assert_eq!((stand.listed(), stand.tagged()), (vec![kept.clone()], vec![kept]));
        stand.flushed();
        assert_eq!(delete(&stand.url(), &gone), 404);
    }
}

#[test]
fn referrers_tag_is_deleted_with_its_last_referrer() {
    for kind in KINDS {
        let stand = up(kind);
        let last = stand.push("last");
        assert_eq!(delete(&stand.url(), &last), 202);
        assert_eq!((stand.listed(), stand.index()), (vec![], None), "{kind:?}");
        stand.flushed();
        assert_eq!(stand.push("last"), last);
        assert_eq!((stand.listed(), stand.tagged()), (vec![last.clone()], vec![last]));
    }
}

#[test]
fn referrers_tag_gets_back_a_referrer_that_the_registry_does_not_delete() {
    let stand = with(Registry::distribution_2().deletes(false), |backref| backref);
    let pushed = ["a", "b"].map(|name| stand.push(name));
    assert_eq!(delete(&stand.url(), &pushed[0]), 405);
    assert_eq!((stand.listed(), stand.tagged()), (pushed.to_vec(), pushed.to_vec()));
    stand.flushed();
}

#[test]
fn referrers_tag_loses_a_referrer_that_was_deleted_directly_in_the_registry() {
    let stand = up(Kind::Distribution3);
    let [gone, kept] = ["gone", "kept"].map(|name| stand.push(name));
    assert_eq!(delete(&stand.registry.url(), &gone), 202);
    let new = stand.push("new");
    assert_eq!(stand.tagged(), [kept, new]);
}
