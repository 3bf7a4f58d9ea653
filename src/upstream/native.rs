//! The registry's own referrers API (distribution-spec 1.1, "Listing Referrers").

use bytes::Bytes;
use http::{Method, StatusCode, Uri};

use super::{
    body::Body,
    paging::next_page,
    refusal::{ReadError, Refusal},
    registry::Registry,
};
use crate::oci::{Digest, MediaType, Repository, header::media_type};

/// More than any page that a client reads.
const MAX_PAGE: usize = 16 << 20;

/// A page of the registry's own list.
pub struct NativePage {
    /// An image index.
    pub bytes: Bytes,
    /// Path and query of the page that follows.
    pub next: Option<String>,
}

/// One page of it. `uri`: path and query. `None`: there is no such API; one that answers otherwise than the specification
/// says is none.
pub async fn native_page(registry: &Registry, uri: &str) -> Result<Option<NativePage>, ReadError> {
    let uri = Uri::try_from(uri).map_err(|_| ReadError::Incomplete)?;
    let answer = registry.send(Method::GET, uri, None, Body::EMPTY).await?;
    if is_no_api(answer.status()) {
        return Ok(None);
    }
    if answer.status() != StatusCode::OK {
        return Err(ReadError::Refused(Refusal::of(answer.status(), answer.headers())));
    }
    if media_type(answer.headers()).is_none_or(|kind| kind.as_str() != MediaType::INDEX) {
        return Ok(None);
    }
    let next = next_page(answer.headers());
    let bytes = registry.collect_up_to(answer, MAX_PAGE).await.ok_or(ReadError::Incomplete)?;
    Ok(Some(NativePage { bytes, next }))
}

/// `/v2/<name>/referrers/<digest>`
pub fn native_path(repository: &Repository, digest: &Digest) -> String {
    format!("/v2/{repository}/referrers/{digest}")
}

/// Whether a status means that there is no referrers API: 404 by the specification, the others seen of registries that know
/// no such path; a redirect leads to a page for people.
fn is_no_api(status: StatusCode) -> bool {
    status.is_redirection()
        || matches!(
            status,
            StatusCode::BAD_REQUEST
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_ACCEPTABLE
                | StatusCode::NOT_IMPLEMENTED
        )
}
