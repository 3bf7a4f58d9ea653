//! Artifact manifests in front of real registries that refuse them: pushed, pulled, listed, deleted, found again.

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod chains;
mod digest_tags;
mod garbage;
mod doubt;
mod generated;
mod lost;
mod policy;
mod learning;
mod pull;
mod push;
mod refusals;
mod stand;
mod strangers;
