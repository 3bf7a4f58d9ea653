//! What a tag of the upstream's says about referrers, put on record.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header};

use super::{Inside, Trouble};
use crate::{
    error::Error,
    handler::{
        carrier::recover::Lost,
        evidence::ROUNDS,
        fallback::refusal,
        push::{CONTENT_DIGEST, MAX_MANIFEST},
        tags::subject_of,
    },
    oci::{Digest, ErrorCode, RawManifest, ReferrersTag},
    referrers::{Claim, ManifestKey, RelationTag},
    rewrite,
    store::{Applied, Basis, Close, TagVerdict, Verdict},
    upstream::{headers, reference_uri},
};

/// What was found under a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// A list of referrers.
    List,
    /// A referrer, or the carrier of an artifact manifest.
    Referrer,
    /// Nothing about referrers.
    Nothing,
}

/// What a tag is, by its name: the one place that decides it.
enum Means {
    /// A subject's list of referrers.
    List(Digest),
    /// That whatever is under it refers to a subject.
    Relation(RelationTag),
    /// Nothing.
    Nothing,
}

impl Inside {
    fn means(&self, tag: &str) -> Means {
        if let Some(subject) = ReferrersTag::parse(tag).filter(|_| self.hop.keeps_tags()) {
            return Means::List(subject);
        }
        match subject_of(tag, &self.operator.app().config.referrers) {
            Some(subject) => Means::Relation(RelationTag { tag: tag.into(), subject }),
            None => Means::Nothing,
        }
    }

    /// Puts on record what a tag says.
    pub async fn take(&self, tag: &str) -> Result<Took, Trouble> {
        let taken = self.session.with(async |caller| {
            match self.means(tag) {
                Means::List(subject) if self.hop.read_tag(caller, &self.key(&subject)).await? => return Ok(Took::List),
                Means::Relation(tag) if self.take_relation(caller, &tag).await? => return Ok(Took::Referrer),
                _ => {}
            }
            self.take_manifest(caller, tag).await
        });
        taken.await
    }

    /// What refers by its tag. `false` where nothing does.
    async fn take_relation(&self, caller: &HeaderMap, tag: &RelationTag) -> Result<bool, Error> {
        let store = &self.operator.app().store;
        let mut key = self.key(&tag.subject);
        for _ in 0..ROUNDS {
            let known = store.look_at_tag(&key, &tag.tag).await?;
            let relation = match self.hop.ask_tag(caller, &key, tag, known.on.as_ref()).await? {
                Some(TagVerdict::On(relation)) => relation,
                Some(TagVerdict::Off) | None => return Ok(false),
            };
            if relation.referrer != key {
                // What it is on is to be looked at before the upstream is asked.
                key = relation.referrer.clone();
                continue;
            }
            if known.on.as_ref() == Some(&key.digest) {
                return Ok(true);
            }
            self.list_first(caller, &tag.subject).await?;
            let basis = Basis { version: known.seen.version, alone: false };
            let applied = store.apply_tag(&key, tag, TagVerdict::On(relation), basis, Close::Nothing).await?;
            if applied == Applied::Done {
                return Ok(true);
            }
        }
        Err(Error::Incomplete)
    }

    /// Arrivals follow the order of the subject's list, whichever tag comes first.
    async fn list_first(&self, caller: &HeaderMap, subject: &Digest) -> Result<(), Error> {
        let key = self.key(subject);
        if self.hop.keeps_tags() && !self.operator.app().turns.checked.contains_key(&key) {
            self.hop.read_tag(caller, &key).await?;
        }
        Ok(())
    }

    async fn take_manifest(&self, caller: &HeaderMap, tag: &str) -> Result<Took, Error> {
        let uri = reference_uri(&self.repository, &tag);
        let head = self.hop.handler.upstream.ask(Method::HEAD, uri, headers::on_behalf(caller)).await?;
        match head.status() {
            StatusCode::OK => {}
            // Deleted since the tags were listed.
            StatusCode::NOT_FOUND => return Ok(Took::Nothing),
            status => return Err(refusal(status, head.headers())),
        }
        let value = |name| head.headers().get(name).and_then(|value| value.to_str().ok());
        let length = value(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| length > MAX_MANIFEST) {
            return Err(Error::bad(ErrorCode::SizeInvalid, "it is larger than the 4 MiB that manifests may have"));
        }
        let digest = value(CONTENT_DIGEST).and_then(|digest| Digest::parse(digest).ok());
        let no_digest = || Error::bad(ErrorCode::DigestInvalid, "the registry does not say its digest");
        self.take_digest(caller, &self.key(&digest.ok_or_else(no_digest)?), true).await
    }

    /// What a manifest says in its bytes. `children`: those of an index are looked at as well, but for the images of
    /// single platforms.
    async fn take_digest(&self, caller: &HeaderMap, key: &ManifestKey, children: bool) -> Result<Took, Error> {
        if self.operator.read.contains_key(key) {
            return Ok(Took::Nothing);
        }
        if self.is_on_record(key).await? {
            return Ok(Took::Referrer);
        }
        let store = &self.operator.app().store;
        for _ in 0..ROUNDS {
            let seen = store.look(key).await?;
            let Some((raw, manifest)) = self.hop.fetch_manifest(caller, key).await? else { return Ok(Took::Nothing) };
            let Some(claim) = Claim::of(key.clone(), &raw, &manifest) else {
                let took = self.take_other(caller, key, &raw, children).await?;
                self.operator.read.insert(key.clone(), ());
                return Ok(took);
            };
            self.list_first(caller, claim.subject()).await?;
            let relation = self.hop.with_original(caller, claim, &raw).await.held(StatusCode::OK);
            let verdict = Verdict::Held(Arc::new(relation.ok_or(Error::Bug)?));
            if self.is_on_record(key).await? {
                return Ok(Took::Referrer); // its subject's list named it
            }
            let basis = Basis { version: seen.version, alone: false };
            if store.apply(key, verdict, basis, Close::Nothing).await? == Applied::Done {
                return Ok(Took::Referrer);
            }
        }
        Err(Error::Incomplete)
    }

    async fn is_on_record(&self, key: &ManifestKey) -> Result<bool, Error> {
        let store = &self.operator.app().store;
        let subjects: Vec<_> = store.subjects(key).await?.into_iter().map(|subject| key.sibling(subject)).collect();
        if subjects.is_empty() {
            return Ok(store.alias(key).await?.is_some());
        }
        Ok(store.is_listed(&subjects, &key.digest).await?)
    }

    /// A manifest that names no subject: it may carry another, or stand over some that do.
    async fn take_other(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        raw: &RawManifest,
        children: bool,
    ) -> Result<Took, Error> {
        if let Some((original, _)) = rewrite::original_of(raw) {
            let found = self.hop.recover(caller, &key.sibling(original)).await?;
            return Ok(if matches!(found, Lost::Found(_)) { Took::Referrer } else { Took::Nothing });
        }
        let mut took = Took::Nothing;
        if children && raw.media_type.is_index() {
            for child in raw.children() {
                // In their order: it may be a list under a tag that doesn't say whose.
                if Box::pin(self.take_digest(caller, &key.sibling(child), false)).await? == Took::Referrer {
                    took = Took::Referrer;
                }
            }
        }
        Ok(took)
    }
}
