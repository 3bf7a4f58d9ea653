//! Requests about a referrers tag, and what the upstream's answer is worth.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::{read::refusal, tag_uri};
use crate::{
    error::Error,
    handler::{evidence::is_definite, exchange::Hop},
    oci::MediaType,
    referrers::ManifestKey,
    upstream::{Body, UpstreamError, headers, manifest_uri},
};

/// What the upstream said to a write.
pub(super) enum Answer {
    Done,
    /// A definite no, with what stood in its body.
    No(StatusCode, Bytes),
    Unknown(Error),
}

/// More than any error body.
const MAX_SAID: usize = 64 << 10;

impl Hop {
    pub(super) async fn put(&self, caller: &HeaderMap, subject: &ManifestKey, list: Bytes) -> Answer {
        let mut request = Request::new(Body::from(list));
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = tag_uri(subject);
        *request.headers_mut() = headers::on_behalf(caller);
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MediaType::INDEX));
        self.answer(request).await
    }

    /// Nothing under that digest is as good as deleted.
    pub(super) async fn delete_index(&self, caller: &HeaderMap, index: &ManifestKey) -> Answer {
        let mut request = Request::new(Body::EMPTY);
        *request.method_mut() = Method::DELETE;
        *request.uri_mut() = manifest_uri(index);
        *request.headers_mut() = headers::on_behalf(caller);
        match self.answer(request).await {
            Answer::No(StatusCode::NOT_FOUND, _) => Answer::Done,
            answer => answer,
        }
    }

    /// What the upstream said, and whether that is its last word.
    async fn answer(&self, request: Request<Body>) -> Answer {
        let answer = match self.handler.upstream.send(request).await {
            Ok(answer) => answer,
            Err(error @ UpstreamError::Connect(_)) => {
                tracing::debug!(%error, "a referrers tag could not be written");
                return Answer::No(StatusCode::BAD_GATEWAY, Bytes::new());
            }
            Err(error) => return Answer::Unknown(error.into()),
        };
        let status = answer.status();
        if !is_definite(&answer) {
            return Answer::Unknown(refusal(status, answer.headers()));
        }
        // Read to its end, so that its connection can be used again.
        let said = Limited::new(answer.into_body(), MAX_SAID).collect().await.map(http_body_util::Collected::to_bytes);
        if status.is_success() { Answer::Done } else { Answer::No(status, said.unwrap_or_default()) }
    }
}
