//! The registry's own list of a subject's referrers, for an operator.

use std::collections::HashSet;

use crate::{
    error::Error,
    oci::Digest,
    referrers::ManifestKey,
    upstream::{NativeAnswer, Registry, native_list},
};

/// All that the registry's own list of a subject names. `None`: it has no such API.
pub(super) async fn own_list(registry: &Registry, subject: &ManifestKey) -> Result<Option<HashSet<Digest>>, Error> {
    Ok(match native_list(registry, subject, None).await? {
        NativeAnswer::List(list) => Some(list.digests.into_iter().collect()),
        NativeAnswer::NoApi | NativeAnswer::AsKnown(_) => None,
    })
}
