//! A push of an artifact manifest: as it is where the upstream takes it, else as its carrier ([`crate::rewrite`]).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header, request, uri};

use crate::{
    config::RewriteMode,
    error::Error,
    handler::{
        carrier::recover::Lost,
        carrier::refusal::{classify, may_be_of_kind},
        exchange::Hop,
        push::created,
    },
    oci::{Algorithm, Digest, Manifest, MediaType, RawManifest, Subject, Via},
    referrers::{Alias, Claim, ManifestKey, Pushed},
    rewrite::{Content, EMPTY_BLOB, EMPTY_DIGEST, Original},
    store::now_micros,
    upstream::{Body, manifest_uri},
};

/// An artifact manifest, and the digest that it has for clients.
pub(in crate::handler) struct Artifact {
    pub(in crate::handler) key: ManifestKey,
    pub(in crate::handler) original: Original,
    manifest: Manifest,
}

/// A carrier, and what is to be recorded once the upstream holds it.
pub(in crate::handler) struct Carried {
    pub(in crate::handler) key: ManifestKey,
    pub(in crate::handler) raw: RawManifest,
    pub(in crate::handler) record: Record,
}

/// What is recorded of a carrier.
pub(in crate::handler) enum Record {
    /// Whom it refers to, and both forms.
    Relation(Claim),
    /// Both forms.
    Forms(Pushed),
}

impl Artifact {
    pub(in crate::handler) fn parse(key: ManifestKey, raw: &RawManifest, manifest: Manifest) -> Result<Self, Error> {
        Ok(Self { key, original: Original::parse(raw)?, manifest })
    }

    /// One that has its subject by a tag.
    pub(in crate::handler) fn by_tag(key: ManifestKey, bytes: Bytes, subject: &Digest) -> Result<Self, Error> {
        let (raw, _) = RawManifest::parse(bytes, None)?;
        let manifest = raw.described(Subject { digest: subject.clone(), via: Via::Tag })?;
        Self::parse(key, &raw, manifest)
    }

    fn claim(&self) -> Option<Claim> {
        Claim::of(self.key.clone(), self.original.raw(), &self.manifest)
    }

    /// One of its carriers. Lists take the artifact type from what was pushed: a carrier had to leave some out.
    pub(in crate::handler) fn carried(&self, raw: RawManifest) -> Result<Carried, Error> {
        let (original, digest) = (self.original.raw(), raw.digest(Algorithm::Sha256));
        let pushed = Pushed {
            alias: Alias {
                original: self.key.digest.clone(),
                original_size: original.bytes.len(),
                media_type: original.media_type.as_str().to_owned(),
                carrier: digest.clone(),
                carrier_size: raw.bytes.len(),
            },
            bytes: original.bytes.clone(),
            descriptor: original.descriptor(&self.key.digest, &self.manifest).render(),
        };
        let key = self.key.sibling(digest);
        let (raw, mut manifest) = RawManifest::parse(raw.bytes, Some(MediaType::IMAGE))?;
        if let Some(by_tag) = self.manifest.subject.as_ref().filter(|subject| subject.via == Via::Tag) {
            manifest = raw.described(by_tag.clone())?;
        }
        manifest.artifact_type = self.original.artifact_type().map(str::to_owned).or(manifest.artifact_type);
        let record = match Claim::of(key.clone(), &raw, &manifest) {
            Some(claim) => Record::Relation(claim.carrying(pushed)),
            None => Record::Forms(pushed),
        };
        Ok(Carried { key, raw, record })
    }
}

impl Hop {
    pub(in crate::handler) async fn push_artifact(
        &self,
        head: request::Parts,
        by_digest: bool,
        artifact: Artifact,
    ) -> Result<Response<Body>, Error> {
        let app = &self.handler.app;
        let media_type = &artifact.original.raw().media_type;
        let known = app.store.alias(&artifact.key).await?;
        let try_as_it_is = match app.config.rewrite.mode {
            RewriteMode::Always => false,
            RewriteMode::Never => true,
            RewriteMode::Auto => known.is_none() && !app.learned().await?.refuses(media_type, now_micros()),
        };
        let mut refused = None;
        if try_as_it_is {
            let request = Request::from_parts(head.clone(), Body::from(artifact.original.raw().bytes.clone()));
            let answer = self.submit(request, artifact.claim()).await?;
            if answer.status().is_success() || app.config.rewrite.mode == RewriteMode::Never {
                return Ok(answer);
            }
            let (answer, of_its_kind) = classify(answer).await;
            if !of_its_kind {
                return Ok(answer);
            }
            refused = Some(answer);
        }
        let answer = self.push_carrier(head, by_digest, &artifact, known, refused.is_some()).await?;
        match refused {
            // What the upstream said of the manifest itself is nearer to what was wrong, if that is what is wrong: not a
            // quota, or that it is busy.
            Some(refused) if may_be_of_kind(answer.status()) => Ok(refused),
            _ => Ok(answer),
        }
    }

