//! Connections to the upstream: opened, counted, kept for the next request. Nothing of requests and bodies in here.

mod connect;
mod pool;

pub use connect::{Connector, TlsError};
pub(super) use pool::{InUse, Link, Pools};
