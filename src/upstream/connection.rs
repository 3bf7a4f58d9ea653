//! Connections to the upstream: opened, counted, kept for the next request. Nothing of requests and bodies in here.

mod connect;
mod open;
mod places;
mod pool;
mod proxy;
mod race;
mod received;

pub use connect::{Connector, ConnectorError};
pub(super) use open::Connections;
pub use open::{BUFFER, NoConnection};
pub(super) use pool::{InUse, Link, Pool};
