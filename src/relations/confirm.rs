//! The upstream's word on a push or delete, applied to the rows: if others changed the digest meanwhile, the upstream is
//! asked what holds now.

use http::{Response, StatusCode};

use super::attempts::{closing, end};
use crate::{
    error::Error,
    referrers::ManifestKey,
    store::{Applied, AttemptId, Basis, Close, Seen, Store, StoreError, Verdict},
    upstream::{Body, Registry},
};

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
        end(store, id, true).await;
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
    Err(StoreError::Unusable("others change this manifest all the time".into()).into())
}

/// Whether the upstream holds a manifest. An error where it can't say, or not to this caller.
pub async fn holds(registry: &Registry, key: &ManifestKey) -> Result<bool, Error> {
    match registry.head(key).await?.status {
        StatusCode::OK => Ok(true),
        StatusCode::NOT_FOUND => Ok(false),
        status => Err(Error::unconfirmed(status)),
    }
}
