//! A referrer that is deleted leaves the tag, and the last one takes it along.

use crate::stand::{KINDS, delete, up, with};
use crate::support::{Kind, Registry};

#[test]
fn it_leaves_the_list_and_the_tag() {
    for kind in KINDS {
        let stand = up(kind);
        let [gone, kept] = ["gone", "kept"].map(|name| stand.push(name));
        assert_eq!(delete(&stand.url(), &gone), 202, "{kind:?}");
        assert_eq!((stand.listed(), stand.tagged()), (vec![kept.clone()], vec![kept]));
        stand.paid();
        assert_eq!(delete(&stand.url(), &gone), 404);
    }
}

#[test]
fn the_last_one_leaves_no_list() {
    for kind in KINDS {
        let stand = up(kind);
        let last = stand.push("last");
        assert_eq!(delete(&stand.url(), &last), 202);
        assert_eq!((stand.listed(), stand.index()), (vec![], None), "{kind:?}");
        stand.paid();
        assert_eq!(stand.push("last"), last);
        assert_eq!((stand.listed(), stand.tagged()), (vec![last.clone()], vec![last]));
    }
}

#[test]
fn what_the_registry_does_not_delete_is_put_back() {
    let stand = with(Registry::distribution_2().deletes(false), |backref| backref);
    let pushed = ["a", "b"].map(|name| stand.push(name));
    assert_eq!(delete(&stand.url(), &pushed[0]), 405);
    assert_eq!((stand.listed(), stand.tagged()), (pushed.to_vec(), pushed.to_vec()));
    stand.paid();
}

#[test]
fn deleted_around_backref_it_is_missing_from_both_in_time() {
    let stand = up(Kind::Distribution3);
    let [gone, kept] = ["gone", "kept"].map(|name| stand.push(name));
    assert_eq!(delete(&stand.registry.url(), &gone), 202);
    let new = stand.push("new");
    assert_eq!(stand.tagged(), [kept, new]);
}
