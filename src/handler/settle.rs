//! What earlier requests left open about a subject, settled by whoever asks about it with the right to:
//! ARCHITECTURE.md's "What is believed".

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};

use super::{exchange::Hop, fallback::refusal, push::MAX_MANIFEST};
use crate::{
    error::Error,
    oci::{Digest, ErrorCode, Manifest, RawManifest, Reading},
    referrers::{Alias, Claim, ManifestKey, Relation, RelationTag},
    store::{Basis, Close, Seen, Verdict, now_micros},
    upstream::{Body, Permission, ReadPermit, headers, manifest_uri},
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
            let key = subject.sibling(digest.clone());
            if let Err(error) = self.handler.app.store.apply(&key, verdict, basis, Close::Nothing).await {
                tracing::warn!(%error, "a missing referrer stays listed for now");
            }
        }
    }

    /// Settles orphaned attempts on the subject's referrers. What can't be settled now is left for a later query.
    pub(super) async fn settle(
        &self,
        _: &ReadPermit,
        permission: &Permission,
        caller: &HeaderMap,
        subject: &ManifestKey,
    ) -> Result<(), Error> {
        let app = &self.handler.app;
        let orphans = app.store.orphans(subject, AT_A_TIME).await?;
        let mut beside = Beside { known: matches!(permission, Permission::Asked(_)), caller, subject };
        for orphan in orphans {
            let key = subject.sibling(orphan.digest.clone());
            // Just asked about, and nothing came of it.
            let asked = (key.clone(), orphan.tag.clone());
            if app.asked.contains_key(&asked) {
                continue;
            }
            app.asked.insert(asked, ()).await;
            let settled = match &orphan.tag {
                Some(tag) => {
                    let tag = RelationTag { tag: tag.clone(), subject: subject.digest.clone() };
                    self.settle_tag(caller, &key, &tag, &orphan, &mut beside).await
                }
                None => self.settle_one(caller, &key, orphan.expired, &mut beside).await,
            };
            if let Err(error) = settled {
                tracing::debug!(%error, digest = %key.digest, "an open attempt could not be settled");
            }
        }
        Ok(())
    }

    async fn settle_one(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        expired: bool,
        beside: &mut Beside<'_>,
    ) -> Result<(), Error> {
        let store = &self.handler.app.store;
        let asked = now_micros();
        let seen = store.look(key).await?;
        let is_original = |alias: Alias| alias.original == key.digest;
        let verdict = if store.alias(key).await?.is_some_and(is_original) {
            // Refused as it is, then taken as its carrier: it is never asked for as a manifest.
            Verdict::Seen
        } else if self.holds(caller, key).await? {
            beside.known = true;
            // What may still be on its way is left open, and has changed nothing so far.
            if !expired && store.is_listed(std::slice::from_ref(beside.subject), &key.digest).await? {
                return Ok(());
            }
            match self.fetch(caller, key).await? {
                Fetched::Relation(relation) => Verdict::Held(relation),
                Fetched::Plain => Verdict::Seen,
                // Gone since: the next query asks again.
                Fetched::Absent => return Ok(()),
            }
        } else if !beside.is_known(self).await? {
            return Ok(());
        } else if expired {
            Verdict::Deleted
        } else {
            // Not there now; what is still on its way may bring it back.
            Verdict::Absent
        };
        let basis = Basis { version: seen.version, alone: false };
        store.apply(key, verdict, basis, Close::Past(asked)).await?;
        Ok(())
    }

    /// What a manifest of the upstream's says about its place among the referrers.
    pub(super) async fn fetch(&self, caller: &HeaderMap, key: &ManifestKey) -> Result<Fetched, Error> {
        let Some((raw, manifest)) = self.fetch_manifest(caller, key).await? else { return Ok(Fetched::Absent) };
        let Some(claim) = Claim::of(key.clone(), &raw, &manifest) else { return Ok(Fetched::Plain) };
        let relation = self.with_original(caller, claim, &raw).await.held(StatusCode::OK);
        Ok(relation.map_or(Fetched::Plain, |relation| Fetched::Relation(Arc::new(relation))))
    }

    /// A manifest of the upstream's, its bytes those of the digest; `None`: it has none.
    pub(super) async fn fetch_manifest(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
    ) -> Result<Option<(RawManifest, Manifest)>, Error> {
        let answer = self.handler.upstream.ask(Method::GET, manifest_uri(key), headers::on_behalf(caller)).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(refusal(status, answer.headers())),
        }
        let (raw, manifest) = self.read_manifest(answer).await?;
        if key.digest.algorithm().is_none_or(|algorithm| raw.digest(algorithm) != key.digest) {
            return Err(Error::bad(ErrorCode::DigestInvalid, "the upstream gave other bytes than those of the digest"));
        }
        Ok(Some((raw, manifest)))
    }

    /// A manifest in an answer of the upstream's. Its bytes keep their place in the budget.
    pub(super) async fn read_manifest(&self, answer: Response<Body>) -> Result<(RawManifest, Manifest), Error> {
        let content_type = answer.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok().map(str::to_owned));
        match RawManifest::read(self.manifest_bytes(answer).await?, content_type.as_deref()) {
            Reading::Refers(raw, manifest) => Ok((raw, manifest)),
            Reading::Plain(raw) => Ok((raw, Manifest::default())),
            Reading::Unreadable(_, error) => Err(error.into()),
        }
    }

    /// The bytes of a manifest, which keep their place in the budget.
    pub(super) async fn manifest_bytes(&self, answer: Response<Body>) -> Result<Bytes, Error> {
        let length = answer.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let room = self.handler.app.budget.take(length.unwrap_or(MAX_MANIFEST).min(MAX_MANIFEST)).await?;
        let bytes = self.collect(answer, room.bytes()).await.ok_or(Error::Incomplete)?;
        Ok(room.hold(bytes))
    }
}

/// What a manifest of the upstream's says.
pub(super) enum Fetched {
    /// Whom it refers to.
    Relation(Arc<Relation>),
    /// Nothing about referrers.
    Plain,
    /// There is none.
    Absent,
}

/// A 200 that this caller got in this repository, beside which its 404 counts.
pub(super) struct Beside<'a> {
    known: bool,
    caller: &'a HeaderMap,
    subject: &'a ManifestKey,
}

impl Beside<'_> {
    pub(super) async fn is_known(&mut self, hop: &Hop) -> Result<bool, Error> {
        self.known = self.known || hop.holds(self.caller, self.subject).await?;
        Ok(self.known)
    }
}
