//! A manifest DELETE by digest: note, forward, forget, answer.

use http::{Request, Response};

use super::exchange::{Exchange, Hop};
use crate::{
    error::Error,
    oci::{Digest, Repository},
    referrers::ManifestKey,
    store::{AttemptKind, Verdict},
    upstream::Body,
};

impl Exchange {
    pub(super) async fn delete(self, repository: Repository, digest: Digest) -> Result<Response<Body>, Error> {
        let key = self.hop.key(repository, digest);
        let request = Request::from_parts(self.head, Body::EMPTY);
        let tasks = self.hop.handler.app.tasks.clone();
        // A client that leaves changes nothing from here on.
        let task = tasks.spawn(async move { forget(&self.hop, request, key).await });
        task.await.map_err(|_| Error::Bug)?
    }
}

async fn forget(hop: &Hop, request: Request<Body>, key: ManifestKey) -> Result<Response<Body>, Error> {
    let caller = request.headers().clone();
    let attempt = hop.attempt(AttemptKind::Delete, &key, None);
    let seen = match hop.handler.app.store.begin(&attempt).await {
        Ok(seen) => seen,
        // What is no referrer can go without the store. A referrer can't: it would stay listed.
        Err(error) if hop.handler.app.store.look(&key).await?.version > 0 => return Err(error.into()),
        Err(error) => {
            tracing::warn!(%error, repository = %key.repository, digest = %key.digest, "a delete goes unrecorded");
            return hop.forward(request).await;
        }
    };
    let answer = hop.forward_attempt(request, attempt.id).await?;
    if answer.status().is_success() {
        hop.conclude(&caller, &key, Verdict::Deleted, seen, attempt.id).await?;
    } else {
        hop.end_unsuccessful(attempt.id, &answer).await;
    }
    Ok(answer)
}
