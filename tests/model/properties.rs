//! What must hold: in every state, or at rest, when nobody is at work and nothing is under way.

use stateright::Property;

use crate::{
    process::{Phase, Role},
    store::RowState,
    upstream::Referrer,
    world::{Faults, Promise, Scenario, World},
};

pub(crate) const LISTED: &str = "an acknowledged referrer that nobody deleted is listed";
pub(crate) const TAGGED: &str = "what is listed is in the tag, or the tag is owed";
pub(crate) const GONE: &str = "a deleted referrer is not listed, and its tag lacks it or is owed";
pub(crate) const KEPT: &str = "what was written around backref is in the tag, or listed, or on record";
pub(crate) const AGREED: &str = "at rest the list is what the upstream holds, or something on record will make it so";
pub(crate) const PAID: &str =
    "at rest nothing is owed, unless something went wrong, or was learned by who may not write";
pub(crate) const DELETES: &str = "a referrer can be deleted";

pub(crate) fn all() -> Vec<Property<Scenario>> {
    vec![
        Property::always(LISTED, |_, world: &World| {
            promised(world, Promise::Pushed).all(|of| world.store.row(of).state == RowState::Listed)
        }),
        Property::always(TAGGED, |_, world: &World| {
            world.store.owes() || world.store.listed().is_in(world.upstream.tag)
        }),
        Property::always(GONE, |_, world: &World| {
            promised(world, Promise::Deleted).all(|of| {
                let in_the_tag = world.upstream.tag.has(of) && !world.store.owes();
                world.store.row(of).state != RowState::Listed && !in_the_tag
            })
        }),
        Property::always(KEPT, |_, world: &World| {
            promised(world, Promise::Around)
                .all(|of| world.upstream.tag.has(of) || world.store.listed().has(of) || world.is_open(of))
        }),
        Property::always(AGREED, |_, world: &World| {
            !world.at_rest() || Referrer::ALL.iter().all(|of| agreed(world, *of))
        }),
        Property::always(PAID, |scenario: &Scenario, world: &World| {
            !world.at_rest() || !world.store.owes() || !scenario.all_pay() || world.went_wrong(scenario)
        }),
        Property::sometimes(DELETES, |scenario: &Scenario, world: &World| {
            world.at_rest() && (!scenario.deletes() || promised(world, Promise::Deleted).next().is_some())
        }),
    ]
}

fn promised(world: &World, promise: Promise) -> impl Iterator<Item = Referrer> {
    Referrer::ALL.into_iter().filter(move |of| world.promises[*of as usize] == promise)
}

/// An attempt will be settled, a missing row asked about again, a tag of another digest read.
fn agreed(world: &World, of: Referrer) -> bool {
    let state = world.store.row(of).state;
    let same = world.holds(of) == (state == RowState::Listed);
    let open = world.is_open(of);
    let will_be_read = world.upstream.tag.has(of) && world.store.tag_digest != Some(world.upstream.tag);
    let stray = world.promises[of as usize] == Promise::Stray;
    same || open || stray || state == RowState::Missing || (world.holds(of) && will_be_read)
}

impl World {
    fn is_open(&self, of: Referrer) -> bool {
        self.store.attempts.iter().any(|attempt| attempt.of == of)
    }

    fn at_rest(&self) -> bool {
        let still = |phase| matches!(phase, Phase::Over);
        let may_not = |role| matches!(role, Role::Repair | Role::Settle { .. });
        self.upstream.requests.is_empty()
            && self
                .processes
                .iter()
                .all(|process| still(process.phase) || (process.phase == Phase::Ready && may_not(process.role)))
    }

    fn went_wrong(&self, scenario: &Scenario) -> bool {
        let (left, had) = (self.faults, scenario.faults);
        Faults { refused: had.refused, ..left } != had
    }
}

impl Scenario {
    /// Everybody who changes the set may also write the tag.
    fn all_pay(&self) -> bool {
        !self.roles.iter().any(|role| {
            matches!(role, Role::Import | Role::Settle { .. } | Role::Around(_) | Role::Delete { may_push: false, .. })
        })
    }

    /// Whoever may take it out of the tag can delete it. Others can't, where registries refuse to delete what is listed.
    fn deletes(&self) -> bool {
        let pushed = |role: &Role| matches!(role, Role::Delete { of, may_push: true } if self.pushed.has(*of));
        self.roles.iter().any(pushed)
    }
}
