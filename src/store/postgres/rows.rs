//! The SQL, a file for each table or question, and what its rows are.

pub(super) mod aliases;
pub(super) mod attempts;
pub(super) mod columns;
pub(super) mod forms;
pub(super) mod inventory;
pub(super) mod list;
pub(super) mod newest;
pub(super) mod recorded;
pub(super) mod referrers;
pub(super) mod referrers_tags;
pub(super) mod relation_tags;
pub(super) mod seen;
pub(super) mod subjects;
pub(super) mod upstreams;
pub(super) mod verdicts;
