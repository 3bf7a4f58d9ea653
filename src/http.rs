//! Requests of clients, from a parsed [`route`](Route) to an answer: one file for each kind, read from top to bottom.

mod accept;
mod discover;
mod exchange;
mod forwarded;
mod host;
mod manifest_delete;
mod manifest_get;
mod manifest_put;
mod original;
mod passthrough;
mod referrers;
mod registries;
mod route;
mod router;
mod tags_list;

pub use route::Route;
pub use router::Router;
