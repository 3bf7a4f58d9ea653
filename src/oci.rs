//! The OCI specifications' own nouns, parsed: no network, no database, no async in here.

mod descriptor;
mod digest;
mod error_code;
pub mod header;
mod index;
mod json;
mod manifest;
mod media_type;
mod path_error;
mod referrers_list;
mod repository;
mod tag;

pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, DigestError};
pub use error_code::{ErrorCode, error_codes};
pub use manifest::{Annotations, Manifest, ManifestError, RawManifest, Reading, Subject, Via};
pub use media_type::{MANIFEST_ACCEPT, MediaType, is_media_type};
pub use path_error::PathError;
pub use referrers_list::{Listed, ReferrersList};
pub use repository::{Reference, Repository};
pub use tag::{CosignTag, DigestTag, ReferrersTag};

/// The most that registries have to take, in bytes (distribution-spec 1.1, "Pushing Manifests").
pub const MAX_MANIFEST: usize = 4 << 20;
