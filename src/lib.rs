//! A reverse proxy that gives an existing, unmodified container registry the OCI referrers API.
//!
//! The map, from the outside in. Each room uses only rooms that stand below it, and no two files use each other
//! (`ARCHITECTURE.md` walks a request through):
//!
//! - [`cli`], [`commands`]: what is typed, and one file for each command. [`server`]: sockets, threads, limits; nothing of
//!   OCI. [`admin`]: health, metrics, a page.
//! - [`http`]: requests of clients, one file for each kind. [`operator`]: the same work for commands.
//! - [`app`]: all wiring.
//! - [`policy`]: what an operator asks of pushes and deletes.
//! - [`listing`]: who may list a subject's referrers, and the list. [`changes`]: pushes and deletes.
//! - [`referrers_tag`]: the tag `sha256-<hex>` in the upstream, kept up to date.
//! - [`relations`]: attempts, and what the upstream said about them.
//! - [`carrier`]: artifact manifests as image manifests.
//! - [`error`]: every way to fail, and where that becomes an answer.
//! - [`store`]: the index of who refers to whom. [`upstream`]: the registry, as a caller may use it, and permits.
//! - [`dialect`], [`referrers`], [`oci`], [`config`]: pure.

pub mod admin;
pub mod app;
pub mod budget;
pub mod carrier;
pub mod changes;
pub mod cli;
pub mod commands;
pub mod config;
mod context;
pub mod dialect;
pub mod error;
pub mod http;
pub mod listing;
pub mod locks;
pub mod metrics;
mod min_rate;
pub mod oci;
pub mod operator;
pub mod policy;
mod printable;
pub mod random;
pub mod referrers;
pub mod referrers_tag;
pub mod relations;
mod repeats;
pub mod server;
pub mod shares;
mod stall;
mod step;
pub mod store;
pub mod tasks;
pub mod throttle;
mod tls;
mod traces;
pub mod upstream;
mod words;
