//! A digest tag for each referrer, in the upstream: `referrers.digest_tags = "write"`. It is what a garbage collection that
//! takes untagged manifests leaves alone. No push fails by it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};

use crate::{
    config::DigestTags,
    handler::exchange::Hop,
    oci::DigestTag,
    referrers::{Claim, ManifestKey},
    upstream::{Body, headers, reference_uri},
};

/// How long a client waits for its referrer's tag. What was sent by then is carried out all the same, mostly.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is to be written once the relation is on record.
pub(in crate::handler) struct Copy {
    referrer: ManifestKey,
    tag: String,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Hop {
    /// What is to be written under a digest tag of the manifest in `request`. Nothing where
    /// the push sets this very tag.
    pub(in crate::handler) fn digest_tag(&self, request: &Request<Body>, claim: &Claim) -> Option<Copy> {
        let writes = self.handler.app.config.referrers.digest_tags == DigestTags::Write;
        let Body::Full(Some(bytes)) = request.body() else { return None };
        let tag = writes.then(|| DigestTag::of(claim.subject(), &claim.referrer().digest)).flatten()?;
        if request.uri().path_and_query().is_some_and(|path| path.as_str().contains(&tag)) {
            return None;
        }
        let mut headers = headers::on_behalf(request.headers());
        let content_type = request.headers().get(header::CONTENT_TYPE);
        headers.extend(content_type.map(|value: &HeaderValue| (header::CONTENT_TYPE, value.clone())));
        Some(Copy { referrer: claim.referrer().clone(), tag, headers, bytes: bytes.clone() })
    }

    /// Writes it, with the pusher's credentials. A repeated push writes it again: the upstream has the manifest, and a
    /// tag that was lost is back.
    pub(in crate::handler) async fn write_digest_tag(&self, copy: Copy) {
        let Copy { referrer, tag, headers, bytes } = copy;
        let mut request = Request::new(Body::from(bytes));
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = reference_uri(&referrer.repository, &tag);
        *request.headers_mut() = headers;
        let wrote = tokio::time::timeout(PATIENCE, self.handler.upstream.send(request)).await;
        let (answer, why) = match wrote {
            Ok(Ok(answer)) => (Some(answer.status()), format!("the registry answered {}", answer.status())),
            Ok(Err(error)) => (None, error.to_string()),
            Err(_) => (None, format!("no answer within {PATIENCE:?}")),
        };
        if answer.is_none_or(|status| !status.is_success()) {
            let ManifestKey { repository, digest, .. } = &referrer;
            tracing::warn!(%repository, %digest, tag, why, "a referrer has no digest tag: push it again");
        }
        self.handler.app.metrics.digest_tag(answer);
    }
}
