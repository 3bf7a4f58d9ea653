//! Attempts that move or remove a tag that says who refers to whom. What the upstream said about such a tag is applied by
//! the rules for digests, on the tag's version too.

use std::sync::Arc;

use http::{Response, StatusCode};

use super::{
    attempts::{ROUNDS, begin, closing, end, end_unsuccessful, holds},
    relation_tags::{TagClaim, Tagging},
    tag_reading::read_tag,
};
use crate::{
    error::Error,
    referrers::{ManifestKey, RelationTag},
    store::{Applied, Attempt, AttemptId, AttemptKind, Basis, Close, Seen, Store, TagVerdict},
    upstream::{Body, Registry},
};

/// A push's tag whose attempt is noted.
pub struct NotedTag {
    tagging: Tagging,
    id: AttemptId,
    seen: Seen,
}

/// An attempt on a tag, of the manifest that it is on or to be on.
pub fn begin_tag_attempt(registry: &Registry, kind: AttemptKind, key: &ManifestKey, tag: &RelationTag) -> Attempt {
    Attempt { tag: Some(tag.tag.clone()), ..begin(registry, kind, key, Some(tag.subject.clone())) }
}

/// Notes a push's attempts on its tags.
pub async fn note_tags(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    taggings: Vec<Tagging>,
) -> Result<Vec<NotedTag>, Error> {
    let mut noted = Vec::with_capacity(taggings.len());
    for tagging in taggings {
        let attempt = begin_tag_attempt(registry, AttemptKind::Push, key, &tagging.tag);
        match store.begin(&attempt).await {
            Ok(seen) => noted.push(NotedTag { tagging, id: attempt.id, seen }),
            Err(error) => {
                // Nothing is sent.
                for NotedTag { id, .. } in noted {
                    end(store, (key, id), false).await;
                }
                return Err(error.into());
            }
        }
    }
    Ok(noted)
}

/// Applies what became of the push. Gives the subjects whose sets may have changed, and the last error.
pub async fn conclude_noted(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    noted: Vec<NotedTag>,
    answer: &Result<Response<Body>, Error>,
) -> (Vec<ManifestKey>, Option<Error>) {
    let (mut changed, mut failed) = (Vec::new(), None);
    for NotedTag { tagging: Tagging { tag, claim }, id, seen } in noted {
        match answer {
            Ok(answer) if answer.status().is_success() => {
                let verdict = match claim {
                    TagClaim::Refers(claim) => claim.held(StatusCode::OK).map(|held| TagVerdict::On(Arc::new(held))),
                    TagClaim::Nothing => Some(TagVerdict::Off),
                    TagClaim::UpToUpstream => None,
                };
                match confirm_tag(registry, store, key, &tag, verdict, (id, seen, answer)).await {
                    Ok(subject) => changed.push(subject),
                    Err(error) => failed = Some(error),
                }
            }
            Ok(answer) => end_unsuccessful(store, (key, id), answer).await,
            Err(error) => end(store, (key, id), !matches!(error, Error::Upstream(error) if !error.was_sent())).await,
        }
    }
    (changed, failed)
}

/// Applies what a push or delete made of a tag, and closes its attempt; gives the subject whose set that may have changed.
/// If others changed the manifest or the tag meanwhile, or nothing is known yet, asks the upstream what holds now, and
/// applies that. An error leaves the attempt open.
pub async fn confirm_tag(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    tag: &RelationTag,
    verdict: Option<TagVerdict>,
    (id, seen, answer): (AttemptId, Seen, &Response<Body>),
) -> Result<ManifestKey, Error> {
    let confirmed = apply(registry, store, key, tag, verdict, seen, closing(id, answer)).await;
    if confirmed.is_err() {
        end(store, (key, id), true).await;
    }
    confirmed.map(|()| key.sibling(tag.subject.clone()))
}

async fn apply(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    tag: &RelationTag,
    mut verdict: Option<TagVerdict>,
    seen: Seen,
    close: Close,
) -> Result<(), Error> {
    let mut key = key.clone();
    let mut basis = Basis { version: seen.version, alone: true };
    let is_off = matches!(verdict, Some(TagVerdict::Off));
    for _ in 0..ROUNDS {
        let verdict = if let Some(verdict) = verdict.take() {
            verdict
        } else {
            let known = store.look_at_tag(&key, &tag.tag).await?;
            basis = Basis { version: known.seen.version, alone: false };
            match read_tag(registry, store, &key, tag, known.on.as_ref()).await? {
                Some(verdict) => verdict,
                // A 404 may mean "not yours to see": it counts beside a 200, or a success that took the tag off.
                None if is_off || holds(registry, &key).await? => TagVerdict::Off,
                None if holds(registry, &key.sibling(tag.subject.clone())).await? => TagVerdict::Off,
                None => return Err(Error::unconfirmed(StatusCode::NOT_FOUND)),
            }
        };
        if let TagVerdict::On(relation) = &verdict
            && relation.referrer != key
        {
            // What the tag is on is to be looked at before the upstream is asked.
            key = relation.referrer.clone();
            continue;
        }
        if store.apply_tag(&key, tag, verdict, basis, close).await? == Applied::Done {
            return Ok(());
        }
    }
    Err(Error::Contended)
}
