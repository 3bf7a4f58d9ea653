//! What earlier requests left open about a subject, settled by whoever asks about it with the right to:
//! consistency.md's "Attempts" and "Missing".

use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::{exchange::Hop, push::MAX_MANIFEST};
use crate::{
    error::Error,
    oci::{Digest, RawManifest},
    referrers::{ManifestKey, Relation},
    store::{Basis, Orphan, Seen, Verdict},
    upstream::{Permission, ReadPermit, headers, manifest_uri},
};

/// How many orphans one query settles; the next goes on.
const AT_A_TIME: usize = 8;

impl Hop {
    /// Applies what was said about referrers on record while a permit was asked for: a 404 counts beside a 200.
    pub(super) async fn learn(&self, permission: &Permission, subject: &ManifestKey, seen: &[(Digest, Seen)]) {
        let Permission::Asked(round) = permission else { return };
        if permission.permit().is_err() {
            return;
        }
        for (digest, is_there) in &round.answers {
            let Some((_, seen)) = seen.iter().find(|(of, _)| of == digest) else { continue };
            let verdict = if *is_there { Verdict::Seen } else { Verdict::Absent };
            let basis = Basis { version: seen.version, alone: true };
            // Out of date or not to be written: whoever asks next finds the same.
            if let Err(error) =
                self.handler.app.store.apply(&subject.sibling(digest.clone()), verdict, basis, None).await
            {
                tracing::warn!(%error, "a missing referrer stays listed for now");
            }
        }
    }

    /// Settles orphaned attempts on the subject's referrers. What can't be settled now is left for the next query.
    pub(super) async fn settle(&self, _: &ReadPermit, caller: &HeaderMap, subject: &ManifestKey) -> Result<(), Error> {
        let orphans = self.handler.app.store.orphans(subject).await?;
        for orphan in orphans.into_iter().take(AT_A_TIME) {
            if let Err(error) = self.settle_one(caller, subject, &orphan).await {
                tracing::debug!(%error, digest = %orphan.digest, "an open attempt could not be settled");
            }
        }
        Ok(())
    }

    async fn settle_one(&self, caller: &HeaderMap, subject: &ManifestKey, orphan: &Orphan) -> Result<(), Error> {
        let store = &self.handler.app.store;
        let key = subject.sibling(orphan.digest.clone());
        let seen = store.look(&key).await?;
        let verdict = match self.fetch(caller, &key).await? {
            Some(relation) if relation.subject == subject.digest => Verdict::Held(Box::new(relation)),
            Some(_) => Verdict::Seen,
            // A 404 counts when the request can't arrive any more, and beside a 200 of this caller's.
            None if orphan.expired && self.holds(caller, subject).await? => Verdict::Deleted,
            None => return Ok(()),
        };
        let basis = Basis { version: seen.version, alone: false };
        store.apply(&key, verdict, basis, Some(orphan.id)).await?;
        Ok(())
    }

    /// The relation that a manifest of the upstream's states; `None` where it isn't there.
    async fn fetch(&self, caller: &HeaderMap, key: &ManifestKey) -> Result<Option<Relation>, Error> {
        let answer = self.handler.upstream.ask(Method::GET, manifest_uri(key), headers::on_behalf(caller)).await?;
        let (status, refuse) =
            (answer.status(), |what: &str| Err(Error::bad(crate::oci::ErrorCode::ManifestInvalid, what)));
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let content_type =
            answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok().map(str::to_owned));
        let _room = self.handler.app.budget.take(MAX_MANIFEST).await?;
        let Ok(body) = Limited::new(answer.into_body(), MAX_MANIFEST).collect().await else {
            return refuse("the upstream's manifest could not be read");
        };
        let (raw, manifest) = RawManifest::parse(body.to_bytes(), content_type.as_deref())?;
        if key.digest.algorithm().is_none_or(|algorithm| raw.digest(algorithm) != key.digest) {
            return refuse("the upstream gave other bytes than those of the digest");
        }
        match Relation::held(status, key.clone(), &raw, &manifest) {
            Some(relation) => Ok(Some(relation)),
            None => refuse("the upstream gave no manifest with a subject"),
        }
    }
}
