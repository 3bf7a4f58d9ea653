//! Writing the tag.

use crate::{
    checks::{CRASH, LOST, UNCLEAR, is_lost, with},
    process::Act::{Delete, Push, Repair},
    properties::{GONE, KEPT, TAGGED},
    rights::Rights::{Deletes, Hidden},
    rules::Rule,
    upstream::{
        Referrer::{A, B},
        Set,
    },
    world::Scenario,
};

#[test]
fn model_without_a_lock_an_entry_is_lost() {
    is_lost(Rule::OneLock, TAGGED, with([Push(A), Push(B), Repair]));
}

#[test]
fn model_without_merging_what_was_written_around_is_lost() {
    is_lost(Rule::Merged, KEPT, Scenario { around: Set::B, ..with([Push(A)]) });
}

#[test]
fn model_without_keeping_entries_that_cannot_be_judged_they_are_lost() {
    is_lost(Rule::UnjudgedAreKept, KEPT, Scenario { around: Set::B, faults: UNCLEAR, ..with([Push(A)]) });
}

#[test]
fn model_without_a_stale_tag_for_them_a_delete_is_lost_to_the_tag() {
    let roles = with([Push(A)]).and(Deletes, Delete(B));
    is_lost(Rule::UnjudgedAreStale, GONE, Scenario { around: Set::B, faults: UNCLEAR, ..roles });
}

#[test]
fn model_without_a_mark_before_the_write_an_entry_is_lost_after_a_crash() {
    is_lost(Rule::MarkedFirst, TAGGED, Scenario { faults: CRASH, ..with([Push(A), Push(B)]) });
}

#[test]
fn model_without_heeding_late_writes_an_entry_is_lost() {
    is_lost(Rule::LateWritesLand, TAGGED, Scenario { faults: LOST, ..with([Push(A), Push(B)]) });
}

#[test]
fn model_without_a_head_past_the_time_an_entry_is_lost() {
    is_lost(Rule::HeadPastTheTime, TAGGED, Scenario { faults: LOST, ..with([Push(A), Push(B), Repair]) });
}

#[test]
fn model_without_the_committed_version_an_entry_is_lost() {
    is_lost(Rule::CommittedFirst, TAGGED, with([Push(A), Push(B)]));
}

#[test]
fn model_without_a_stale_tag_for_changes_an_entry_is_lost() {
    is_lost(Rule::ChangesMakeStale, TAGGED, with([Push(A)]));
}

#[test]
fn model_without_a_stale_tag_for_changes_a_delete_by_who_may_not_push_is_lost_to_the_tag() {
    is_lost(Rule::ChangesMakeStale, GONE, Scenario { pushed: Set::A, ..with([]).and(Deletes, Delete(A)) });
}

/// Repaired with credentials that don't see the tag.
#[test]
fn model_without_a_200_beside_the_tags_404_a_delete_is_lost_to_the_tag() {
    let roles = with([]).and(Deletes, Delete(A)).and(Hidden, Repair);
    is_lost(Rule::TagBesideA200, GONE, Scenario { pushed: Set::A, ..roles });
}
