//! `referrers.artifact_type`: what refers to something, and artifact manifests, have a type of those that are wanted.

use super::gate::Pushed;
use crate::{config::ArtifactTypes, error::Error, oci::ErrorCode};

/// Judges a push by its bytes alone. One without a type has none that is wanted, unless any is.
pub(super) fn artifact_type_must_be(wanted: &ArtifactTypes, pushed: &Pushed<'_>) -> Result<(), Error> {
    if pushed.manifest.subject.is_none() && !pushed.raw.media_type.is_artifact() {
        return Ok(());
    }
    let artifact_type = pushed.manifest.artifact_type.as_deref().unwrap_or_default();
    match wanted.refuse(artifact_type) {
        Some(why) => Err(Error::bad(ErrorCode::ManifestInvalid, format!("the artifact type {artifact_type:?}: {why}"))),
        None => Ok(()),
    }
}
