//! Requests of clients, from a parsed [`route`](Route) to an answer: one file for each kind, read from top to bottom.

mod accept;
mod access;
mod discover;
mod exchange;
mod failure;
mod forwarded;
mod host;
mod manifest_delete;
mod manifest_get;
mod manifest_put;
mod original;
mod passthrough;
mod referrers;
mod registries;
mod request_id;
mod route;
mod router;
mod tags_list;

pub use access::AnswerBody;
pub use route::Route;
pub use router::Router;
