//! Carriers: artifact manifests in the form of image manifests, for upstreams that refuse the former. The codec is pure;
//! recovering finds the two forms of a manifest in the upstream again.

mod artifact;
mod codec;
mod recover;
mod refusal;
mod reproach;

pub use artifact::{Artifact, Carried, CarriedRecord};
pub use codec::{Content, EMPTY_BLOB, EMPTY_DIGEST, original_of};
pub use recover::{Lost, recover, with_original};
pub use refusal::{classify, may_be_of_kind};
pub use reproach::beyond_reproach;
