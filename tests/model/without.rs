//! Each rule is needed: without it there is an order of events in which something is lost.

use crate::{
    ALL_FAULTS, CRASH, LOST, NO_FAULTS,
    process::Role::{Absorb, Around, Delete, Import, Push, Repair, Settle},
    properties::{AGREED, DELETES, GONE, KEPT, LISTED, PAID, TAGGED},
    rules::{Rule, Rules},
    upstream::{
        Referrer::{A, B},
        Set,
    },
    with,
    world::{Faults, Scenario},
};

/// With the rule it holds, without it that property does not.
fn is_lost(rule: Rule, property: &'static str, scenario: Scenario) {
    scenario.clone().holds();
    let broken = Scenario { rules: Rules { without: Some(rule) }, ..scenario }.show(property);
    assert!(!broken.is_empty(), "{rule:?} makes no difference");
}

const UNCLEAR: Faults = Faults { unclear: 1, ..NO_FAULTS };
const REFUSED: Faults = Faults { refused: 1, ..NO_FAULTS };

#[test]
fn without_noting_attempts_first_a_push_that_lands_late_is_lost() {
    is_lost(Rule::NotedFirst, AGREED, Scenario { faults: LOST, ..with([Push(A)]) });
}

#[test]
fn without_keeping_attempts_of_unknown_outcome_a_push_that_lands_late_is_lost() {
    is_lost(Rule::UnknownStaysOpen, AGREED, Scenario { faults: LOST, ..with([Push(A)]) });
}

#[test]
fn without_waiting_for_the_deadline_a_delete_that_lands_late_is_lost() {
    let roles = with([Delete { of: A, may_push: false }, Settle { of: A, sees: true }]);
    is_lost(Rule::SettledPastTheDeadline, AGREED, Scenario { pushed: Set::A, faults: LOST, ..roles });
}

#[test]
fn without_versions_a_delete_is_lost() {
    let roles = with([Import, Delete { of: B, may_push: false }]);
    is_lost(Rule::Versions, GONE, Scenario { around: Set::B, ..roles });
}

/// The rule saves a wrong moment and a question, no more: whoever is still under way finds the version changed.
#[test]
fn without_asking_again_beside_an_open_attempt_nothing_is_lost() {
    for roles in [
        with([Push(A), Delete { of: A, may_push: true }, Import]),
        with([Push(A), Delete { of: A, may_push: false }, Settle { of: A, sees: true }]),
    ] {
        let rules = Rules { without: Some(Rule::Alone) };
        Scenario { rules, pushed: Set::A, faults: Faults { lost: 2, ..ALL_FAULTS }, ..roles }.holds();
    }
}

#[test]
fn without_deleted_rows_a_delete_is_lost_to_a_slow_import() {
    let roles = with([Import, Delete { of: B, may_push: false }]);
    is_lost(Rule::DeletedStay, GONE, Scenario { around: Set::B, ..roles });
}

#[test]
fn without_a_row_for_what_was_unknown_its_delete_is_lost() {
    let roles = with([Import, Delete { of: B, may_push: false }]);
    is_lost(Rule::UnknownAreMarked, GONE, Scenario { around: Set::B, ..roles });
}

#[test]
fn without_a_200_beside_the_404_a_listed_one_is_lost() {
    is_lost(Rule::BesideA200, LISTED, Scenario { pushed: Set::A, ..with([Settle { of: A, sees: false }]) });
}

#[test]
fn without_turns_an_entry_is_lost() {
    is_lost(Rule::OneTurn, TAGGED, with([Push(A), Push(B)]));
}

#[test]
fn without_merging_what_was_written_around_is_lost() {
    is_lost(Rule::Merged, KEPT, Scenario { around: Set::B, ..with([Push(A)]) });
}

#[test]
fn without_keeping_entries_that_cannot_be_judged_they_are_lost() {
    is_lost(Rule::UnjudgedAreKept, KEPT, Scenario { around: Set::B, faults: UNCLEAR, ..with([Push(A)]) });
}

#[test]
fn without_owing_for_them_a_delete_is_lost_to_the_tag() {
    let roles = with([Push(A), Delete { of: B, may_push: false }]);
    is_lost(Rule::UnjudgedOwe, GONE, Scenario { around: Set::B, faults: UNCLEAR, ..roles });
}