    /// Learns that the upstream refuses manifests of this one's type, if nothing else about it can be the reason.
    async fn learn_refusal(&self, caller: &HeaderMap, artifact: &Artifact, carrier: &RawManifest) -> Result<(), Error> {
        let Some(blobs) = artifact.original.beyond_reproach(carrier) else { return Ok(()) };
        if let Some(subject) = artifact.manifest.subject.as_ref()
            && !self.holds(caller, &artifact.key.sibling(subject.digest.clone())).await?
        {
            return Ok(());
        }
        for blob in blobs {
            if !self.has_blob(caller, &artifact.key.sibling(blob)).await? {
                return Ok(());
            }
        }
        let (app, media_type) = (&self.handler.app, &artifact.original.raw().media_type);
        let remember = i64::try_from(app.config.rewrite.remember.as_micros()).unwrap_or(i64::MAX);
        let learning = async {
            let learned = app.learned().await?.refused(media_type, now_micros().saturating_add(remember));
            app.store.learn(&app.config.upstream.name, learned).await
        };
        match learning.await {
            Ok(()) => {
                tracing::info!(media_type = media_type.as_str(), "the upstream refuses these: they are rewritten");
            }
            // Known until the end of this process.
            Err(error) => tracing::warn!(%error, "what was learned about the upstream could not be written down"),
        }
        Ok(())
    }

    /// Pushes the carrier, and what it is made of first. The upstream's refusal, of either, is the answer.
    async fn push_carrier(
        &self,
        mut head: request::Parts,
        by_digest: bool,
        artifact: &Artifact,
        known: Option<Alias>,
        refused: bool,
    ) -> Result<Response<Body>, Error> {
        let (app, caller, original) = (&self.handler.app, head.headers.clone(), &artifact.original);
        let config_type = app.config.rewrite.config_type.as_deref();
        let subject = match original.subject() {
            Some(subject) => self.stored_form(&caller, &artifact.key, subject).await?,
            None => None,
        };
        // Pushed before: the same again, whatever became of its subject.
        let same = known.and_then(|known| {
            let is_it = |carrier: &RawManifest| carrier.digest(Algorithm::Sha256) == known.carrier;
            original.carriers(subject.as_slice(), config_type).find(is_it)
        });
        let carrier = same.unwrap_or_else(|| original.carry(subject.as_ref(), config_type));
        let _room = app.budget.take(carrier.bytes.len()).await?;

        let config = artifact.key.sibling(original.digest().clone());
        let config = self.ensure_blob(&caller, &config, original.raw().bytes.clone());
        let layer = async {
            if !original.is_without_blobs() {
                return Ok(None);
            }
            let empty = artifact.key.sibling(Digest::parse(EMPTY_DIGEST).map_err(|_| Error::Bug)?);
            self.ensure_blob(&caller, &empty, Bytes::from_static(EMPTY_BLOB)).await
        };
        let refusals = tokio::try_join!(config, layer)?;
        if let (Some(refusal), _) | (None, Some(refusal)) = refusals {
            return Ok(refusal);
        }

        let ready = artifact.carried(carrier)?;
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MediaType::IMAGE));
        if by_digest {
            head.uri = with_query(manifest_uri(&ready.key), head.uri.query());
        }
        let turn = app.uploads.turn(&ready.key).await;
        let request = Request::from_parts(head, Body::from(ready.raw.bytes.clone()));
        let mut answer = match ready.record {
            Record::Relation(claim) => self.submit(request, Some(claim)).await?,
            Record::Forms(pushed) => {
                let answer = self.submit(request, None).await?;
                if answer.status().is_success() {
                    app.store.keep(&ready.key, pushed).await?;
                }
                answer
            }
        };
        drop(turn);
        if answer.status().is_success() {
            // Those who refer to it, by either digest, are of one set from now on.
            self.maintain(&caller, &ready.key).await;
            created(&mut answer, &artifact.key.digest, original.subject().map(|subject| subject.digest.as_str()));
            point_at_original(&mut answer, &ready.key.digest, &artifact.key.digest);
            // With its subject in another form it may have been refused for that.
            if refused
                && subject.is_none()
                && let Err(error) = self.learn_refusal(&caller, artifact, &ready.raw).await
            {
                tracing::debug!(%error, "why the upstream refused a manifest could not be found out");
            }
        }
        Ok(answer)
    }

    /// The form in which the upstream holds a subject, if it isn't the one that is named.
    async fn stored_form(
        &self,
        caller: &HeaderMap,
        beside: &ManifestKey,
        subject: &Content,
    ) -> Result<Option<Content>, Error> {
        let Ok(digest) = Digest::parse(&subject.digest) else { return Ok(None) };
        let key = beside.sibling(digest);
        let alias = match self.handler.app.store.alias(&key).await? {
            Some(alias) => Some(alias),
            None if MediaType::parse(&subject.media_type).is_artifact() => match self.recover(caller, &key).await? {
                Lost::Found(alias) => Some(alias),
                _ => None,
            },
            None => None,
        };
        let alias = alias.filter(|alias| alias.original == key.digest);
        Ok(alias.map(|alias| Content::carrier(&alias.carrier, alias.carrier_size)))
    }
}

fn with_query(uri: http::Uri, query: Option<&str>) -> http::Uri {
    let Some(query) = query else { return uri };
    let path = format!("{}?{query}", uri.path());
    // Invariant: both were parsed as parts of one.
    uri::PathAndQuery::try_from(path).map_or(uri, http::Uri::from)
}

/// A `Location` that ends in the carrier's digest is for the original's.
fn point_at_original(answer: &mut Response<Body>, carrier: &Digest, original: &Digest) {
    let Some(location) = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()) else { return };
    let Some(place) = location.strip_suffix(carrier.as_str()) else { return };
    if let Ok(location) = HeaderValue::from_str(&format!("{place}{original}")) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
}
