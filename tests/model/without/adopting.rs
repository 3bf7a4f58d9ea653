//! What clients write to the tag themselves.

use crate::{
    checks::{CRASH, UNCLEAR, is_lost, with},
    process::Act::{Absorb, Around, Delete, List, Push, Query},
    properties::{KEPT, LISTED, TAGGED},
    rights::Rights::Deletes,
    rules::Rule,
    upstream::{
        Referrer::{A, B},
        Set,
    },
    world::Scenario,
};

#[test]
fn model_without_a_stale_tag_first_an_entry_is_lost_to_a_stale_list() {
    let roles = with([Push(A), Absorb(Set::B)]);
    is_lost(Rule::StaleFirst, TAGGED, Scenario { stray: Set::B, faults: CRASH, ..roles });
}

#[test]
fn model_without_merging_the_tag_first_what_was_written_around_is_lost_to_a_stale_list() {
    let roles = with([Absorb(Set::NONE), Around(B)]);
    is_lost(Rule::KeptFirst, KEPT, Scenario { pushed: Set::A, ..roles });
}

/// Read some time ago, deleted, and pushed around backref since: the tag is the same.
#[test]
fn model_without_a_recorded_index_what_came_back_around_is_lost_to_a_stale_list() {
    let roles = with([Query, Around(A), List(Set::B)]).and(Deletes, Delete(A));
    is_lost(Rule::KeptByTheRecord, KEPT, Scenario { pushed: Set::A, stray: Set::B, ..roles });
}

#[test]
fn model_without_judging_the_tag_whole_what_was_written_around_is_lost_to_a_stale_list() {
    is_lost(Rule::KeptWhole, KEPT, Scenario { around: Set::B, faults: UNCLEAR, ..with([List(Set::NONE)]) });
}

/// Deleted, pushed around backref, and written out of the tag before the delete has its row.
#[test]
fn model_without_new_versions_for_what_it_drops_what_came_back_around_is_lost_to_a_stale_list() {
    let roles = with([Around(A), List(Set::B)]).and(Deletes, Delete(A));
    is_lost(Rule::DroppedAreVersioned, KEPT, Scenario { pushed: Set::A, stray: Set::B, ..roles });
}

#[test]
fn model_without_rows_before_the_answer_an_acknowledged_one_is_lost() {
    is_lost(Rule::AcknowledgedAfter, LISTED, Scenario { stray: Set::B, ..with([Absorb(Set::B)]) });
}

#[test]
fn model_without_judging_a_list_whole_an_acknowledged_one_is_lost() {
    let roles = with([Absorb(Set::B)]);
    is_lost(Rule::AcknowledgedWhole, LISTED, Scenario { pushed: Set::A, stray: Set::B, faults: UNCLEAR, ..roles });
}

#[test]
fn model_without_adding_only_a_listed_one_is_lost_to_a_stale_list() {
    let roles = with([Push(A), Absorb(Set::B)]);
    is_lost(Rule::StaleListsDropNone, LISTED, Scenario { stray: Set::B, ..roles });
}
