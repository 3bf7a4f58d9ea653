//! The protocol by which no referrer is lost, as a model: ARCHITECTURE.md's "What is believed" and "Writing the tag",
//! checked in every order in which requests, answers, crashes and commits can come. `protocol.rs` checks that it
//! holds, `without.rs` that each rule is needed. `--nocapture` shows the number of states, and how things go
//! wrong.
//!
//! - `upstream.rs` and `store.rs`: what there is. `process.rs`: who takes part, and how far each has come.
//! - `world.rs`: what can happen next. `steps.rs` and `tag.rs`: what a process does then.
//! - `rules.rs`: the rules. `properties.rs`: what must hold.
//!
//! There is one subject, and two referrers. Time isn't counted: a deadline has passed, and so has `unsettled_until`, when
//! no request from before it can land any more. To be acknowledged is to be committed: the earliest moment at which
//! a client could be told.

mod process;
mod properties;
mod protocol;
mod rules;
mod steps;
mod store;
mod tag;
mod upstream;
mod without;
mod world;

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use crate::{
    process::Role,
    rules::Rules,
    upstream::Set,
    world::{Action, Faults, Scenario},
};

/// One of each.
const ALL_FAULTS: Faults = Faults { crashes: 1, lost: 1, refused: 1, tags_refused: 1, unclear: 1 };
const CRASH: Faults = Faults { crashes: 1, ..NO_FAULTS };
const LOST: Faults = Faults { lost: 1, ..NO_FAULTS };
const NO_FAULTS: Faults = Faults { crashes: 0, lost: 0, refused: 0, tags_refused: 0, unclear: 0 };

/// These on an empty registry, all rules kept, nothing going wrong.
fn with<const N: usize>(roles: [Role; N]) -> Scenario {
    Scenario {
        rules: Rules { without: None },
        pushed: Set::NONE,
        around: Set::NONE,
        stray: Set::NONE,
        strict: false,
        roles: roles.to_vec(),
        faults: NO_FAULTS,
    }
}

impl Scenario {
    /// Looks at every state; gives the number.
    fn holds(self) -> usize {
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
    fn show(&self, property: &'static str) -> Vec<Action> {
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
