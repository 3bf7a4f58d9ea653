//! Attempts: a push or delete is noted before it is sent; what the upstream says to it is applied to the rows, and the attempt
//! forgotten. If others changed the digest meanwhile, the upstream is asked what holds now.

use http::{Request, Response, StatusCode};

use crate::{
    error::Error,
    oci::Digest,
    referrers::ManifestKey,
    store::{Applied, Attempt, AttemptId, AttemptKind, Basis, Close, Seen, Store, Verdict},
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

/// Forwards the request of an attempt on `key`, which stays open when its outcome is unknown.
pub async fn forward(
    registry: &Registry,
    store: &dyn Store,
    request: Request<Body>,
    (key, id): (&ManifestKey, AttemptId),
) -> Result<Response<Body>, Error> {
    match registry.forward(request).await {
        Ok(answer) => Ok(answer),
        Err(error) => {
            end(store, (key, id), error.was_sent()).await;
            Err(error.into())
        }
    }
}

/// Ends an attempt that the upstream did not carry out, or may not have. Only a definite no forgets it: not one to a
/// request that was sent twice.
pub async fn end_unsuccessful(store: &dyn Store, (key, id): (&ManifestKey, AttemptId), answer: &Response<Body>) {
    end(store, (key, id), answer.status().is_success() || !is_definite(answer)).await;
}

/// Ends an attempt: given up where its outcome is `unknown`, otherwise forgotten.
pub async fn end(store: &dyn Store, (key, id): (&ManifestKey, AttemptId), unknown: bool) {
    let ended = if unknown { store.release(key, id).await } else { store.drop_attempt(key, id).await };
    if let Err(error) = ended {
        // It stays open until its time is over, and is settled after that.
        tracing::warn!(%error, "an unresolved write could not be ended");
    }
}

/// What a success leaves of the attempt.
pub(super) fn closing(id: AttemptId, answer: &Response<Body>) -> Close {
    if is_definite(answer) { Close::One(id) } else { Close::GiveUp(id) }
}

/// Whether an answer is the last word on its request: not of an upstream that failed, nor to one that was sent twice. What
/// is not implemented was not done.
pub fn is_definite(answer: &Response<Body>) -> bool {
    let status = answer.status();
    let is_word = status.is_success() || status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED;
    is_word && answer.extensions().get::<Replayed>().is_none()
}

/// How often the upstream is asked again while others change the same digest; each time one of them has come through.
pub const ROUNDS: usize = 16;

/// Applies the upstream's success on a push or delete, and closes the attempt. `seen`: what was known when it began. An
/// error leaves the attempt open.
pub async fn confirm(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    verdict: Verdict,
    seen: Seen,
    (id, answer): (AttemptId, &Response<Body>),
) -> Result<(), Error> {
    let confirmed = apply(registry, store, key, verdict, seen, closing(id, answer)).await;
    if confirmed.is_err() {
        end(store, (key, id), true).await;
    }
    confirmed
}

async fn apply(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    mut verdict: Verdict,
    seen: Seen,
    close: Close,
) -> Result<(), Error> {
    let mut basis = Basis { version: seen.version, alone: true };
    let (still_there, subject) = match &verdict {
        Verdict::Held(relation) => (verdict.clone(), Some(key.sibling(relation.subject.clone()))),
        _ => (Verdict::Seen, None),
    };
    for _ in 0..ROUNDS {
        match store.apply(key, verdict, basis, close).await? {
            Applied::Done => return Ok(()),
            Applied::Outdated(seen) => basis = Basis { version: seen.version, alone: false },
        }
        verdict = match (holds(registry, key).await?, &subject) {
            (true, _) => still_there.clone(),
            // Of a delete that the upstream confirmed.
            (false, None) => Verdict::Deleted,
            // A 404 may mean "not yours to see": it counts beside a 200.
            (false, Some(subject)) if holds(registry, subject).await? => Verdict::Deleted,
            (false, Some(_)) => return Err(Error::unconfirmed(StatusCode::NOT_FOUND)),
        };
    }
    Err(Error::Contended)
}

/// Whether the upstream holds a manifest. An error where it can't say, or not to this caller.
pub async fn holds(registry: &Registry, key: &ManifestKey) -> Result<bool, Error> {
    match registry.head(key).await?.status {
        StatusCode::OK => Ok(true),
        StatusCode::NOT_FOUND => Ok(false),
        status => Err(Error::unconfirmed(status)),
    }
}
