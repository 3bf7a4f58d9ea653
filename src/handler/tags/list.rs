//! `GET /v2/<name>/tags/list`, without the referrers tags that backref wrote. A page may be shorter than what was asked
//! for; its `Link` is the upstream's, so that whoever follows it sees every other tag once.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use crate::handler::exchange::{Exchange, Hop};
use crate::{
    config::ReferrersTagMode as Kept,
    error::Error,
    oci::{ReferrersTag, Repository},
    upstream::Body,
};

/// Room for some hundred thousand tags. Registries that page are far below it.
const MAX_LIST: usize = 16 << 20;

impl Exchange {
    pub(in crate::handler) async fn tags(self, repository: Repository) -> Result<Response<Body>, Error> {
        let config = &self.hop.handler.app.config.referrers;
        if !config.hide_tags || config.tag == Kept::Off {
            return self.proxy().await;
        }
        let Self { mut head, hop, .. } = self;
        // Taken apart here: no coding that only the client understands.
        head.headers.remove(header::ACCEPT_ENCODING);
        let answer = hop.forward(Request::from_parts(head, Body::EMPTY)).await?;
        if answer.status() != StatusCode::OK {
            return Ok(answer);
        }
        let (mut head, body) = answer.into_parts();
        let room = hop.handler.app.budget.take(content_length(&head).unwrap_or(MAX_LIST).min(MAX_LIST)).await?;
        let Ok(body) = Limited::new(body, room.bytes()).collect().await else { return Err(Error::Incomplete) };
        let list = body.to_bytes();
        let shown = hop.without_marked(&repository, &list).await?.map_or(list, Bytes::from);
        head.headers.remove(header::ETAG);
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(shown.len()));
        Ok(Response::from_parts(head, Body::from(room.hold(shown))))
    }
}

impl Hop {
    /// The list without the tags that are known to resolve to an index with the mark. `None`: as it is.
    async fn without_marked(&self, repository: &Repository, list: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Ok(mut list) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(list) else {
            return Ok(None);
        };
        let Some(tags) = list.get_mut("tags").and_then(serde_json::Value::as_array_mut) else { return Ok(None) };
        let mut shown = Vec::with_capacity(tags.len());
        for tag in std::mem::take(tags) {
            let subject = tag.as_str().and_then(ReferrersTag::parse);
            let hidden = match subject {
                Some(subject) => {
                    let state = self.handler.app.store.tag(&self.key(repository.clone(), subject)).await?;
                    state.is_some_and(|state| state.marked && state.tag.is_some())
                }
                None => false,
            };
            if !hidden {
                shown.push(tag);
            }
        }
        *tags = shown;
        // Invariant: what was read as JSON can be written as such.
        Ok(Some(serde_json::to_vec(&list).map_err(|_| Error::Bug)?))
    }
}

fn content_length(head: &http::response::Parts) -> Option<usize> {
    head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
