//! The referrers tag in the upstream: kept by backref, read by backref, and by clients that know nothing of it.

#[path = "../support/mod.rs"]
mod support;

mod absorb;
mod coded;
mod delete;
mod found_entries;
mod groups;
mod hidden;
mod import;
mod limits;
mod orders;
mod races;
mod registries;
mod stale;
mod stand;
mod strangers;
mod write;
