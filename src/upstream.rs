//! The upstream: the connections to it, the headers between it and clients, the permission it gives.

mod access;
mod body;
mod challenge;
mod client;
mod connection;
mod error;
mod framing;
pub mod headers;
mod login;
mod paging;
mod remote;
mod repeat;
mod upload;

pub use access::{Access, CallerKey, Permission, Permits, ReadPermit, Refusal, manifest_uri, reference_uri};
pub use body::Body;
pub use client::{Client, Replayed};
pub use connection::{BUFFER, Connector, NoConnection, TlsError};
pub use error::{BodyError, UpstreamError};
pub use login::{Grant, Login};
pub use paging::{MAX_PAGES, next_page};
pub use remote::{Remote, RemoteError, USER_AGENT, client as command_client};
pub use upload::{ClientBody, OnEnd};
