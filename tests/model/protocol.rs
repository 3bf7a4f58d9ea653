//! The protocol holds, whoever takes part and whatever goes wrong.

use crate::{
    checks::{ALL_FAULTS, LOST, NO_FAULTS, holds, with},
    process::Act::{Absorb, Around, Delete, Import, List, Push, Query, Repair, Settle},
    rights::Rights::{self, All, Deletes, Denied, Hidden, Pushes, Reads},
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
    }
    let may_push = with([Push(B), Delete(A)]).and(Pushes, Delete(A));
    holds(Scenario { pushed: Set::A, faults: LOST, ..may_push });
}

const STRANGERS: [Rights; 3] = [Reads, Denied, Hidden];

/// Any two of them, from any start. `MODEL=3` for any three, one stranger at most: some 250 million states.
#[test]
fn model_holds_whoever_takes_part() {
    let owners = [
        (All, Push(A)),
        (All, Push(B)),
        (All, Delete(A)),
        (Deletes, Delete(A)),
        (Deletes, Delete(B)),
        (Pushes, Delete(A)),
        (All, Absorb(Set::A)),
        (All, Absorb(Set::B)),
        (All, List(Set::NONE)),
        (All, List(Set::B)),
        (All, Import),
        (All, Query),
        (All, Settle(A)),
        (Hidden, Settle(A)),
        (All, Repair),
        (Hidden, Repair),
        (All, Around(A)),
        (All, Around(B)),
    ];
    let three = std::env::var_os("MODEL").is_some_and(|many| many == "3");
    let acts = [Delete(A), List(Set::NONE), List(Set::B), Push(A), Query, Settle(A)];
    let acts = if three { &acts[..3] } else { &acts };
    let strangers = STRANGERS.iter().flat_map(|rights| acts.iter().map(|act| (*rights, *act)));
    let roles: Vec<_> = owners.into_iter().chain(strangers).collect();
    let is_stranger = |role: &(Rights, _)| STRANGERS.contains(&role.0) && role.1 != Repair;
    let faults = if three { ALL_FAULTS } else { Faults { crashes: 1, ..LOST } };
    for (at, first) in roles.iter().enumerate() {
        for (at, second) in roles.iter().enumerate().skip(at) {
            for start in starts() {
                let two = Scenario { faults, ..start }.and(first.0, first.1).and(second.0, second.1);
                let thirds = if three { &roles[at..] } else { &[] };
                for third in thirds.iter().filter(|third| !is_stranger(third) || !is_stranger(second)) {
                    holds(two.clone().and(third.0, third.1));
                }
                holds(two);
            }
        }
    }
}

/// What there can be: listed, not yet in the tag, written around backref, known to nobody.
fn starts() -> impl Iterator<Item = Scenario> {
    let starts = [
        (Set::A, Set::NONE, Set::NONE),
        (Set::A, Set::A, Set::NONE),
        (Set::BOTH, Set::NONE, Set::NONE),
        (Set::NONE, Set::NONE, Set::B),
        (Set::A, Set::NONE, Set::B),
    ];
    starts.into_iter().map(|(pushed, unwritten, around)| {
        let stray = Set::BOTH.without(pushed).without(around);
        Scenario { pushed, unwritten, around, stray, ..with([]) }
    })
}
