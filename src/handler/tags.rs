//! Tags that say who refers to whom: which of a push's count, and the attempts around it. What the upstream said about
//! such a tag is applied by the rules for digests (ARCHITECTURE.md's "What is believed"), on the tag's version too.

mod list;
mod said;
mod untag;
mod written;

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::{
    evidence::{ROUNDS, unclear},
    exchange::Hop,
};
use crate::{
    config::{DigestTags, Referrers},
    error::Error,
    oci::{CosignTag, Digest, DigestTag, ErrorCode, Manifest, RawManifest, Reference},
    referrers::{Claim, ManifestKey, RelationTag},
    rewrite,
    store::{Applied, Attempt, AttemptId, AttemptKind, Basis, Close, Seen, StoreError, TagVerdict},
    upstream::{Body, UpstreamError},
};

/// How many of them one push may set.
const MOST: usize = 16;

/// A tag that a push sets, and what that says.
pub(super) struct Tagging {
    tag: RelationTag,
    says: Says,
}

/// What a push under such a tag says.
enum Says {
    /// That the manifest refers by it.
    Refers(Box<Claim>),
    /// Nothing: the manifest names its subject, or the tag another manifest. Whatever referred by it does no more.
    Nothing,
    /// What the upstream makes of it: the form in which it holds the manifest isn't known yet, or whether it sets the tag.
    Later,
}

/// The subject that a tag names, as the settings have it.
pub(super) fn subject_of(tag: &str, config: &Referrers) -> Option<Digest> {
    let by_digest_tag = || DigestTag::parse(tag).map(|tag| tag.subject);
    let by_cosigns = || CosignTag::parse(tag).filter(|_| config.cosign_tags);
    (config.digest_tags != DigestTags::Off).then(by_digest_tag).flatten().or_else(by_cosigns)
}

/// Whether the tag is one of this manifest's: a digest tag says whose it is. None is about itself.
pub(super) fn names(tag: &RelationTag, manifest: &Digest) -> bool {
    tag.subject != *manifest && DigestTag::parse(&tag.tag).is_none_or(|tag| tag.names(manifest))
}

/// A tag that a push is to set.
pub(super) struct Set {
    pub(super) tag: String,
    /// In its path. What stands in the query may be passed over by an upstream that doesn't know of it.
    in_path: bool,
}

/// The tags that a push is to set, as an upstream could read them: the one in its path, and every `tag` in its query (draft
/// 1.2 of the distribution-spec: a push by digest names its tags so).
pub(super) fn set_by(reference: &Reference, query: Option<&str>) -> Vec<Set> {
    let in_path = match reference {
        Reference::Tag(tag) => Some(Set { tag: tag.to_string(), in_path: true }),
        Reference::Digest(_) => None,
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    // Go took `;` for a separator until 1.17.
    let in_query = query.unwrap_or_default().split(['&', ';']).filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        decoded(name).eq_ignore_ascii_case("tag").then(|| Set { tag: decoded(value), in_path: false })
    });
    in_path.into_iter().chain(in_query).collect()
}

impl Hop {
    /// What the tags that a push sets say of its manifest.
    pub(super) fn taggings(
        &self,
        tags: Vec<Set>,
        key: &ManifestKey,
        raw: &RawManifest,
        manifest: &Manifest,
    ) -> Result<Vec<Tagging>, Error> {
        let config = &self.handler.app.config.referrers;
        let mut taggings: Vec<Tagging> = Vec::new();
        for Set { tag, in_path } in tags {
            let Some(subject) = subject_of(&tag, config) else { continue };
            let tag = RelationTag { tag: tag.into(), subject };
            if taggings.iter().any(|other| other.tag == tag) {
                continue;
            }
            let may_have_two_forms = raw.media_type.is_artifact() || rewrite::original_of(raw).is_some();
            let says = if !in_path || (may_have_two_forms && manifest.subject.is_none()) {
                Says::Later
            } else if manifest.subject.is_none() && names(&tag, &key.digest) {
                Claim::of_tag(key.clone(), raw, &tag.subject)?
                    .map_or(Says::Nothing, |claim| Says::Refers(Box::new(claim)))
            } else {
                Says::Nothing
            };
            taggings.push(Tagging { tag, says });
        }
        if taggings.len() > MOST {
            let message = format!("a push may set {MOST} tags that say whom a manifest refers to");
            return Err(Error::bad(ErrorCode::Unsupported, message));
        }
        Ok(taggings)
    }

