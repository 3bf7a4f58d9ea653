//! Looking at every state, and at how things go wrong.

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use crate::{
    process::{Act, Role},
    properties,
    rights::Rights,
    rules::{Rule, Rules},
    upstream::Set,
    world::{Action, Faults, Scenario},
};

/// One of each.
pub(crate) const ALL_FAULTS: Faults = Faults { crashes: 1, lost: 1, refused: 1, tags_refused: 1, unclear: 1 };
pub(crate) const CRASH: Faults = Faults { crashes: 1, ..NO_FAULTS };
pub(crate) const UNCLEAR: Faults = Faults { unclear: 1, ..NO_FAULTS };
pub(crate) const LOST: Faults = Faults { lost: 1, ..NO_FAULTS };
pub(crate) const NO_FAULTS: Faults = Faults { crashes: 0, lost: 0, refused: 0, tags_refused: 0, unclear: 0 };

/// These on an empty registry, with all rights, all rules kept, nothing going wrong.
pub(crate) fn with<const N: usize>(acts: [Act; N]) -> Scenario {
    Scenario {
        rules: Rules { without: None },
        pushed: Set::NONE,
        unwritten: Set::NONE,
        around: Set::NONE,
        stray: Set::NONE,
        strict: false,
        roles: acts.map(|act| Role { act, rights: Rights::All }).to_vec(),
        faults: NO_FAULTS,
    }
}

/// On registries that take any list and delete anything, and on those that don't.
pub(crate) fn holds(scenario: Scenario) -> usize {
    scenario.clone().holds() + Scenario { strict: true, ..scenario }.holds()
}

/// With the rule it holds, without it that property does not.
pub(crate) fn is_lost(rule: Rule, property: &'static str, scenario: Scenario) {
    scenario.clone().holds();
    let broken = Scenario { rules: Rules { without: Some(rule) }, ..scenario }.show(property);
    assert!(!broken.is_empty(), "{rule:?} makes no difference");
}

impl Scenario {
    /// Looks at every state; gives the number.
    pub(crate) fn holds(self) -> usize {
        let (started, roles) = (Instant::now(), format!("{:?}", self.roles));
        let checked = self.clone().checker().spawn_bfs().join();
        let states = checked.unique_state_count();
        println!("{states:>8} states in {:>5} ms: {roles}", started.elapsed().as_millis());
        for property in self.properties() {
            let found = checked.discovery(property.name).is_some();
            if found != (property.name == properties::DELETES) {
                self.show(property.name);
                panic!("{} {roles}: {}", if found { "broken by" } else { "never seen in" }, property.name);
            }
        }
        states
    }

    /// The fewest steps that lead to where a property is broken, or seen.
    pub(crate) fn show(&self, property: &'static str) -> Vec<Action> {
        println!("\n{property}: {:?}, {:?}", self.rules, self.roles);
        let found = HasDiscoveries::AnyOf([property].into());
        for depth in 1..60 {
            let checked = self.clone().checker().finish_when(found.clone()).target_max_depth(depth).spawn_bfs().join();
            if let Some(path) = checked.discovery(property) {
                println!("  {:?}", path.last_state());
                let steps = path.into_actions();
                for step in &steps {
                    println!("    {step:?}");
                }
                return steps;
            }
        }
        Vec::new()
    }
}
