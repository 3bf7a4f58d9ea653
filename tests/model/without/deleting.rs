//! Deleting: the client's own delete first, and what follows a refusal for the tag.

use crate::{
    checks::{ALL_FAULTS, CRASH, LOST, NO_FAULTS, is_lost, with},
    process::Act::{Around, Delete, Import, Push, Query, Repair, Settle},
    properties::{AGREED, DELETES, FLUSHED, GONE, KEPT, LISTED, TAGGED, TAKEN},
    rights::Rights::{Deletes, Denied, Hidden, Pushes, Reads},
    rules::{Rule, Rules},
    upstream::{
        Referrer::{A, B},
        Set,
    },
    world::{Faults, Scenario},
};

const REFUSED: Faults = Faults { refused: 1, ..NO_FAULTS };

#[test]
fn model_without_the_clients_own_delete_first_an_entry_is_lost_to_a_refused_delete() {
    let roles = with([Push(B)]).and(Denied, Delete(A));
    is_lost(Rule::OwnDeleteFirst, TAGGED, Scenario { pushed: Set::A, ..roles });
}

#[test]
fn model_without_a_head_beside_the_404_a_listed_one_is_lost_to_a_reader() {
    is_lost(Rule::HeadBesideThe404, LISTED, Scenario { pushed: Set::A, ..with([]).and(Reads, Delete(A)) });
}

/// Pushed between a HEAD that was sent too early and the delete.
#[test]
fn model_without_the_version_before_the_head_a_push_is_lost_to_a_reader() {
    is_lost(Rule::HeadAfterTheVersion, LISTED, with([Push(A)]).and(Reads, Delete(A)));
}

#[test]
fn model_without_a_200_beside_the_404_a_listed_one_is_lost_to_who_sees_nothing() {
    is_lost(Rule::DeletedBesideA200, LISTED, Scenario { pushed: Set::A, ..with([]).and(Hidden, Delete(A)) });
}

/// Where registries refuse to delete what is listed.
#[test]
fn model_without_taking_it_out_of_the_tag_nothing_can_be_deleted() {
    let scenario = Scenario { pushed: Set::A, strict: true, ..with([Delete(A)]) };
    assert!(!scenario.show(DELETES).is_empty());
    let rules = Rules { without: Some(Rule::TakenOut) };
    assert!(Scenario { rules, ..scenario }.show(DELETES).is_empty(), "it was deleted all the same");
}

#[test]
fn model_without_the_lock_while_a_delete_is_sent_again_it_is_refused_again() {
    let roles = with([Delete(A), Push(B)]);
    is_lost(Rule::HeldWhileSentAgain, TAKEN, Scenario { pushed: Set::A, strict: true, ..roles });
}

/// Its time began with the first request, and the tag was written since.
#[test]
fn model_without_noting_it_anew_a_delete_that_was_sent_again_and_lands_late_is_lost() {
    let roles = with([Delete(A), Settle(A)]);
    is_lost(Rule::NotedAgain, AGREED, Scenario { pushed: Set::A, strict: true, faults: LOST, ..roles });
}

#[test]
fn model_without_doubting_the_404_to_a_delete_that_was_sent_again_a_listed_one_is_lost() {
    is_lost(Rule::DoubtedAgain, LISTED, Scenario { pushed: Set::A, ..with([]).and(Pushes, Delete(A)) });
}

#[test]
fn model_without_an_open_attempt_what_a_delete_took_out_and_could_not_delete_is_lost() {
    let roles = with([Around(B), Delete(B)]).and(Deletes, Delete(B));
    let faults = Faults { refused: 2, unclear: 1, ..NO_FAULTS };
    is_lost(Rule::RefusedAgainStaysOpen, AGREED, Scenario { pushed: Set::B, around: Set::A, faults, ..roles });
}

#[test]
fn model_without_an_open_attempt_what_is_taken_out_late_is_lost() {
    let roles = with([Around(B), Delete(B)]).and(Deletes, Delete(B));
    let faults = Faults { refused: 2, ..ALL_FAULTS };
    is_lost(Rule::TakenOutStaysOpen, KEPT, Scenario { pushed: Set::B, faults, ..roles });
}

#[test]
fn model_without_putting_it_back_what_a_refused_delete_took_out_stays_stale() {
    let scenario = Scenario { pushed: Set::A, strict: true, faults: REFUSED, ..with([Delete(A)]) };
    is_lost(Rule::PutBack, FLUSHED, scenario);
}

#[test]
fn model_without_a_stale_tag_first_an_entry_is_lost_to_a_delete() {
    is_lost(Rule::StaleFirst, TAGGED, Scenario { pushed: Set::A, strict: true, faults: CRASH, ..with([Delete(A)]) });
}

#[test]
fn model_without_a_stale_tag_after_it_an_entry_is_lost_to_a_refused_delete() {
    is_lost(Rule::StaleAfter, TAGGED, Scenario { pushed: Set::A, strict: true, ..with([Delete(A)]) });
}

#[test]
fn model_without_forgetting_the_index_what_comes_back_around_is_lost() {
    let roles = with([Push(B), Around(A)]).and(Deletes, Delete(A));
    is_lost(Rule::ForgottenWithTheDelete, KEPT, Scenario { pushed: Set::BOTH, ..roles });
}

/// A delete between the rows' reading and the answer to the write that has them.
#[test]
fn model_without_comparing_a_recorded_index_with_the_rows_what_comes_back_around_is_lost() {
    let roles = with([Push(B), Around(A), Repair]).and(Deletes, Delete(A));
    is_lost(Rule::RecordedIfListed, KEPT, Scenario { pushed: Set::A, ..roles });
}

#[test]
fn model_without_a_second_look_at_the_recorded_index_what_comes_back_around_is_lost() {
    let roles = with([Push(B), Around(A)]).and(Deletes, Delete(A));
    is_lost(Rule::StillRecorded, KEPT, Scenario { pushed: Set::BOTH, ..roles });
}

/// A query reads the tag before the referrer is written into it around backref, and counts the rows after its delete.
#[test]
fn model_without_the_version_from_before_the_look_a_delete_is_lost_to_the_tag() {
    let roles = with([Query, Around(A)]).and(Deletes, Delete(A));
    is_lost(Rule::CountedBeforeTheLook, GONE, Scenario { pushed: Set::A, unwritten: Set::A, ..roles });
}

/// Listed when the tag was read, deleted, and pushed around backref before the rows were read.
#[test]
fn model_without_asking_about_who_is_listed_no_more_what_comes_back_around_is_lost() {
    let roles = with([Push(B), Around(A)]).and(Deletes, Delete(A));
    is_lost(Rule::StillListed, KEPT, Scenario { pushed: Set::A, around: Set::B, ..roles });
}

/// An import in another process that read the tag before the referrer was taken out of it.
#[test]
fn model_without_comparing_what_was_known_an_entry_is_lost_to_a_slow_import() {
    let roles = with([Delete(A), Import]);
    is_lost(Rule::SeenAsBefore, TAGGED, Scenario { pushed: Set::A, strict: true, ..roles });
}
