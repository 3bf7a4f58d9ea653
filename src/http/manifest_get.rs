//! A manifest GET or HEAD. Where a manifest has two forms, the digest says which; of a tag, what the client accepts.

use http::{HeaderValue, Request, Response, StatusCode, header};

use super::{
    accept::Accept,
    exchange::Exchange,
    original::{drain, give_original, original},
};
use crate::{
    app::App,
    carrier::{self, Lost},
    config::Form,
    error::Error,
    oci::{Digest, MediaType, Reference, ReferrersTag, Repository, header::content_digest},
    referrers::{Alias, ManifestKey},
    relations,
    store::Store,
    upstream::{Body, Registry},
};

/// Answers `GET` and `HEAD /v2/<name>/manifests/<reference>`.
pub(super) async fn get(
    app: &App,
    exchange: Exchange,
    repository: Repository,
    reference: Reference,
) -> Result<Response<Body>, Error> {
    let answer = match &reference {
        Reference::Digest(digest) => return by_digest(app, exchange, repository, digest.clone()).await,
        Reference::Tag(tag) => {
            let subject = ReferrersTag::parse(tag).map(|subject| exchange.upstream.key(repository.clone(), subject));
            let answer = Box::pin(by_tag(app, exchange, repository)).await?;
            if let Some(subject) = subject.filter(|_| answer.status() == StatusCode::OK) {
                // What the tag resolves to may be news.
                app.tags.saw(&subject, content_digest(answer.headers()).as_ref());
            }
            answer
        }
    };
    Ok(answer)
}

async fn by_digest(
    app: &App,
    exchange: Exchange,
    repository: Repository,
    digest: Digest,
) -> Result<Response<Body>, Error> {
    let key = exchange.upstream.key(repository, digest);
    match known_alias(&*app.store, &key).await {
        Some(alias) if alias.is_original(&key.digest) => {
            Box::pin(original(&*app.store, &exchange.registry(), &exchange.head, &key, &alias, None)).await
        }
        Some(_) => exchange.forward_head().await,
        None => get_or_recover(app, exchange, key).await,
    }
}

/// What is no manifest may be one whose carrier the database doesn't know, or a listed referrer that is gone.
async fn get_or_recover(app: &App, exchange: Exchange, key: ManifestKey) -> Result<Response<Body>, Error> {
    let request = Request::from_parts(exchange.head.clone(), Body::EMPTY);
    let answer = exchange.upstream.forward(request, &exchange.side).await?;
    if answer.status() != StatusCode::NOT_FOUND && !answer.status().is_server_error() {
        return Ok(answer);
    }
    let registry = exchange.registry();
    let rewrites = exchange.upstream.rewrites();
    let lost =
        async { if rewrites { carrier::recover(&registry, &*app.store, &key).await } else { Ok(Lost::Nothing) } };
    match Box::pin(lost).await {
        Ok(Lost::Found(alias)) => {
            Box::pin(original(&*app.store, &registry, &exchange.head, &key, &alias, Some(answer))).await
        }
        Ok(Lost::Original) => Err(Error::absent()),
        Ok(Lost::Nothing | Lost::Unreadable) => {
            if answer.status() == StatusCode::NOT_FOUND
                && let Err(error) = Box::pin(relations::look_for_lost(&registry, &*app.store, &key)).await
            {
                tracing::debug!(%error, digest = %key.digest, "whether a listed referrer is gone could not be found out");
            }
            Ok(answer)
        }
        // There is a blob of that digest, and it may be one.
        Err(error @ (Error::Busy(_) | Error::Store(_))) => Err(error),
        Err(error) => {
            tracing::debug!(%error, digest = %key.digest, "whether it has a carrier could not be found out");
            Ok(answer)
        }
    }
}

async fn by_tag(app: &App, exchange: Exchange, repository: Repository) -> Result<Response<Body>, Error> {
    let accept = Accept::of(&exchange.head.headers);
    let upstream = exchange.upstream.clone();
    let may_be_carrier = (upstream.rewrites() && accept.names_an_artifact())
        || app.store.has_aliases(&upstream.name, &repository).await.unwrap_or_default();
    if !may_be_carrier {
        return exchange.forward_head().await;
    }
    let registry = exchange.registry();
    let mut head = exchange.head;
    let own = head.clone();
    // distribution answers 404 for a manifest whose type is not named.
    let widened = !accept.names(MediaType::IMAGE);
    if widened {
        head.headers.append(header::ACCEPT, HeaderValue::from_static(MediaType::IMAGE));
    }
    let answer = registry.forward(Request::from_parts(head, Body::EMPTY)).await?;
    // A part of it too: it may be one of a carrier, whose original is what the client asks for.
    let is_there = matches!(answer.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    let Some(found) = content_digest(answer.headers()).filter(|_| is_there) else { return Ok(answer) };
    let key = upstream.key(repository, found);
    let mut alias = known_alias(&*app.store, &key).await;
    if alias.is_none() && widened && accept.names_an_artifact() {
        // A client that can't take what it is: worth a look at what it may carry.
        alias = carried_by(&*app.store, &registry, &key).await;
    }
    let as_asked = || registry.forward(Request::from_parts(own.clone(), Body::EMPTY));
    let Some(alias) = alias.filter(|alias| alias.carrier == key.digest) else {
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if widened && kind.is_none_or(|kind| !accept.names(MediaType::parse(kind).as_str())) {
            drain(answer).await;
            return Ok(as_asked().await?);
        }
        return Ok(answer);
    };
    match (accept.takes(&alias.media_type), accept.takes(MediaType::IMAGE), upstream.rewrite.tag) {
        (true, false, _) | (true, true, Form::Original) => {
            let headers = answer.headers().clone();
            drain(answer).await;
            give_original(&*app.store, &registry, &own, &key, &alias, headers).await
        }
        (_, true, _) => Ok(answer),
        (false, false, _) => {
            drain(answer).await;
            Ok(as_asked().await?)
        }
    }
}

/// Both forms of a manifest. What can't be read passes as one that has no other: pulls go on without the store.
async fn known_alias(store: &dyn Store, key: &ManifestKey) -> Option<Alias> {
    store.alias(key).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "whether a manifest has another form could not be read");
        None
    })
}

/// What a manifest of the upstream's carries.
async fn carried_by(store: &dyn Store, registry: &Registry, key: &ManifestKey) -> Option<Alias> {
    let (digest, _) = carrier::original_of(registry.manifest(key).await.ok()??.raw())?;
    match carrier::recover(registry, store, &key.sibling(digest)).await {
        Ok(Lost::Found(alias)) => Some(alias),
        _ => None,
    }
}
