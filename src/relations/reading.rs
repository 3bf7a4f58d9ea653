//! What a manifest of the upstream's says about its place among the referrers.

use std::sync::Arc;

use http::StatusCode;

use crate::{
    carrier,
    error::Error,
    oci::Reading,
    referrers::{Claim, ManifestKey, Relation},
    store::Store,
    upstream::Registry,
};

/// What a manifest says.
pub enum Fetched {
    /// Whom it refers to.
    Relation(Arc<Relation>),
    /// Nothing about referrers.
    Plain,
    /// It can't be read in one way only: no verdict.
    Unreadable,
    /// There is none.
    Absent,
}

/// Fetches a manifest and reads whom it refers to.
pub async fn fetch(registry: &Registry, store: &dyn Store, key: &ManifestKey) -> Result<Fetched, Error> {
    let (raw, manifest) = match registry.manifest(key).await? {
        Some(Reading::Refers(raw, manifest)) => (raw, manifest),
        Some(Reading::Plain(_)) => return Ok(Fetched::Plain),
        Some(Reading::Unreadable(..)) => return Ok(Fetched::Unreadable),
        None => return Ok(Fetched::Absent),
    };
    let Some(claim) = Claim::of(key.clone(), &raw, &manifest) else { return Ok(Fetched::Plain) };
    let relation = carrier::with_original(registry, store, claim, &raw).await.held(StatusCode::OK);
    Ok(relation.map_or(Fetched::Plain, |relation| Fetched::Relation(Arc::new(relation))))
}
