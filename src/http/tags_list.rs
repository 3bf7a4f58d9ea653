//! `GET /v2/<name>/tags/list`, without the referrers tags that backref wrote. A page may be shorter than what was asked
//! for; its `Link` is the upstream's, so that whoever follows it sees every other tag once.

use std::collections::HashSet;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde_json::{Map, Value};

use super::exchange::Exchange;
use crate::{
    app::App,
    error::Error,
    oci::{Digest, ReferrersTag, Repository, header::content_length},
    upstream::Body,
};

/// Enough for some hundred thousand tags. Registries that page are far below it.
const MAX_LIST: usize = 16 << 20;

/// Answers it.
pub(super) async fn list(app: &App, exchange: Exchange, repository: Repository) -> Result<Response<Body>, Error> {
    let upstream = exchange.upstream.clone();
    if !upstream.referrers.hide_tags || !upstream.keeps_tags() {
        return exchange.forward_head().await;
    }
    let Exchange { mut head, side, .. } = exchange;
    // Taken apart here: no coding that only the client understands.
    head.headers.remove(header::ACCEPT_ENCODING);
    let answer = upstream.forward(Request::from_parts(head, Body::EMPTY), &side).await?;
    if answer.status() != StatusCode::OK {
        return Ok(answer);
    }
    let (head, body) = answer.into_parts();
    let length = content_length(&head.headers).and_then(|length| usize::try_from(length).ok());
    let reservation = upstream.budget.reserve(length.unwrap_or(MAX_LIST).min(MAX_LIST)).await?;
    let Ok(body) = Limited::new(body, reservation.bytes()).collect().await else { return Err(Error::Incomplete) };
    let list = body.to_bytes();
    let shown = without_marked(app, &repository, &list).await?.map_or(list, Bytes::from);
    let mut answer = Response::from_parts(head, Body::EMPTY);
    answer.headers_mut().remove(header::ETAG);
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(shown.len()));
    *answer.body_mut() = Body::from(reservation.hold(shown));
    Ok(answer)
}

/// The list without the tags that are known to resolve to an index with backref's mark. `None`: as it is.
async fn without_marked(app: &App, repository: &Repository, list: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let Ok(mut list) = serde_json::from_slice::<Map<String, Value>>(list) else { return Ok(None) };
    let Some(tags) = list.get_mut("tags").and_then(Value::as_array_mut) else { return Ok(None) };
    let subject_of = |tag: &Value| tag.as_str().and_then(ReferrersTag::parse);
    let subjects: Vec<Digest> = tags.iter().filter_map(subject_of).collect();
    let Some(first) = subjects.first() else { return Ok(None) };
    let states = app.store.tags(&app.upstream.key(repository.clone(), first.clone()), &subjects).await?;
    let is_marked = |state: &crate::store::TagState| state.marked && state.index.is_some();
    let hidden: HashSet<&Digest> = subjects
        .iter()
        .zip(states)
        .filter(|(_, state)| state.as_ref().is_some_and(is_marked))
        .map(|(one, _)| one)
        .collect();
    tags.retain(|tag| subject_of(tag).is_none_or(|subject| !hidden.contains(&subject)));
    // Invariant: what was read as JSON can be written as such.
    Ok(Some(serde_json::to_vec(&list).map_err(|_| Error::Bug)?))
}
