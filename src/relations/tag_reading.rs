//! What a tag of the upstream's says: it is read anew, since a manifest's bytes say nothing of its tags.

use std::sync::Arc;

use http::StatusCode;

use super::{attempts::ROUNDS, corroborating::CorroboratingOk, relation_tags::belongs_to};
use crate::{
    carrier::{self, Artifact, CarriedRecord, Lost},
    error::Error,
    oci::{Algorithm, Digest, RawManifest, Reading},
    referrers::{Alias, Claim, ManifestKey, RelationTag},
    store::{Basis, Close, Store, TagVerdict},
    upstream::{Registry, reference_uri},
};

/// Asks the upstream what a tag is on. `None` where it has no such tag, or not for this caller. A manifest that is known
/// by a digest is taken for that: by `key`, or by the one that the tag was `on`.
pub async fn read_tag(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    tag: &RelationTag,
    on: Option<&Digest>,
) -> Result<Option<TagVerdict>, Error> {
    let answer = registry.get(reference_uri(&key.repository, &tag.tag)).await?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => return Err(Error::unconfirmed(status)),
    }
    // What names its subject in its own bytes refers by them, and what may do so is no verdict for the tag's.
    let Reading::Plain(raw) = registry.read_manifest(answer).await? else { return Ok(Some(TagVerdict::Off)) };
    let is_it = |digest: &&Digest| digest.algorithm().is_some_and(|algorithm| raw.digest(algorithm) == **digest);
    let known = [Some(&key.digest), on].into_iter().flatten().find(is_it);
    let found = key.sibling(known.cloned().unwrap_or_else(|| raw.digest(Algorithm::Sha256)));
    let alias = alias_of(registry, store, &found, &raw).await?;
    let named = belongs_to(tag, &found.digest) || alias.as_ref().is_some_and(|alias| belongs_to(tag, &alias.original));
    let claim = match alias {
        _ if !named => None,
        Some(alias) => claim_of_carrier(registry, store, &found, raw, &alias, &tag.subject).await?,
        None => Claim::of_tag_leniently(found, &raw, &tag.subject),
    };
    let relation = claim.and_then(|claim| claim.held(StatusCode::OK));
    Ok(Some(relation.map_or(TagVerdict::Off, |relation| TagVerdict::On(Arc::new(relation)))))
}

/// Both forms of a manifest, if it is a carrier.
async fn alias_of(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    raw: &RawManifest,
) -> Result<Option<Alias>, Error> {
    let Some((original, _)) = carrier::original_of(raw) else { return Ok(None) };
    let alias = match store.alias(key).await? {
        None if !registry.upstream().rewrites() => None,
        None => match carrier::recover(registry, store, &key.sibling(original)).await? {
            Lost::Found(alias) => Some(alias),
            _ => None,
        },
        alias => alias,
    };
    Ok(alias.filter(|alias| alias.carrier == key.digest))
}

async fn claim_of_carrier(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    raw: RawManifest,
    alias: &Alias,
    subject: &Digest,
) -> Result<Option<Claim>, Error> {
    let reservation = registry.try_reserve(alias.original_size)?;
    let original = key.sibling(alias.original.clone());
    let Some(bytes) = store.original(&original).await? else { return Ok(None) };
    let artifact = Artifact::by_tag(original, reservation.hold(bytes), subject)?;
    Ok(match artifact.carried(raw)?.record {
        CarriedRecord::Relation(claim) => Some(claim),
        CarriedRecord::Forms(_) => None,
    })
}

/// Settles an orphaned attempt on a tag by what the tag is on now. `expired`: none of its requests can still land.
pub(super) async fn settle_tag(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    tag: &RelationTag,
    expired: bool,
    ok: &mut CorroboratingOk,
) -> Result<(), Error> {
    let mut key = key.clone();
    let mut began = None;
    for _ in 0..ROUNDS {
        let known = store.look_at_tag(&key, &tag.tag).await?;
        let began = *began.get_or_insert(known.seen.at);
        let verdict = match read_tag(registry, store, &key, tag, known.on.as_ref()).await? {
            Some(TagVerdict::On(found)) if found.referrer != key => {
                key = found.referrer.clone();
                continue;
            }
            Some(verdict) => verdict,
            None if ok.is_there(registry).await? => TagVerdict::Off,
            None => return Ok(()),
        };
        let on = match &verdict {
            TagVerdict::On(relation) => Some(&relation.referrer.digest),
            TagVerdict::Off => None,
        };
        // What may still be on its way is left open: as long as it has changed nothing, there is nothing to write.
        if known.on.as_ref() != on || expired {
            let basis = Basis { version: known.seen.version, alone: false };
            store.apply_tag(&key, tag, verdict, basis, Close::Past(began)).await?;
        }
        break;
    }
    Ok(())
}
