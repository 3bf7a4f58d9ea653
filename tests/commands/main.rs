//! The operator's commands: on real registries, beside a running `serve` and alone.

#[path = "../support/mod.rs"]
mod support;

#[path = "../tags/stand.rs"]
#[allow(dead_code, reason = "the suite about tags uses all of it")]
mod stand;

mod backfill;
mod beside;
mod config;
mod credentials;
mod doctor;
mod endless;
mod endless_tree;
mod generated;
mod healthcheck;
mod interrupted;
mod native;
mod output;
mod pending;
mod probe;
mod prune;
mod run;
mod running;
mod tree;
mod verify;
