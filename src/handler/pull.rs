//! A manifest GET or HEAD. Where a manifest has two forms, the digest says which; of a tag, what the client accepts.

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::{
    carrier::accept::Accept,
    carrier::recover::Lost,
    exchange::{Exchange, Hop},
    push::CONTENT_DIGEST,
};
use crate::{
    config::{Form, RewriteMode},
    error::Error,
    oci::{Digest, MediaType, Reference, Repository},
    referrers::{Alias, ManifestKey},
    rewrite,
    upstream::Body,
};

impl Exchange {
    pub(super) async fn pull(self, repository: Repository, reference: Reference) -> Result<Response<Body>, Error> {
        if self.hop.handler.app.config.rewrite.mode == RewriteMode::Never {
            return self.proxy().await;
        }
        match reference {
            Reference::Digest(digest) => self.pull_by_digest(repository, digest).await,
            Reference::Tag(_) => self.pull_by_tag(repository).await,
        }
    }

    async fn pull_by_digest(self, repository: Repository, digest: Digest) -> Result<Response<Body>, Error> {
        let key = self.hop.key(repository, digest);
        match self.hop.on_record(&key).await {
            // Never asked of the upstream as a manifest: it has the blob only.
            Some(alias) if alias.original == key.digest => self.hop.original(&self.head, &key, &alias).await,
            Some(_) => self.proxy().await,
            None => self.pull_or_recover(key).await,
        }
    }

    /// What is no manifest may be one whose carrier is not on record.
    async fn pull_or_recover(self, key: ManifestKey) -> Result<Response<Body>, Error> {
        let Self { head, hop, .. } = self;
        let answer = hop.forward(Request::from_parts(head.clone(), Body::EMPTY)).await?;
        if answer.status() != StatusCode::NOT_FOUND && !answer.status().is_server_error() {
            return Ok(answer);
        }
        match hop.recover(&head.headers, &key).await {
            Ok(Lost::Found(alias)) => hop.original(&head, &key, &alias).await,
            Ok(Lost::Original) => Err(Error::absent()),
            Ok(Lost::Nothing | Lost::Unreadable) => Ok(answer),
            // There is a blob of that digest, and it may be one.
            Err(error @ (Error::Busy | Error::Store(_))) => Err(error),
            Err(error) => {
                tracing::debug!(%error, digest = %key.digest, "whether it has a carrier could not be found out");
                Ok(answer)
            }
        }
    }

    async fn pull_by_tag(self, repository: Repository) -> Result<Response<Body>, Error> {
        let Self { mut head, hop, .. } = self;
        let accept = Accept::of(&head.headers);
        let app = &hop.handler.app;
        let may_be_carrier = accept.names_an_artifact()
            || app.store.has_aliases(&app.config.upstream.name, &repository).await.unwrap_or_default();
        if !may_be_carrier {
            return hop.forward(Request::from_parts(head, Body::EMPTY)).await;
        }
        let own = head.clone();
        // distribution answers 404 for a manifest whose type is not named.
        let widened = !accept.names(MediaType::IMAGE);
        if widened {
            head.headers.append(header::ACCEPT, HeaderValue::from_static(MediaType::IMAGE));
        }
        let answer = hop.forward(Request::from_parts(head, Body::EMPTY)).await?;
        // A part of it too: it may be one of a carrier, whose original is what the client asks for.
        let is_there = matches!(answer.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT);
        let Some(found) = found(answer.headers()).filter(|_| is_there) else { return Ok(answer) };
        let key = hop.key(repository, found);
        let mut alias = hop.on_record(&key).await;
        if alias.is_none() && widened && accept.names_an_artifact() {
            // A client that can't take what it is: worth a look at what it may carry.
            alias = hop.carried_by(&own.headers, &key).await;
        }
        let Some(alias) = alias.filter(|alias| alias.carrier == key.digest) else {
            let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if widened && kind.is_none_or(|kind| !accept.names(MediaType::parse(kind).as_str())) {
                drain(answer).await;
                return hop.forward(Request::from_parts(own, Body::EMPTY)).await;
            }
            return Ok(answer);
        };
        match (accept.takes(&alias.media_type), accept.takes(MediaType::IMAGE), app.config.rewrite.tag) {
            (true, false, _) | (true, true, Form::Original) => {
                let headers = answer.headers().clone();
                drain(answer).await;
                hop.give_original(&own, &key, &alias, headers).await
            }
            (_, true, _) => Ok(answer),
            (false, false, _) => {
                drain(answer).await;
                hop.forward(Request::from_parts(own, Body::EMPTY)).await
            }
        }
    }
}

impl Hop {
    /// Both forms of a manifest. What can't be read passes as one that has no other: pulls go on without the store.
    async fn on_record(&self, key: &ManifestKey) -> Option<Alias> {
        self.handler.app.store.alias(key).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "whether a manifest has another form could not be read");
            None
        })
    }

    /// What a manifest of the upstream's carries.
    async fn carried_by(&self, caller: &HeaderMap, key: &ManifestKey) -> Option<Alias> {
        let read = self.fetch_manifest(caller, key).await;
        let (raw, _) = read.inspect_err(|error| tracing::debug!(%error, digest = %key.digest, "not read")).ok()??;
        let (digest, _) = rewrite::original_of(&raw)?;
        let original = key.sibling(digest);
        match self.recover(caller, &original).await {
            Ok(Lost::Found(alias)) => Some(alias),
            _ => None,
        }
    }
}

/// The digest of what a tag resolved to.
fn found(headers: &HeaderMap) -> Option<Digest> {
    headers.get(&CONTENT_DIGEST)?.to_str().ok().and_then(|text| Digest::parse(text).ok())
}

/// Reads what is left of a small answer, so that its connection can be used again.
async fn drain(answer: Response<Body>) {
    const SMALL: usize = 64 << 10;
    drop(Limited::new(answer.into_body(), SMALL).collect().await);
}
