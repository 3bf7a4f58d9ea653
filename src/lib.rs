//! A reverse proxy that gives an existing, unmodified container registry the OCI referrers API.
//!
//! The map, from the outside in; each may use what stands below it (`ARCHITECTURE.md` walks a request through):
//!
//! - [`cli`], [`commands`]: what is typed, and one file for each command.
//! - [`config`]: one file, variables and flags, parsed whole.
//! - [`app`]: all wiring. [`admin`]: health and metrics. [`server`]: sockets, threads, limits.
//! - [`handler`]: requests, from a parsed [`route`] to an answer; [`error`] is what can go wrong.
//! - [`referrers`], [`dialect`]: the domain, and how lists look to clients.
//! - [`rewrite`]: artifact manifests as image manifests, for upstreams that refuse the former. [`learned`]: which do.
//! - [`turns`]: who writes a subject's referrers tag now.
//! - [`upstream`]: connections, headers, permission. [`store`]: what is remembered. Neither knows the other.
//! - [`oci`]: the specifications' nouns.

pub mod admin;
pub mod app;
pub mod cli;
pub mod commands;
pub mod config;
pub mod dialect;
pub mod error;
pub mod handler;
pub mod learned;
pub mod oci;
pub mod random;
pub mod referrers;
pub mod rewrite;
pub mod route;
pub mod server;
mod stall;
mod step;
pub mod store;
pub mod turns;
pub mod upstream;
