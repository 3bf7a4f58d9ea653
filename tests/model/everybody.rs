//! Whoever takes part, from any start: the protocol holds between any two, and between any three with `MODEL=3`.

use crate::{
    checks::{ALL_FAULTS, LOST, holds, with},
    process::Act::{self, Absorb, Around, Delete, Import, List, Push, Query, Repair, Settle},
    rights::Rights::{self, All, Deletes, Denied, Hidden, Reads},
    upstream::{
        Referrer::{A, B},
        Set,
    },
    world::{Faults, Scenario},
};

const OWNERS: [(Rights, Act); 17] = [
    (All, Push(A)),
    (All, Push(B)),
    (All, Delete(A)),
    (Deletes, Delete(A)),
    (Deletes, Delete(B)),
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

pub(crate) const STRANGERS: [Rights; 3] = [Reads, Denied, Hidden];

const STRANGERS_ACTS: [Act; 5] = [Push(A), Delete(A), List(Set::NONE), List(Set::B), Query];

/// Some 300 million states with `MODEL=3`, with the next one.
#[test]
fn model_holds_whoever_takes_part() {
    let three = if is_large() { groups(3) } else { Vec::new() };
    for parties in [groups(2), three].concat() {
        hold(&parties);
    }
}

#[test]
fn model_holds_whoever_meets_a_stranger() {
    for owners in if is_large() { groups(2) } else { groups(1) } {
        for rights in STRANGERS {
            for act in STRANGERS_ACTS {
                hold(&[owners.clone(), vec![(rights, act)]].concat());
            }
        }
    }
}

fn is_large() -> bool {
    std::env::var_os("MODEL").is_some_and(|many| many == "3")
}

/// So many of the owners, in any combination.
fn groups(size: usize) -> Vec<Vec<(Rights, Act)>> {
    fn more(from: usize, size: usize) -> Vec<Vec<(Rights, Act)>> {
        if size == 0 {
            return vec![Vec::new()];
        }
        let with = |at: usize| more(at, size - 1).into_iter().map(move |rest| [vec![OWNERS[at]], rest].concat());
        (from..OWNERS.len()).flat_map(with).collect()
    }
    more(0, size)
}

fn hold(parties: &[(Rights, Act)]) {
    let faults = if is_large() { ALL_FAULTS } else { Faults { crashes: 1, ..LOST } };
    for start in starts() {
        let scenario = Scenario { faults, ..start };
        holds(parties.iter().fold(scenario, |scenario, (rights, act)| scenario.and(*rights, *act)));
    }
}

/// What there can be: listed, not yet in the tag, written around backref, known to nobody.
pub(crate) fn starts() -> impl Iterator<Item = Scenario> {
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
