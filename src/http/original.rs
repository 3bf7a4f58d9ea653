//! An answer with the manifest that was pushed, where the upstream holds its carrier.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request};

use crate::{
    budget::{Part, SMALL},
    error::Error,
    oci::header::CONTENT_DIGEST,
    referrers::{Alias, ManifestKey},
    store::Store,
    upstream::{Body, HeldBody, Refusal, Registry, short_body},
};

/// The original, if the upstream lets this caller read the carrier: asked each time. `answer`: what the upstream said to the
/// caller's own request, where it was sent.
pub(super) async fn original(
    store: &dyn Store,
    registry: &Registry,
    asked: &request::Parts,
    key: &ManifestKey,
    alias: &Alias,
    mut answer: Option<Response<Body>>,
) -> Result<Response<Body>, Error> {
    // Whoever may not be let in costs the requests, and gets the answer, that they do for any digest: nothing tells that
    // this one has rows. Others are spared a request that the upstream can't fulfil.
    if answer.is_none() && !registry.is_let_in(key).await {
        let said = as_asked(registry, asked).await?;
        if said.status().is_client_error() && said.status() != StatusCode::NOT_FOUND {
            return Ok(said);
        }
        answer = Some(said);
    }
    let carrier = key.sibling(alias.carrier.clone());
    let refusal = match registry.shows(&carrier).await {
        Ok(head) if head.status == StatusCode::OK => {
            registry.was_let_in(key, &head.headers).await;
            if let Some(answer) = answer {
                drain(answer).await;
            }
            let mut headers = head.headers;
            registry.upstream().addresses().to_client(&mut headers, registry.caller().side());
            return give_original(store, registry, asked, key, alias, headers).await;
        }
        Ok(_) => Refusal::Absent,
        Err(failed @ Refusal::Failed(_)) => return Err(failed.into()),
        Err(refusal) => refusal,
    };
    let answer = match answer {
        Some(answer) => answer,
        None => as_asked(registry, asked).await?,
    };
    match refusal {
        // What distribution 2.8 says of a digest that only a blob has, when the carrier is gone.
        Refusal::Absent if answer.status().is_server_error() => Err(Error::absent()),
        _ => Ok(answer),
    }
}

/// What the upstream says to the caller's own request. Without conditions: distribution answers those before it looks
/// whether the manifest is there.
async fn as_asked(registry: &Registry, asked: &request::Parts) -> Result<Response<Body>, Error> {
    let mut request = Request::from_parts(asked.clone(), Body::EMPTY);
    request.headers_mut().remove(header::IF_NONE_MATCH);
    request.headers_mut().remove(header::IF_MODIFIED_SINCE);
    Ok(registry.forward(request).await?)
}

/// Reads what is left of a small answer, so that its connection can be used again.
pub(super) async fn drain(answer: Response<Body>) {
    drop(short_body(answer.into_body()).await);
}

/// The original, with what the upstream said about its carrier in `headers`. The caller has been let in.
pub(super) async fn give_original(
    store: &dyn Store,
    registry: &Registry,
    asked: &request::Parts,
    key: &ManifestKey,
    alias: &Alias,
    headers: HeaderMap,
) -> Result<Response<Body>, Error> {
    let mut answer = Response::new(Body::EMPTY);
    let etag = headers.contains_key(header::ETAG);
    *answer.headers_mut() =
        headers.into_iter().filter_map(|(name, value)| Some((name?, value))).filter(is_kept).collect();
    let headers = answer.headers_mut();
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Error::Bug);
    headers.insert(CONTENT_DIGEST, value(alias.original.as_str())?);
    // What a tag gives depends on what the client accepts.
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    if etag {
        headers.insert(header::ETAG, value(&format!("\"{}\"", alias.original))?);
    }
    if is_unchanged(&asked.headers, alias) {
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::CONTENT_TYPE);
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    headers.insert(header::CONTENT_TYPE, value(&alias.media_type)?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(alias.original_size));
    if asked.method == Method::GET {
        let large = alias.original_size > SMALL;
        let reservation = if large { Some(registry.reserve(Part::Body, alias.original_size).await?) } else { None };
        let bytes = store.original(&key.sibling(alias.original.clone())).await?.ok_or_else(Error::absent)?;
        *answer.body_mut() = match reservation {
            Some(reservation) => Body::Held(HeldBody::new(bytes, reservation)),
            None => Body::from(bytes),
        };
    }
    Ok(answer)
}

/// What the upstream said of the carrier that holds for the original too: who answers, what is left of a limit, what
/// browsers may do. Not what is about the carrier's bytes.
fn is_kept((name, _): &(HeaderName, HeaderValue)) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "docker-distribution-api-version"
            | "cache-control"
            | "date"
            | "server"
            | "warning"
            | "strict-transport-security"
    ) || name.contains("ratelimit")
        || name.starts_with("access-control-")
}

/// `If-None-Match` as distribution compares it: the digest, with quotes or without.
fn is_unchanged(asked: &HeaderMap, alias: &Alias) -> bool {
    let original = alias.original.as_str().as_bytes();
    asked.get_all(header::IF_NONE_MATCH).iter().flat_map(|line| line.as_bytes().split(|b| *b == b',')).any(|tag| {
        let tag = tag.trim_ascii();
        tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")).unwrap_or(tag) == original
    })
}
