//! Artifact manifests on an upstream that refuses them: pushed as carriers, and given back as what was pushed.

pub(super) mod accept;
pub(super) mod artifact;
pub(super) mod blobs;
mod entries;
mod original;
pub(super) mod recover;
pub(super) mod refusal;
