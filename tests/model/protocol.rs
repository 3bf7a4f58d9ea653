//! The protocol holds, whoever takes part and whatever goes wrong.

use crate::{
    checks::{ALL_FAULTS, LOST, NO_FAULTS, holds, with},
    everybody::{STRANGERS, starts},
    process::Act::{Absorb, Around, Delete, Import, List, Push, Query, Repair, Settle},
    rights::Rights::{Deletes, Hidden, Pushes},
    upstream::{
        Referrer::{A, B},
        Set,
    },
    world::{Faults, Scenario},
};

#[test]
fn model_holds_between_writers() {
    let writers = with([Push(A), Push(B), Repair]);
    let states = holds(Scenario { faults: Faults { lost: 2, ..ALL_FAULTS }, ..writers });
    assert!(states > 10_000, "only {states} states were looked at");
}

#[test]
fn model_holds_beside_a_deleter() {
    let others = with([Push(B), Delete(A), Repair]);
    holds(Scenario { pushed: Set::A, faults: ALL_FAULTS, ..others });
    let same = with([Push(A), Delete(A), Settle(A)]);
    holds(Scenario { pushed: Set::A, faults: ALL_FAULTS, ..same });
    let two = with([Delete(A), Around(A)]).and(Deletes, Delete(A));
    holds(Scenario { pushed: Set::A, around: Set::B, faults: ALL_FAULTS, ..two });
}

#[test]
fn model_holds_with_a_deleter_who_may_not_push() {
    let roles = with([Push(B), Around(A), Repair]).and(Deletes, Delete(A));
    holds(Scenario { pushed: Set::BOTH, faults: ALL_FAULTS, ..roles });
}

#[test]
fn model_holds_while_clients_write_lists() {
    let roles = with([Push(A), Absorb(Set::B)]).and(Deletes, Delete(A));
    holds(Scenario { pushed: Set::A, stray: Set::B, faults: Faults { refused: 0, ..ALL_FAULTS }, ..roles });
    let two = with([Absorb(Set::A), Absorb(Set::B), Around(A)]);
    holds(Scenario { stray: Set::BOTH, faults: ALL_FAULTS, ..two });
}

#[test]
fn model_holds_while_lists_are_imported() {
    let roles = with([Push(A), Import]).and(Deletes, Delete(B));
    holds(Scenario { around: Set::B, faults: ALL_FAULTS, ..roles });
    for reader in [Query, Import] {
        let late = with([Delete(A), Around(A), reader]);
        holds(Scenario { pushed: Set::A, unwritten: Set::A, stray: Set::B, faults: ALL_FAULTS, ..late });
    }
    let again = with([Around(A), Repair, Import]).and(Deletes, Delete(A));
    holds(Scenario { pushed: Set::BOTH, faults: LOST, ..again });
}

#[test]
fn model_holds_while_attempts_are_settled() {
    let roles = with([Push(A), Settle(A)]).and(Hidden, Settle(A)).and(Deletes, Delete(A));
    holds(Scenario { pushed: Set::A, faults: Faults { lost: 2, crashes: 1, ..NO_FAULTS }, ..roles });
}

#[test]
fn model_holds_beside_strangers() {
    for rights in STRANGERS {
        let deleting = with([Push(B), Repair]).and(rights, Delete(A));
        holds(Scenario { pushed: Set::A, faults: ALL_FAULTS, ..deleting });
        let writing = with([Push(A), Delete(B)]).and(rights, List(Set::NONE));
        holds(Scenario { pushed: Set::B, faults: LOST, ..writing });
        let alone = with([]).and(rights, Delete(A)).and(rights, List(Set::B)).and(rights, Push(B));
        holds(Scenario { pushed: Set::A, stray: Set::B, faults: ALL_FAULTS, ..alone });
        let reading = with([]).and(rights, Delete(A)).and(rights, Settle(A)).and(rights, Query);
        for start in starts() {
            holds(Scenario { faults: Faults { crashes: 1, ..LOST }, roles: reading.roles.clone(), ..start });
        }
    }
    let may_push = with([Push(B), Delete(A)]).and(Pushes, Delete(A));
    holds(Scenario { pushed: Set::A, faults: LOST, ..may_push });
}
