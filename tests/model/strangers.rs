//! What strangers must not do: callers none of whose changes the upstream carries out.

use stateright::Model;

use crate::{
    process::{Act, Role},
    rights::{Rights, View},
    store::RowState,
    upstream::Referrer,
    world::{Scenario, World},
};

/// As if they had never been there: what the registry holds and the rows at any time, attempts and the tag's staleness at
/// rest. What is shown to whoever may read is listed: what the tag names, and what an attempt names that was left open.
pub(crate) fn change_nothing(scenario: &Scenario, world: &World) -> bool {
    let is_strangers = |role: &Role| role.rights.changes_nothing() && role.act != Act::Repair;
    if !scenario.roles.iter().all(is_strangers) {
        return true;
    }
    let Some(start) = scenario.init_states().pop() else { return false };
    let reads = scenario.roles.iter().any(|role| role.rights.view() == View::Shown);
    let shown = |of| start.upstream.tag.has(of) || (start.holds(of) && world.went_wrong(scenario));
    let read = |of: Referrer| reads && shown(of) && world.store.row(of).state == RowState::Listed;
    let same = |of: &Referrer| world.store.row(*of).state == start.store.row(*of).state || read(*of);
    let holds = (world.upstream.manifests, world.upstream.tag) == (start.upstream.manifests, start.upstream.tag);
    let at_rest = world.at_rest() && !world.went_wrong(scenario);
    let left = !world.store.attempts.is_empty()
        || world.store.is_stale() != start.store.is_stale()
        || world.store.tag.unsettled;
    holds && Referrer::ALL.iter().all(same) && !(at_rest && left)
}

pub(crate) fn leave_no_attempt(scenario: &Scenario, world: &World) -> bool {
    let is_strangers = |by: usize| Rights::changes_nothing(world.processes[by].role.rights);
    !world.at_rest()
        || world.went_wrong(scenario)
        || !world.store.attempts.iter().any(|attempt| is_strangers(attempt.by))
}
