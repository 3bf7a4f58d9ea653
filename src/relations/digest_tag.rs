//! A digest tag for each referrer, in the upstream: `referrers.digest_tags = "write"`. It is what a garbage collection that
//! takes untagged manifests leaves alone. No push fails by it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};

use super::attempts::{begin, confirm, end, end_unsuccessful, forward};
use crate::{
    config::DigestTags,
    metrics::Metrics,
    oci::DigestTag,
    referrers::{Claim, ManifestKey, Relation},
    store::{AttemptKind, Store, Verdict},
    upstream::{Body, Registry, reference_uri},
};

/// How long a client waits for its referrer's tag. What was sent by then is carried out all the same, mostly.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is to be put under a digest tag once the relation is in the database.
pub struct DigestTagCopy {
    referrer: ManifestKey,
    tag: String,
    request: Request<Body>,
}

impl DigestTagCopy {
    /// Of the manifest in `request`. Nothing where the push sets this very tag.
    pub fn of(registry: &Registry, request: &Request<Body>, claim: &Claim) -> Option<Self> {
        let writes = registry.upstream().referrers.digest_tags == DigestTags::Write;
        let Body::Full(Some(bytes)) = request.body() else { return None };
        let tag = writes.then(|| DigestTag::of(claim.subject(), &claim.referrer().digest)).flatten()?;
        if request.uri().path_and_query().is_some_and(|path| path.as_str().contains(&tag)) {
            return None;
        }
        let referrer = claim.referrer().clone();
        let mut copy = Request::new(Body::from(Bytes::clone(bytes)));
        *copy.method_mut() = Method::PUT;
        *copy.uri_mut() = reference_uri(&referrer.repository, &tag);
        *copy.headers_mut() = registry.caller().headers().clone();
        if let Some(content_type) = request.headers().get(header::CONTENT_TYPE) {
            copy.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
        }
        Some(Self { referrer, tag, request: copy })
    }

    /// Writes it, with the pusher's credentials. A repeated push writes it again: the upstream has the manifest, and a tag
    /// that was lost is back. It is an attempt like any other push: one that lands after the manifest was deleted brings
    /// the manifest back.
    pub async fn write(self, registry: &Registry, store: &dyn Store, relation: &Arc<Relation>, metrics: &Metrics) {
        let Self { referrer, tag, request } = self;
        let sent = send(registry, store, &referrer, request, relation).await;
        metrics.digest_tag(sent.as_ref().ok().copied());
        let why = match sent {
            Ok(status) if status.is_success() => return,
            Ok(status) => format!("the registry answered {status}"),
            Err(why) => why,
        };
        let ManifestKey { repository, digest, .. } = &referrer;
        tracing::warn!(%repository, %digest, tag, why, "a referrer has no digest tag: push it again");
    }
}

/// The upstream's answer, or why there is none.
async fn send(
    registry: &Registry,
    store: &dyn Store,
    referrer: &ManifestKey,
    request: Request<Body>,
    relation: &Arc<Relation>,
) -> Result<StatusCode, String> {
    let attempt = begin(registry, AttemptKind::Push, referrer, Some(relation.subject.clone()));
    let seen = store.begin(&attempt).await.map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(PATIENCE, forward(registry, store, request, (referrer, attempt.id))).await;
    let Ok(answer) = answer else {
        end(store, (referrer, attempt.id), true).await;
        return Err(format!("no answer within {PATIENCE:?}"));
    };
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status().is_success() {
        let verdict = Verdict::Held(relation.clone());
        let confirmed = confirm(registry, store, referrer, verdict, seen, (attempt.id, &answer)).await;
        if let Err(error) = confirmed {
            tracing::debug!(%error, "a digest tag was written, and that could not be confirmed");
        }
    } else {
        end_unsuccessful(store, (referrer, attempt.id), &answer).await;
    }
    Ok(answer.status())
}
