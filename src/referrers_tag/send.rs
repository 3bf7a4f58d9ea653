//! Writes of backref's own to a referrers tag, and what the upstream said to them.

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::keeper::tag_uri;
use crate::{
    error::Error,
    oci::MediaType,
    referrers::ManifestKey,
    relations::is_definite,
    upstream::{Body, Refusal, Registry, UpstreamError, manifest_uri, short_body},
};

/// What the upstream said to a write.
pub(super) enum Answer {
    Done,
    /// A definite no, with what stood in its body.
    No(StatusCode, Bytes),
    Unknown(Error),
}

/// Puts an index under the subject's tag.
pub(super) async fn put(registry: &Registry, subject: &ManifestKey, index: Bytes) -> Answer {
    read(registry.send(Method::PUT, tag_uri(subject), Some(MediaType::INDEX), Body::from(index)).await).await
}

/// Deletes an index. Nothing under that digest is as good as deleted.
pub(super) async fn delete(registry: &Registry, index: &ManifestKey) -> Answer {
    match read(registry.send(Method::DELETE, manifest_uri(index), None, Body::EMPTY).await).await {
        Answer::No(StatusCode::NOT_FOUND, _) => Answer::Done,
        answer => answer,
    }
}

/// What the upstream said, and whether that is its last word.
async fn read(answer: Result<Response<Body>, UpstreamError>) -> Answer {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if !error.was_sent() => {
            tracing::debug!(%error, "a referrers tag could not be written");
            return Answer::No(StatusCode::BAD_GATEWAY, Bytes::new());
        }
        Err(error) => return Answer::Unknown(error.into()),
    };
    let status = answer.status();
    if !is_definite(&answer) {
        return Answer::Unknown(Refusal::of(status, answer.headers()).into());
    }
    let said = short_body(answer.into_body()).await;
    if status.is_success() { Answer::Done } else { Answer::No(status, said.unwrap_or_default()) }
}
