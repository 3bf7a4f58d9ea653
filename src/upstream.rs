//! The upstream: the connections to it, the headers between it and clients, the permission it gives.

mod access;
mod body;
mod body_error;
mod challenge;
mod client;
mod connection;
pub mod headers;
mod login;
mod paging;
mod remote;
mod upload;

pub use access::{Access, CallerKey, Permission, Permits, ReadPermit, Refusal, manifest_uri, reference_uri};
pub use body::Body;
pub use body_error::BodyError;
pub use client::{BUFFER, Client, Replayed, UpstreamError};
pub use connection::{Connector, TlsError};
pub use login::{Grant, Login};
pub use paging::{MAX_PAGES, next_page};
pub use remote::{Remote, RemoteError, USER_AGENT, client as command_client};
pub use upload::{ClientBody, OnEnd};
