//! The upstream: one [`Upstream`] for each registry that is fronted, and [`Registry`], which is that registry as one caller
//! may use it.

mod absolute;
mod blobs;
mod body;
mod caller;
mod capabilities;
mod challenge;
mod client;
mod collect;
mod connection;
mod error;
mod framing;
mod fronted;
pub mod headers;
mod held;
mod load;
mod login;
mod native;
mod outage;
mod paging;
mod permit;
mod permits;
mod refusal;
mod registry;
mod repeat;
mod several;
mod upload;

pub use blobs::{Blob, Uploaded};
pub use body::Body;
pub use caller::Caller;
pub use capabilities::Capabilities;
pub use client::{Client, Replayed};
pub use collect::{CollectError, short_answer, short_body};
pub use connection::{BUFFER, Connector, ConnectorError, NoConnection};
pub use error::{BodyError, UpstreamError};
pub use fronted::Upstream;
pub use held::HeldBody;
pub use login::{Grant, Login, LoginError, USER_AGENT, token_client};
pub use native::{ListHash, NativeAnswer, NativeList, NativePage, native_list, native_page, native_path};
pub use paging::{EndlessList, PageWalk, next_page};
pub use permit::{Candidate, Permission, ReadPermit, Round};
pub use permits::{CallerKey, Permits};
pub use refusal::{ReadError, Refusal};
pub use registry::{Head, Registry, manifest_uri, reference_uri};
pub use several::Upstreams;
pub use upload::{ClientBody, OnEnd, Received};
