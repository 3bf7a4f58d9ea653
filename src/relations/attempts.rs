//! Attempts: a push or delete is noted before it is sent, and forgotten when its outcome is known.

use http::{Request, Response};

use crate::{
    error::Error,
    oci::Digest,
    referrers::ManifestKey,
    store::{Attempt, AttemptId, AttemptKind, Close, Store},
    upstream::{Body, Registry, Replayed},
};

/// A new attempt. `subject`: where it is known.
pub fn begin(registry: &Registry, kind: AttemptKind, key: &ManifestKey, subject: Option<Digest>) -> Attempt {
    Attempt {
        id: AttemptId(crate::random::u64().cast_signed()),
        kind,
        key: key.clone(),
        subject,
        tag: None,
        lasts: registry.upstream().longest(),
    }
}

/// Forwards the request of an attempt, which stays open when its outcome is unknown.
pub async fn forward(
    registry: &Registry,
    store: &dyn Store,
    request: Request<Body>,
    id: AttemptId,
) -> Result<Response<Body>, Error> {
    match registry.forward(request).await {
        Ok(answer) => Ok(answer),
        Err(error) => {
            end(store, id, error.was_sent()).await;
            Err(error.into())
        }
    }
}

/// Ends an attempt that the upstream did not carry out, or may not have. Only a definite no forgets it: not one to a
/// request that was sent twice.
pub async fn end_unsuccessful(store: &dyn Store, id: AttemptId, answer: &Response<Body>) {
    end(store, id, !(answer.status().is_client_error() && is_definite(answer))).await;
}

/// Ends an attempt: given up where its outcome is `unknown`, otherwise forgotten.
pub async fn end(store: &dyn Store, id: AttemptId, unknown: bool) {
    let ended = if unknown { store.release(id).await } else { store.drop_attempt(id).await };
    if let Err(error) = ended {
        // It stays open until its time is over, and is settled after that.
        tracing::warn!(%error, "an unresolved write could not be ended");
    }
}

/// What a success leaves of the attempt.
pub(super) fn closing(id: AttemptId, answer: &Response<Body>) -> Close {
    if is_definite(answer) { Close::One(id) } else { Close::GiveUp(id) }
}

/// Whether an answer is the last word on its request: not of an upstream that failed, nor to one that was sent twice.
pub fn is_definite(answer: &Response<Body>) -> bool {
    let status = answer.status();
    answer.extensions().get::<Replayed>().is_none() && (status.is_success() || status.is_client_error())
}
