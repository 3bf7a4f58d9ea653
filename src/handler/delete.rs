//! A manifest DELETE by digest: note, forward, forget, answer.

use http::{HeaderMap, Request, Response, StatusCode};

use super::{
    carrier::recover::Lost,
    evidence::closing,
    exchange::{Exchange, Hop},
    policy::stranded::delete_referrers,
};
use crate::{
    config::{OnDelete, RewriteMode},
    error::Error,
    oci::{Digest, Repository},
    referrers::ManifestKey,
    step::step,
    store::{AttemptKind, Verdict},
    upstream::{Body, Refusal, manifest_uri},
};

impl Exchange {
    pub(super) async fn delete(self, repository: Repository, digest: Digest) -> Result<Response<Body>, Error> {
        let Self { mut head, hop, .. } = self;
        let named = hop.key(repository, digest);
        let key = hop.held_as(&head.headers, &named).await?;
        if key != named {
            head.uri = manifest_uri(&key);
        }
        // With a subject goes the knowledge of its other form: both are read before.
        let stranding = match hop.handler.app.config.subject.on_delete {
            OnDelete::Keep => None,
            OnDelete::Referrers => Some((head.headers.clone(), hop.forms_on_record(&key).await?)),
        };
        let request = Request::from_parts(head, Body::EMPTY);
        let list_of = hop.was_list_of(&named).await?;
        let tasks = hop.handler.app.tasks.clone();
        // A client that leaves changes nothing from here on.
        let task = tasks.spawn(async move {
            if let Some(subject) = list_of {
                return hop.absorb(request, &subject, None).await;
            }
            let answer = forget(&hop, request, key).await?;
            if let Some((caller, subjects)) = stranding.filter(|_| answer.status().is_success()) {
                delete_referrers(hop, caller, subjects).await;
            }
            Ok(answer)
        });
        task.await.map_err(|_| Error::Bug)?
    }
}

impl Hop {
    /// The manifest that is to go when `key` is: the carrier, where there is one. A digest that only a blob has is never
    /// deleted as a manifest: distribution 2.8 would unlink the blob.
    async fn held_as(&self, caller: &HeaderMap, key: &ManifestKey) -> Result<ManifestKey, Error> {
        if let Some(alias) = self.handler.app.store.alias(key).await? {
            return Ok(key.sibling(alias.carrier));
        }
        let seen = self.handler.app.store.look(key).await?;
        let known = seen.version > 0 || seen.contended;
        if known || self.handler.app.config.rewrite.mode == RewriteMode::Never {
            return Ok(key.clone());
        }
        match self.access(caller).head(key).await {
            Ok((StatusCode::OK, _)) | Err(Refusal::Denied(..) | Refusal::Unclear(..)) => return Ok(key.clone()),
            Err(refusal) => return Err(Error::Refused(refusal)),
            Ok(_) => {}
        }
        match self.recover(caller, key).await? {
            Lost::Found(alias) => Ok(key.sibling(alias.carrier)),
            Lost::Nothing => Ok(key.clone()),
            Lost::Original | Lost::Unreadable => Err(Error::absent()),
        }
    }
}

/// Deletes what the upstream holds, and its rows.
pub(super) async fn forget(hop: &Hop, request: Request<Body>, key: ManifestKey) -> Result<Response<Body>, Error> {
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
    step("delete-noted");
    let out = match hop.take_out(&caller, &key).await {
        Ok(out) => out,
        Err(error) => {
            hop.end(attempt.id, true).await;
            return Err(error);
        }
    };
    step("delete-taken-out");
    let mut answer = hop.forward_attempt(request, attempt.id).await?;
    step("delete-answered");
    if out.took_it_out() && answer.status() == StatusCode::NOT_FOUND {
        // Some registries drop by themselves what no list names any more.
        *answer.status_mut() = StatusCode::ACCEPTED;
        *answer.body_mut() = Body::EMPTY;
    }
    let concluded = if answer.status().is_success() {
        hop.conclude(&caller, &key, Verdict::Deleted, seen, closing(attempt.id, &answer)).await
    } else {
        if out.touched() {
            // A refusal may be of what another delete took away: what is there now is asked for.
            hop.end(attempt.id, true).await;
        } else {
            hop.end_unsuccessful(attempt.id, &answer).await;
        }
        Ok(())
    };
    step("delete-recorded");
    hop.put_back(&caller, out).await;
    step("delete-put-back");
    concluded.map(|()| answer)
}
