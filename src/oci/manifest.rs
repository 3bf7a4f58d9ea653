//! Manifests: the exact bytes, and the few fields that say who refers to whom. Two readers take them: a strict one for what
//! is pushed through backref (`pushed.rs`), a lenient one for what the registry holds already (`read.rs`).

mod annotations;
mod entries;
mod error;
mod fields;
mod pushed;
mod raw;
mod read;
mod subject;

pub use annotations::Annotations;
pub use error::ManifestError;
pub use raw::{Manifest, RawManifest};
pub use read::Reading;
pub use subject::{Subject, Via};
