//! What strangers would leave behind.

use crate::{
    checks::{is_lost, with},
    process::Act::{Delete, List, Query, Settle},
    properties::{FORGOTTEN, UNTOUCHED},
    rights::Rights::{Denied, Hidden, Reads},
    rules::Rule,
    upstream::{Referrer::A, Set},
    world::Scenario,
};

#[test]
fn model_without_dropping_the_attempt_a_refused_delete_leaves_one() {
    for rights in [Reads, Denied, Hidden] {
        let scenario = Scenario { pushed: Set::A, ..with([]).and(rights, Delete(A)) };
        is_lost(Rule::RefusalForgets, FORGOTTEN, scenario);
    }
}

#[test]
fn model_without_undoing_it_a_refused_write_leaves_the_tag_stale() {
    for act in [Delete(A), List(Set::B)] {
        is_lost(Rule::RefusalUndoes, UNTOUCHED, Scenario { pushed: Set::A, ..with([]).and(Hidden, act) });
    }
}

#[test]
fn model_without_the_upstreams_yes_first_a_refused_list_leaves_a_row() {
    is_lost(Rule::AcceptedFirst, UNTOUCHED, Scenario { stray: Set::B, ..with([]).and(Reads, List(Set::B)) });
}

#[test]
fn model_without_writing_down_a_look_a_refused_write_leaves_the_tag_stale() {
    is_lost(Rule::LookedAt, UNTOUCHED, Scenario { around: Set::B, ..with([]).and(Reads, List(Set::NONE)) });
}

/// The tag doesn't list it yet: nothing was written, and nothing is known of the deleter's rights.
#[test]
fn model_without_a_write_of_their_own_a_delete_that_was_sent_again_leaves_an_attempt() {
    let scenario = Scenario { pushed: Set::A, unwritten: Set::A, ..with([]).and(Reads, Delete(A)) };
    is_lost(Rule::SentAgainByWriters, FORGOTTEN, scenario);
    let hidden = Scenario { pushed: Set::A, ..with([]).and(Hidden, Delete(A)) };
    is_lost(Rule::SentAgainByWriters, UNTOUCHED, hidden);
}

#[test]
fn model_without_a_200_beside_the_tags_404_a_query_makes_it_stale() {
    is_lost(Rule::TagBesideA200, UNTOUCHED, Scenario { pushed: Set::A, ..with([]).and(Hidden, Query) });
}

#[test]
fn model_without_knowing_that_it_is_listed_a_settled_attempt_makes_the_tag_stale() {
    let roles = with([]).and(Denied, Delete(A)).and(Reads, Settle(A));
    is_lost(Rule::ListedAlready, UNTOUCHED, Scenario { pushed: Set::A, ..roles });
}
