//! What a tag of the upstream's says: it is read anew, since a manifest's bytes say nothing of its tags.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};

use crate::{
    config::RewriteMode,
    error::Error,
    handler::{
        carrier::artifact::{Artifact, Record},
        carrier::recover::Lost,
        evidence::{ROUNDS, unclear},
        exchange::Hop,
        settle::Beside,
        tags::names,
    },
    oci::{Algorithm, Digest, RawManifest},
    referrers::{Alias, Claim, ManifestKey, RelationTag},
    rewrite,
    store::{Basis, Close, Orphan, TagVerdict, now_micros},
    upstream::{headers, reference_uri},
};

impl Hop {
    /// Asks the upstream what a tag is on. `None` where it has no such tag, or not for this caller. A manifest that is
    /// known by a digest is taken for that: by `key`, or the one that the tag was `on`.
    pub(in crate::handler) async fn ask_tag(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        tag: &RelationTag,
        on: Option<&Digest>,
    ) -> Result<Option<TagVerdict>, Error> {
        let uri = reference_uri(&key.repository, &tag.tag);
        let answer = self.handler.upstream.ask(Method::GET, uri, headers::on_behalf(caller)).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(unclear(status)),
        }
        // What can't be read in one way only would not have been taken under it.
        let (raw, manifest) = match self.read_manifest(answer).await {
            Err(Error::Manifest(_)) => return Ok(Some(TagVerdict::Off)),
            read => read?,
        };
        if manifest.subject.is_some() {
            return Ok(Some(TagVerdict::Off));
        }
        let is_it = |digest: &&Digest| digest.algorithm().is_some_and(|algorithm| raw.digest(algorithm) == **digest);
        let known = [Some(&key.digest), on].into_iter().flatten().find(is_it);
        let found = key.sibling(known.cloned().unwrap_or_else(|| raw.digest(Algorithm::Sha256)));
        let original = self.alias_of(caller, &found, &raw).await?;
        let named = names(tag, &found.digest) || original.as_ref().is_some_and(|alias| names(tag, &alias.original));
        let claim = match original {
            _ if !named => None,
            Some(alias) => self.claim_of_carrier(&found, raw, &alias, &tag.subject).await?,
            None => Claim::of_tag(found, &raw, &tag.subject)?,
        };
        let relation = claim.and_then(|claim| claim.held(StatusCode::OK));
        Ok(Some(relation.map_or(TagVerdict::Off, |relation| TagVerdict::On(Arc::new(relation)))))
    }

    /// Both forms of a manifest, if it is a carrier.
    async fn alias_of(&self, caller: &HeaderMap, key: &ManifestKey, raw: &RawManifest) -> Result<Option<Alias>, Error> {
        let Some((original, _)) = rewrite::original_of(raw) else { return Ok(None) };
        let app = &self.handler.app;
        let alias = match app.store.alias(key).await? {
            None if app.config.rewrite.mode == RewriteMode::Never => None,
            None => match self.recover(caller, &key.sibling(original)).await? {
                Lost::Found(alias) => Some(alias),
                _ => None,
            },
            alias => alias,
        };
        Ok(alias.filter(|alias| alias.carrier == key.digest))
    }

    async fn claim_of_carrier(
        &self,
        key: &ManifestKey,
        raw: RawManifest,
        alias: &Alias,
        subject: &Digest,
    ) -> Result<Option<Claim>, Error> {
        let app = &self.handler.app;
        let room = app.budget.take(alias.original_size).await?;
        let original = key.sibling(alias.original.clone());
        let Some(bytes) = app.store.original(&original).await? else { return Ok(None) };
        let artifact = Artifact::by_tag(original, room.hold(bytes), subject)?;
        Ok(match artifact.carried(raw)?.record {
            Record::Relation(claim) => Some(claim),
            Record::Forms(_) => None,
        })
    }

    /// Settles an orphaned attempt on a tag by what the tag is on now.
    pub(in crate::handler) async fn settle_tag(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        tag: &RelationTag,
        orphan: &Orphan,
        beside: &mut Beside<'_>,
    ) -> Result<(), Error> {
        let store = &self.handler.app.store;
        let asked = now_micros();
        let mut key = key.clone();
        for _ in 0..ROUNDS {
            let known = store.look_at_tag(&key, &tag.tag).await?;
            let verdict = match self.ask_tag(caller, &key, tag, known.on.as_ref()).await? {
                Some(TagVerdict::On(found)) if found.referrer != key => {
                    key = found.referrer.clone();
                    continue;
                }
                Some(verdict) => verdict,
                None if beside.is_known(self).await? => TagVerdict::Off,
                None => return Ok(()),
            };
            let on = match &verdict {
                TagVerdict::On(relation) => Some(&relation.referrer.digest),
                TagVerdict::Off => None,
            };
            // What may still be on its way is left open: as long as it has changed nothing, there is nothing to write.
            if known.on.as_ref() != on || orphan.expired {
                let basis = Basis { version: known.seen.version, alone: false };
                store.apply_tag(&key, tag, verdict, basis, Close::Past(asked)).await?;
            }
            break;
        }
        Ok(())
    }
}
