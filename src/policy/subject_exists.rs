//! `subject.must_exist`: what refers to nothing that is there is refused.

use http::{HeaderMap, StatusCode};

use crate::{
    carrier::{self, Lost},
    error::Error,
    oci::{Digest, ErrorCode},
    referrers::ManifestKey,
    store::Store,
    upstream::{Refusal, Registry},
};

/// Asks for the subject of a push, in the form that the upstream holds. One that is deleted meanwhile is not noticed.
pub(super) async fn subject_must_exist(
    registry: &Registry,
    store: &dyn Store,
    pushed: &ManifestKey,
    subject: &Digest,
) -> Result<(), Error> {
    let named = pushed.sibling(subject.clone());
    let alias = store.alias(&named).await?;
    let held = alias.map_or_else(|| named.clone(), |alias| named.sibling(alias.carrier));
    let status = registry.shows(&held).await.map_err(|refusal| registry.to_client(refusal))?.status;
    if status == StatusCode::OK {
        return Ok(());
    }
    if registry.upstream().rewrites()
        && let Lost::Found(_) = carrier::recover(registry, store, &named).await?
    {
        return Ok(());
    }
    // distribution 2.8 says so of a digest that only a blob has; nobody should of any other.
    if status == StatusCode::INTERNAL_SERVER_ERROR && !registry.has_blob(&named).await? {
        return Err(Refusal::Unclear(status, HeaderMap::new()).into());
    }
    let message = format!("the subject {subject} is not in {}: push it first", pushed.repository);
    Err(Error::bad(ErrorCode::ManifestInvalid, message))
}