    /// A push that sets such tags: their attempts around it.
    pub(super) async fn with_tags(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        taggings: Vec<Tagging>,
        push: impl Future<Output = Result<Response<Body>, Error>> + Unpin,
    ) -> Result<Response<Body>, Error> {
        let mut noted = Vec::with_capacity(taggings.len());
        for Tagging { tag, says } in taggings {
            let attempt = self.tag_attempt(AttemptKind::Push, key, &tag);
            let seen = self.handler.app.store.begin(&attempt).await?;
            noted.push((tag, says, attempt.id, seen));
        }
        let answer = push.await;
        let mut failed = None;
        for (tag, says, id, seen) in noted {
            match &answer {
                Ok(answer) if answer.status().is_success() => {
                    let verdict = match says {
                        Says::Refers(claim) => claim.held(StatusCode::OK).map(|held| TagVerdict::On(Arc::new(held))),
                        Says::Nothing => Some(TagVerdict::Off),
                        Says::Later => None,
                    };
                    let concluded = self.conclude_tag(caller, key, &tag, verdict, seen, id).await;
                    failed = concluded.err().or(failed);
                }
                Ok(answer) => self.end_unsuccessful(id, answer).await,
                Err(error) => self.end(id, !matches!(error, Error::Upstream(UpstreamError::Connect(_)))).await,
            }
        }
        failed.map_or(answer, Err)
    }

    pub(super) fn tag_attempt(&self, kind: AttemptKind, key: &ManifestKey, tag: &RelationTag) -> Attempt {
        Attempt { tag: Some(tag.tag.clone()), ..self.attempt(kind, key, Some(tag.subject.clone())) }
    }

    /// Applies what a push or delete made of a tag, and closes the attempt. If others changed the manifest or the tag
    /// meanwhile, or nothing is known yet, asks the upstream what holds now, and applies that. An error leaves the
    /// attempt open.
    pub(super) async fn conclude_tag(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        tag: &RelationTag,
        mut verdict: Option<TagVerdict>,
        seen: Seen,
        id: AttemptId,
    ) -> Result<(), Error> {
        let store = &self.handler.app.store;
        let concluded = async {
            let mut key = key.clone();
            let mut basis = Basis { version: seen.version, alone: true };
            let is_off = matches!(verdict, Some(TagVerdict::Off));
            for _ in 0..ROUNDS {
                let verdict = if let Some(verdict) = verdict.take() {
                    verdict
                } else {
                    let known = store.look_at_tag(&key, &tag.tag).await?;
                    basis = Basis { version: known.seen.version, alone: false };
                    match self.ask_tag(caller, &key, tag, known.on.as_ref()).await? {
                        Some(verdict) => verdict,
                        // A 404 may mean "not yours to see": it counts beside a 200, or a success that took it off.
                        None if is_off || self.holds(caller, &key).await? => TagVerdict::Off,
                        None if self.holds(caller, &key.sibling(tag.subject.clone())).await? => TagVerdict::Off,
                        None => return Err(unclear(StatusCode::NOT_FOUND)),
                    }
                };
                if let TagVerdict::On(relation) = &verdict
                    && relation.referrer != key
                {
                    // What it is on is to be looked at before the upstream is asked.
                    key = relation.referrer.clone();
                    continue;
                }
                if store.apply_tag(&key, tag, verdict, basis, Close::One(id)).await? == Applied::Done {
                    return Ok(());
                }
            }
            Err(StoreError::Database("others move this tag all the time".into()).into())
        };
        let concluded = concluded.await;
        match concluded {
            Ok(()) => self.maintain(caller, &key.sibling(tag.subject.clone())).await,
            Err(_) => self.end(id, true).await,
        }
        concluded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_that_an_upstream_could_read_is_one() {
        let tags = |reference: &str, query| {
            let reference = Reference::parse(reference).unwrap().unwrap();
            set_by(&reference, query).into_iter().map(|set| set.tag).collect::<Vec<_>>()
        };
        assert_eq!(tags("a:b", Some("tag=a&tag=b")), ["a", "b"]);
        assert_eq!(tags("a:b", Some("x=1;tag=a&T%41g=%62&tags=c&tag&mytag=d")), ["a", "b", ""]);
        assert_eq!(tags("v1", Some("tag=v2")), ["v1", "v2"]);
        assert!(tags("a:b", None).is_empty());
    }
}
