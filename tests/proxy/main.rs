//! Pass-through, bad input, pushes, lists and permission: what goes over the wire, on both sides of backref.

#[path = "../support/mod.rs"]
mod support;

mod manifests;
mod stand;
mod wire;

mod addresses;
mod answers;
mod beliefs;
mod bodies;
mod challenges;
mod connections;
mod dead_connections;
mod expect;
mod floods;
mod framing;
mod gate;
mod http2;
mod http2_client;
mod idle;
mod learned;
mod limits;
mod list;
mod logs;
mod loops;
mod malformed;
mod manifests_passed;
mod manifests_refused;
mod metrics;
mod must_exist;
mod native;
mod older;
mod on_delete;
mod paging;
mod permit;
mod permit_cache;
mod push;
mod requests;
mod several;
mod shares;
mod slow_readers;
mod tags;
mod tags_written;
mod tls;
mod traces;
mod unavailable;
mod upstream_connections;
mod upstream_tls;
