//! Today's clients, one from before the specification, and the OCI conformance suite, through backref in front of real
//! registries.
//!
//! Every scenario runs on CNCF distribution 2.8 and on 3.x. The clients are the field's own binaries, built by
//! `tests/tools/build`; nothing here reaches beyond this machine.

#[path = "../support/mod.rs"]
mod support;

#[path = "../tags/stand.rs"]
#[allow(dead_code, reason = "each suite uses its own part of it")]
mod tagged;

#[macro_use]
mod stand;

mod artifacts;
mod auth;
mod auth_tokens;
mod concurrent;
mod conformance;
mod cosign;
mod crane;
mod many;
mod native;
mod nginx;
mod notation;
mod notifications;
mod oras;
mod oras_2022;
mod policy;
mod regctl;
mod regctl_04;
mod skopeo;
