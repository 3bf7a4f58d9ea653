//! The protocol holds, whoever takes part and whatever goes wrong.

use crate::{
    ALL_FAULTS, LOST, NO_FAULTS,
    process::Role::{Absorb, Around, Delete, Import, Push, Repair, Settle},
    upstream::{
        Referrer::{A, B},
        Set,
    },
    with,
    world::{Faults, Scenario},
};

/// On registries that take any list and delete anything, and on those that don't.
fn holds(scenario: Scenario) -> usize {
    scenario.clone().holds() + Scenario { strict: true, ..scenario }.holds()
}

#[test]
fn the_protocol_holds_between_writers() {
    let writers = with([Push(A), Push(B), Repair]);
    let states = holds(Scenario { faults: Faults { lost: 2, ..ALL_FAULTS }, ..writers });
    assert!(states > 10_000, "only {states} states were looked at");
}

#[test]
fn the_protocol_holds_beside_a_deleter() {
    let others = with([Push(B), Delete { of: A, may_push: true }, Repair]);
    holds(Scenario { pushed: Set::A, faults: ALL_FAULTS, ..others });
    let same = with([Push(A), Delete { of: A, may_push: true }, Settle { of: A, sees: true }]);
    holds(Scenario { pushed: Set::A, faults: ALL_FAULTS, ..same });
    let two = with([Delete { of: A, may_push: true }, Delete { of: A, may_push: false }, Around(A)]);
    holds(Scenario { pushed: Set::A, around: Set::B, faults: ALL_FAULTS, ..two });
}

#[test]
fn the_protocol_holds_with_a_deleter_who_may_not_push() {
    let roles = with([Push(B), Delete { of: A, may_push: false }, Around(A), Repair, Import]);
    holds(Scenario { pushed: Set::BOTH, faults: ALL_FAULTS, ..roles });
}

#[test]
fn the_protocol_holds_while_clients_write_lists() {
    let roles = with([Push(A), Absorb { adds: Set::B }, Delete { of: A, may_push: false }]);
    holds(Scenario { pushed: Set::A, stray: Set::B, faults: Faults { refused: 0, ..ALL_FAULTS }, ..roles });
    let two = with([Absorb { adds: Set::A }, Absorb { adds: Set::B }, Around(A)]);
    holds(Scenario { stray: Set::BOTH, faults: ALL_FAULTS, ..two });
}

#[test]
fn the_protocol_holds_while_lists_are_imported() {
    let roles = with([Push(A), Import, Delete { of: B, may_push: false }, Repair]);
    holds(Scenario { around: Set::B, faults: ALL_FAULTS, ..roles });
}

#[test]
fn the_protocol_holds_while_attempts_are_settled() {
    let settle = |sees| Settle { of: A, sees };
    let roles = with([Push(A), settle(false), settle(true), Delete { of: A, may_push: false }]);
    holds(Scenario { pushed: Set::A, faults: Faults { lost: 2, crashes: 1, ..NO_FAULTS }, ..roles });
}

/// Any two of them, from any start. `MODEL=3` for any three: some 80 million states.
#[test]
fn the_protocol_holds_whoever_takes_part() {
    let roles = [
        Push(A),
        Push(B),
        Delete { of: A, may_push: true },
        Delete { of: A, may_push: false },
        Delete { of: B, may_push: false },
        Absorb { adds: Set::A },
        Absorb { adds: Set::B },
        Absorb { adds: Set::NONE },
        Import,
        Settle { of: A, sees: true },
        Settle { of: A, sees: false },
        Repair,
        Around(A),
        Around(B),
    ];
    let starts = [(Set::A, Set::NONE), (Set::BOTH, Set::NONE), (Set::NONE, Set::B), (Set::A, Set::B)];
    let three = std::env::var_os("MODEL").is_some_and(|many| many == "3");
    let faults = if three { ALL_FAULTS } else { Faults { crashes: 1, ..LOST } };
    for (at, first) in roles.iter().enumerate() {
        for (at, second) in roles.iter().enumerate().skip(at) {
            for (pushed, around) in starts {
                let stray = Set::BOTH.without(pushed).without(around);
                let scenario = Scenario { pushed, around, stray, faults, ..with([*first, *second]) };
                let thirds = if three { &roles[at..] } else { &[] };
                for third in thirds {
                    holds(Scenario { roles: vec![*first, *second, *third], ..scenario.clone() });
                }
                holds(scenario);
            }
        }
    }
}
