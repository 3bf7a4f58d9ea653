//! The store in a SQLite file: one writer thread that commits what waits together, one reading connection a thread.
//!
//! A file for each trait, which says on what connection and how durably; the SQL is in `rows/`.

mod aliases;
mod attempts;
mod clock;
mod database;
mod errors;
mod files;
mod inventory;
mod open;
mod path;
mod readers;
mod referrers_tags;
mod relation_tags;
mod relations;
mod rows;
mod schema;
mod transfer;
mod upstreams;
mod writer;

pub use database::SqliteStore;
