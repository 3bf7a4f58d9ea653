//! What the integration suites use: real registries, the real binary, real clients, real sockets.
//!
//! - [`Registry`]: an upstream (CNCF distribution 2.8 or 3), open, with a password file or with tokens.
//! - [`TokenServer`]: who may do what, for a registry that asks for tokens.
//! - [`Fake`]: an upstream that does as a test says.
//! - [`Chaos`]: what may happen to a request between backref and a registry.
//! - [`Authority`]: who issues certificates.
//! - [`Backref`]: the binary under test, in front of a registry.
//! - [`Postgres`]: a database server.
//! - [`Home`]: where a client runs, with credentials and files of its own.
//! - [`http`]: single requests, for what no client shows.
//!
//! Everything listens on a port of the system's choice, keeps its files in a directory of its own, is waited for by a
//! condition, and is killed by its process id when it is dropped. A suite takes it in with `mod support;`.

// Each suite is a crate of its own and uses its own part of this.
#![allow(dead_code, unused_imports)]

mod authority;
mod backref;
mod chaos;
mod fake;
mod home;
pub(crate) mod http;
mod link;
mod postgres;
mod process;
mod registry;
mod registry_config;
mod secrets;
mod seed;
mod sockets;
mod token_server;
mod tools;
mod wait;

pub(crate) use authority::{Authority, tls_config};
pub(crate) use backref::{Backref, BackrefOptions};
pub(crate) use chaos::{Chaos, Mishap};
pub(crate) use fake::{Fake, Gate, Head, Holdings, Reply, Seen, Visit, sha256, sha512};
pub(crate) use home::{Home, Outcome};
pub(crate) use link::{Link, Weather};
pub(crate) use postgres::Postgres;
pub(crate) use process::Process;
pub(crate) use registry::{Kind, Registry, RegistryOptions};
pub(crate) use seed::Seed;
pub(crate) use sockets::{clients, opened, served};
pub(crate) use token_server::{Grant, TokenServer};
pub(crate) use tools::tool;
pub(crate) use wait::until;