#[test]
fn without_forgetting_the_digest_what_comes_back_around_is_lost() {
    let roles = with([Push(B), Delete { of: A, may_push: false }, Around(A)]);
    is_lost(Rule::JudgedDigest, KEPT, Scenario { pushed: Set::BOTH, ..roles });
}

#[test]
fn without_a_mark_before_the_write_an_entry_is_lost_after_a_crash() {
    is_lost(Rule::MarkedFirst, TAGGED, Scenario { faults: CRASH, ..with([Push(A), Push(B)]) });
}

#[test]
fn without_heeding_late_writes_an_entry_is_lost() {
    is_lost(Rule::LateWritesLand, TAGGED, Scenario { faults: LOST, ..with([Push(A), Push(B)]) });
}

#[test]
fn without_a_head_past_the_time_an_entry_is_lost() {
    is_lost(Rule::HeadPastTheTime, TAGGED, Scenario { faults: LOST, ..with([Push(A), Push(B), Repair]) });
}

#[test]
fn without_the_committed_version_an_entry_is_lost() {
    is_lost(Rule::CommittedFirst, TAGGED, with([Push(A), Push(B)]));
}

#[test]
fn without_owing_for_changes_an_entry_is_lost() {
    is_lost(Rule::ChangesOwe, TAGGED, with([Push(A)]));
}

#[test]
fn without_owing_for_changes_a_delete_by_who_may_not_push_is_lost_to_the_tag() {
    is_lost(Rule::ChangesOwe, GONE, Scenario { pushed: Set::A, ..with([Delete { of: A, may_push: false }]) });
}

#[test]
fn without_owing_first_an_entry_is_lost_to_a_delete() {
    let roles = with([Delete { of: A, may_push: true }]);
    is_lost(Rule::OwedFirst, TAGGED, Scenario { pushed: Set::A, faults: CRASH, ..roles });
}

#[test]
fn without_owing_first_an_entry_is_lost_to_a_stale_list() {
    let roles = with([Push(A), Absorb { adds: Set::B }]);
    is_lost(Rule::OwedFirst, TAGGED, Scenario { stray: Set::B, faults: CRASH, ..roles });
}

#[test]
fn without_merging_the_tag_first_what_was_written_around_is_lost_to_a_stale_list() {
    let roles = with([Absorb { adds: Set::NONE }, Around(B)]);
    is_lost(Rule::AbsorbedBesideTheTag, KEPT, Scenario { pushed: Set::A, ..roles });
}

#[test]
fn without_judging_a_list_whole_an_acknowledged_one_is_lost() {
    let roles = with([Absorb { adds: Set::B }]);
    is_lost(Rule::AbsorbedWhole, LISTED, Scenario { pushed: Set::A, stray: Set::B, faults: UNCLEAR, ..roles });
}

#[test]
fn without_adding_only_a_listed_one_is_lost_to_a_stale_list() {
    let roles = with([Push(A), Absorb { adds: Set::B }]);
    is_lost(Rule::StaleListsDropNone, LISTED, Scenario { stray: Set::B, ..roles });
}

#[test]
fn without_a_note_of_it_what_a_refused_delete_took_out_is_lost() {
    let roles = with([Delete { of: B, may_push: true }]);
    is_lost(Rule::TakenOutOnRecord, AGREED, Scenario { around: Set::B, faults: ALL_FAULTS, ..roles });
}

#[test]
fn without_putting_back_what_a_refused_delete_took_out_stays_owed() {
    is_lost(
        Rule::PutBack,
        PAID,
        Scenario { pushed: Set::A, faults: REFUSED, ..with([Delete { of: A, may_push: true }]) },
    );
}

/// Where registries refuse to delete what is listed.
#[test]
fn without_taking_it_out_of_the_tag_first_nothing_can_be_deleted() {
    let scenario = Scenario { pushed: Set::A, strict: true, ..with([Delete { of: A, may_push: true }]) };
    assert!(!scenario.show(DELETES).is_empty());
    let rules = Rules { without: Some(Rule::OutOfTheTagFirst) };
    assert!(Scenario { rules, ..scenario }.show(DELETES).is_empty(), "it was deleted all the same");
}
