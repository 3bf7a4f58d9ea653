//! What must hold: in every state, or at rest, when nobody is at work and nothing is under way.

use stateright::Property;

use crate::{
    process::{Act, Phase, Role, Stage},
    rights::Rights,
    store::RowState,
    strangers,
    upstream::{Answer, Referrer},
    world::{Faults, Promise, Scenario, World},
};

pub(crate) const LISTED: &str = "an acknowledged referrer that nobody deleted is listed";
pub(crate) const TAGGED: &str = "what is listed is in the tag, or the tag is stale";
pub(crate) const GONE: &str = "a deleted referrer is not listed, and its tag lacks it or is stale";
pub(crate) const KEPT: &str = "what was written around backref is in the tag, or listed, or on record";
pub(crate) const AGREED: &str = "at rest the list is what the upstream holds, or something on record will make it so";
pub(crate) const FLUSHED: &str =
    "at rest no tag is stale, unless something went wrong, or was learned by who may not write";
pub(crate) const UNTOUCHED: &str = "strangers alone change nothing, and leave nothing";
pub(crate) const FORGOTTEN: &str = "at rest no attempt of a stranger is left, unless something went wrong";
pub(crate) const TAKEN: &str = "a delete that is sent again is not refused for the tag, unless something went wrong";
pub(crate) const DELETES: &str = "a referrer can be deleted";

pub(crate) fn all() -> Vec<Property<Scenario>> {
    vec![
        Property::always(LISTED, |_, world: &World| {
            promised(world, Promise::Pushed).all(|of| world.store.row(of).state == RowState::Listed)
        }),
        Property::always(TAGGED, |_, world: &World| {
            world.store.is_stale() || world.store.listed().is_in(world.upstream.tag)
        }),
        Property::always(GONE, |_, world: &World| {
            promised(world, Promise::Deleted).all(|of| {
                let in_the_tag = world.upstream.tag.has(of) && !world.store.is_stale();
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
        Property::always(FLUSHED, |scenario: &Scenario, world: &World| {
            !world.at_rest() || !world.store.is_stale() || !scenario.all_flush() || world.went_wrong(scenario)
        }),
        Property::always(UNTOUCHED, strangers::change_nothing),
        Property::always(FORGOTTEN, strangers::leave_no_attempt),
        Property::always(TAKEN, |scenario: &Scenario, world: &World| {
            world.processes.iter().all(|process| {
                let refused = process.stage == Stage::Again && process.phase == Phase::Told(Answer::Protected);
                !refused || process.contested || !process.role.rights.deletes() || scenario.faults != world.faults
            })
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
    let will_be_read = world.upstream.tag.has(of) && world.store.tag.index != Some(world.upstream.tag);
    let stray = world.promises[of as usize] == Promise::Stray;
    same || open || stray || state == RowState::Missing || (world.holds(of) && will_be_read)
}

impl World {
    fn is_open(&self, of: Referrer) -> bool {
        self.store.attempts.iter().any(|attempt| attempt.of == of)
    }

    pub(crate) fn at_rest(&self) -> bool {
        let may_not = |act| matches!(act, Act::Repair | Act::Settle(_));
        self.upstream.requests.is_empty()
            && self.processes.iter().all(|process| match process.phase {
                Phase::Over => true,
                Phase::Ready => may_not(process.role.act),
                _ => false,
            })
    }

    pub(crate) fn went_wrong(&self, scenario: &Scenario) -> bool {
        let (left, had) = (self.faults, scenario.faults);
        Faults { refused: had.refused, ..left } != had
    }
}

impl Scenario {
    /// Everybody who changes the set, or learns of it, may also write the tag.
    fn all_flush(&self) -> bool {
        let learns = |role: &Role| match role.act {
            Act::Query | Act::Import | Act::Settle(_) | Act::Around(_) => true,
            _ => matches!(role.rights, Rights::Deletes | Rights::Reads),
        };
        !self.roles.iter().any(learns) && self.unwritten.first().is_none()
    }

    /// Whoever may take it out of the tag can delete it. Others can't, where registries refuse to delete what is listed.
    fn deletes(&self) -> bool {
        let pushed = |role: &Role| {
            matches!(role.act, Act::Delete(of) if self.pushed.without(self.unwritten).has(of))
                && role.rights == Rights::All
        };
        self.roles.iter().any(pushed)
    }
}
