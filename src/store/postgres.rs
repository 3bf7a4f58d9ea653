//! The store in a PostgreSQL database, which several processes share: a pool of connections, and one change of a repository
//! after the other.
//!
//! A file for each trait, which says what goes in one trip and what in one transaction; the SQL is in `rows/`.

mod aliases;
mod attempts;
mod batch;
mod change;
mod connect;
mod database;
mod errors;
mod inventory;
mod lease;
mod process;
mod referrers_tags;
mod relation_tags;
mod relations;
mod rounds;
mod rows;
mod schema;
mod session;
mod transfer;
mod upstreams;

pub use database::PostgresStore;
