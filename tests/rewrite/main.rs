//! Artifact manifests in front of real registries that refuse them: pushed, pulled, listed, deleted, found again.

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod capabilities;
mod chains;
mod digest_tags;
mod doubt;
mod garbage;
mod generated;
mod lost;
mod originals;
mod policy;
mod pull;
mod push;
mod refusals;
mod stand;
mod strangers;
