//! Attempts, and the verdicts that are applied.

use crate::{
    checks::{ALL_FAULTS, LOST, is_lost, with},
    process::Act::{Delete, Import, Push, Settle},
    properties::{AGREED, GONE, LISTED},
    rights::Rights::{Deletes, Hidden},
    rules::{Rule, Rules},
    upstream::{
        Referrer::{A, B},
        Set,
    },
    world::{Faults, Scenario},
};

#[test]
fn model_without_noting_attempts_first_a_push_that_lands_late_is_lost() {
    is_lost(Rule::NotedFirst, AGREED, Scenario { faults: LOST, ..with([Push(A)]) });
}

#[test]
fn model_without_keeping_attempts_of_unknown_outcome_a_push_that_lands_late_is_lost() {
    is_lost(Rule::UnknownStaysOpen, AGREED, Scenario { faults: LOST, ..with([Push(A)]) });
}

#[test]
fn model_without_waiting_for_the_deadline_a_delete_that_lands_late_is_lost() {
    let roles = with([Settle(A)]).and(Deletes, Delete(A));
    is_lost(Rule::SettledPastTheDeadline, AGREED, Scenario { pushed: Set::A, faults: LOST, ..roles });
}

#[test]
fn model_without_versions_a_delete_is_lost() {
    let roles = with([Import]).and(Deletes, Delete(B));
    is_lost(Rule::Versions, GONE, Scenario { around: Set::B, ..roles });
}

/// The rule saves a wrong moment and a question, no more: whoever is still under way finds the version changed.
#[test]
fn model_without_asking_again_beside_an_open_attempt_nothing_is_lost() {
    for roles in [with([Push(A), Delete(A), Import]), with([Push(A), Settle(A)]).and(Deletes, Delete(A))] {
        let rules = Rules { without: Some(Rule::Alone) };
        Scenario { rules, pushed: Set::A, faults: Faults { lost: 2, ..ALL_FAULTS }, ..roles }.holds();
    }
}

#[test]
fn model_without_deleted_rows_a_delete_is_lost_to_a_slow_import() {
    let roles = with([Import]).and(Deletes, Delete(B));
    is_lost(Rule::DeletedStay, GONE, Scenario { around: Set::B, ..roles });
}

#[test]
fn model_without_a_row_for_what_was_unknown_its_delete_is_lost() {
    let roles = with([Import]).and(Deletes, Delete(B));
    is_lost(Rule::UnknownAreMarked, GONE, Scenario { around: Set::B, ..roles });
}

#[test]
fn model_without_a_200_beside_the_404_of_a_query_a_listed_one_is_lost() {
    is_lost(Rule::BesideA200, LISTED, Scenario { pushed: Set::A, ..with([]).and(Hidden, Settle(A)) });
}
