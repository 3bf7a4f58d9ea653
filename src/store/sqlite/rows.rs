//! SQL on one connection, each function inside the caller's transaction. It decides nothing that the traits don't say.

pub(super) mod aliases;
pub(super) mod attempts;
pub(super) mod columns;
pub(super) mod expiry;
pub(super) mod forms;
pub(super) mod inventory;
pub(super) mod list;
mod merge;
pub(super) mod newest;
mod part;
pub(super) mod recorded;
mod referrers;
pub(super) mod referrers_tags;
mod relation_tags;
pub(super) mod seen;
pub(super) mod subjects;
pub(super) mod upstreams;
pub(super) mod verdicts;
