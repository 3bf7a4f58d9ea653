//! A push of an artifact manifest: as it is where the upstream takes it, else as its carrier.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, request, uri};

use super::{Change, push::created};
use crate::{
    carrier::{self, Artifact, Carried, CarriedRecord, Content, EMPTY_BLOB, EMPTY_DIGEST, Lost},
    config::RewriteMode,
    error::Error,
    oci::{Algorithm, Digest, ErrorCode, MediaType, RawManifest},
    referrers::{Alias, ManifestKey},
    relations::{self, holds},
    upstream::{Body, Capabilities, Uploaded, manifest_uri},
};

impl Change<'_> {
    /// Pushes an artifact manifest. `by_digest`: the request's path names its digest.
    pub async fn push_artifact(
        &mut self,
        head: request::Parts,
        by_digest: bool,
        artifact: Artifact,
    ) -> Result<Response<Body>, Error> {
        let mode = self.registry.upstream().rewrite.mode;
        let known = self.store.alias(&artifact.key).await?;
        let try_as_it_is = match mode {
            RewriteMode::Always => false,
            RewriteMode::Never => true,
            // Whether the upstream takes ORAS' doesn't matter: today's clients can't read a list that names one.
            RewriteMode::Auto if artifact.original.raw().media_type.is_oras() => false,
            RewriteMode::Auto => known.is_none() && !self.is_refused(&artifact).await?,
        };
        let mut refused = None;
        if try_as_it_is {
            let request = Request::from_parts(head.clone(), Body::from(artifact.original.raw().bytes.clone()));
            let answer = self.push(request, artifact.claim()).await?;
            if answer.status().is_success() || mode == RewriteMode::Never {
                return Ok(answer);
            }
            let (answer, of_its_kind) = carrier::classify(answer).await;
            if !of_its_kind {
                return Ok(answer);
            }
            refused = Some(answer);
        }
        let answer = self.push_carrier(head, by_digest, &artifact, known, refused.is_some()).await?;
        let Some(refused) = refused.filter(|_| carrier::may_be_of_kind(answer.status())) else { return Ok(answer) };
        // Where the carrier was refused for what it is too, what the upstream said of the manifest itself is nearer to what
        // was wrong; else what it said of the carrier: that its subject isn't there, that there is no room.
        let (answer, of_its_kind) = carrier::classify(answer).await;
        Ok(if of_its_kind { refused } else { answer })
    }

    /// Whether the upstream is known to refuse manifests of this one's type in this repository.
    async fn is_refused(&self, artifact: &Artifact) -> Result<bool, Error> {
        let what = Capabilities::refuses(&artifact.original.raw().media_type);
        relations::is_known(self.store, self.registry.upstream(), &artifact.key.repository, &what).await
    }

    /// Learns that the upstream refuses manifests of this one's type, if nothing else about it can be the reason.
    async fn learn_refusal(&self, artifact: &Artifact, carrier: &RawManifest) -> Result<(), Error> {
        let Some(blobs) = carrier::beyond_reproach(&artifact.original, carrier) else { return Ok(()) };
        if let Some(subject) = artifact.manifest.subject.as_ref()
            && !holds(self.registry, &artifact.key.sibling(subject.digest.clone())).await?
        {
            return Ok(());
        }
        for blob in blobs {
            if !self.registry.has_blob(&artifact.key.sibling(blob)).await? {
                return Ok(());
            }
        }
        let repository = &artifact.key.repository;
        let what = Capabilities::refuses(&artifact.original.raw().media_type);
        relations::remember(self.store, self.registry.upstream(), repository, &what).await?;
        tracing::info!(%repository, what, "learned about the registry: these are wrapped from now on");
        Ok(())
    }

    /// Pushes the carrier, and what it is made of first. The upstream's refusal, of either, is the answer.
    async fn push_carrier(
        &mut self,
        mut head: request::Parts,
        by_digest: bool,
        artifact: &Artifact,
        known: Option<Alias>,
        refused: bool,
    ) -> Result<Response<Body>, Error> {
        let (upstream, original) = (self.registry.upstream(), &artifact.original);
        let config_type = upstream.rewrite.config_type.as_deref();
        let subject = match original.subject() {
            Some(subject) => self.held_form(&artifact.key, subject).await?,
            None => None,
        };
        // Pushed before: the same again, whatever became of its subject.
        let same = known.and_then(|known| {
            let is_it = |carrier: &RawManifest| carrier.digest(Algorithm::Sha256) == known.carrier;
            original.carriers(subject.as_slice(), config_type).find(is_it)
        });
        let carrier = same.unwrap_or_else(|| original.carry(subject.as_ref(), config_type));

        let config = artifact.key.sibling(original.digest().clone());
        let config = self.registry.upload(&config, original.raw().bytes.clone());
        let layer = async {
            if !original.is_without_blobs() {
                return Ok(Uploaded::Held);
            }
            // Invariant: the constant is a digest.
            let Ok(empty) = Digest::parse(EMPTY_DIGEST) else { return Ok(Uploaded::Elsewhere) };
            self.registry.upload(&artifact.key.sibling(empty), Bytes::from_static(EMPTY_BLOB)).await
        };
        match tokio::try_join!(config, layer)? {
            (Uploaded::Held, Uploaded::Held) => {}
            (Uploaded::Refused(answer), _) | (_, Uploaded::Refused(answer)) => return Ok(*answer),
            (Uploaded::Unexpected(status), _) | (_, Uploaded::Unexpected(status)) => {
                return Err(unexpected(status));
            }
            (Uploaded::Elsewhere, _) | (_, Uploaded::Elsewhere) => return Err(elsewhere()),
        }

        let Carried { key, raw, record } = artifact.carried(carrier)?;
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MediaType::IMAGE));
        if by_digest {
            head.uri = with_query(manifest_uri(&key), head.uri.query());
        }
        let request = Request::from_parts(head, Body::from(raw.bytes.clone()));
        let locked = upstream.uploads.lock(&key).await;
        let mut answer = match record {
            CarriedRecord::Relation(claim) => self.push(request, Some(claim)).await?,
            CarriedRecord::Forms(pushed) => {
                let answer = self.push(request, None).await?;
                if answer.status().is_success() {
                    self.store.keep(&key, pushed).await?;
                }
                answer
            }
        };
        drop(locked);
        if answer.status().is_success() {
            created(&mut answer, &artifact.key.digest, original.subject().map(|subject| subject.digest.as_str()));
            point_at_original(&mut answer, &key.digest, &artifact.key.digest);
            // With its subject in another form it may have been refused for that.
            if refused
                && subject.is_none()
                && let Err(error) = self.learn_refusal(artifact, &raw).await
            {
                tracing::debug!(%error, "why the upstream refused a manifest could not be found out");
            }
            // Those who refer to it, by either digest, are of one set from now on.
            self.changed.push(key);
        }
        Ok(answer)
    }

    /// The form in which the upstream holds a subject, if it isn't the one that is named.
    async fn held_form(&self, beside: &ManifestKey, subject: &Content) -> Result<Option<Content>, Error> {
        let Ok(digest) = Digest::parse(&subject.digest) else { return Ok(None) };
        let key = beside.sibling(digest);
        let alias = match self.store.alias(&key).await? {
            Some(alias) => Some(alias),
            None if MediaType::parse(&subject.media_type).is_artifact() => {
                match carrier::recover(self.registry, self.store, &key).await? {
                    Lost::Found(alias) => Some(alias),
                    _ => None,
                }
            }
            None => None,
        };
        let alias = alias.filter(|alias| alias.is_original(&key.digest));
        Ok(alias.map(|alias| Content::carrier(&alias.carrier, alias.carrier_size)))
    }
}

fn elsewhere() -> Error {
    let message = "the registry wants blobs at another address, where backref can't put them for you";
    Error::Request(StatusCode::BAD_GATEWAY, ErrorCode::Unsupported, message.to_owned())
}

fn unexpected(status: StatusCode) -> Error {
    let message = format!("the registry answered the upload of a blob with {status}: whether it has it is not known");
    Error::Request(StatusCode::BAD_GATEWAY, ErrorCode::Unavailable, message)
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
