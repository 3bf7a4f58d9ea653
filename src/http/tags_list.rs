//! `GET /v2/<name>/tags/list`, without the referrers tags that backref wrote. A page may be shorter than what was asked
//! for; its `Link` is the upstream's, so that whoever follows it sees every other tag once.

use std::{fmt, ops::Range};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::exchange::Exchange;
use crate::{
    app::App,
    budget::Part,
    error::Error,
    oci::{ReferrersTag, Repository},
    upstream::{Body, CollectError, HeldBody, Upstream},
};

/// Enough for some hundred thousand tags. Registries that page are far below it.
const MAX_LIST: usize = 16 << 20;

/// How many tags are looked up in one go.
const CHUNK: usize = 256;

/// Answers it.
pub(super) async fn list(app: &App, exchange: Exchange, repository: Repository) -> Result<Response<Body>, Error> {
    let upstream = exchange.upstream.clone();
    let hides = upstream.referrers.hide_tags && upstream.keeps_tags();
    // Without the database nothing is hidden: lists of tags don't depend on it.
    if !hides || !app.store.has_marked_tags(&upstream.name, &repository).await.unwrap_or_default() {
        return exchange.forward_head().await;
    }
    let registry = exchange.registry();
    let Exchange { mut head, side, .. } = exchange;
    // Taken apart here: no coding that only the client understands.
    head.headers.remove(header::ACCEPT_ENCODING);
    let answer = upstream.forward(Request::from_parts(head, Body::EMPTY), &side).await?;
    if answer.status() != StatusCode::OK {
        return Ok(answer);
    }
    let (mut head, body) = answer.into_parts();
    let most = MAX_LIST.min(upstream.budget.for_caller(Part::Body));
    let (list, mut reservation) = match registry.collect(body, Part::Body, most, 1).await {
        Ok(collected) => collected,
        Err(CollectError::Busy(error)) => return Err(error.into()),
        Err(CollectError::TooLarge | CollectError::Body(_)) => return Err(Error::Incomplete),
    };
    let shown = without_marked(app, &upstream, &repository, list.clone()).await.unwrap_or(list);
    head.headers.remove(header::ETAG);
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(shown.len()));
    reservation.shrink_to(shown.len());
    Ok(Response::from_parts(head, Body::Held(HeldBody::new(shown, reservation))))
}

/// The list without the tags that are last known to resolve to an index with backref's mark; what is no list of tags as it is.
async fn without_marked(app: &App, upstream: &Upstream, repository: &Repository, list: Bytes) -> Result<Bytes, Error> {
    let Ok(tags) = serde_json::from_slice::<List>(&list) else { return Ok(list) };
    let place = |tag: &RawValue| {
        // Both point into the list.
        let start = tag.get().as_ptr() as usize - list.as_ptr() as usize;
        start..start + tag.get().len()
    };
    let mut hidden = Vec::new();
    for chunk in tags.referrers_tags.chunks(CHUNK) {
        let subjects: Vec<_> = chunk.iter().filter_map(|tag| subject_of(tag)).collect();
        let Some(first) = subjects.first() else { continue };
        let states = app.store.tags(&upstream.key(repository.clone(), first.clone()), &subjects).await?;
        let marked = chunk.iter().zip(states).filter(|(_, state)| state.as_ref().is_some_and(|state| state.marked));
        hidden.extend(marked.map(|(tag, _)| place(tag)));
    }
    Ok(if hidden.is_empty() { list } else { cut(list.into(), &hidden).freeze() })
}

/// A list of tags, as far as it matters here.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, rename = "tags", deserialize_with = "referrers_tags")]
    referrers_tags: Vec<&'a RawValue>,
}

/// Keeps those that could be one.
fn referrers_tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<&'de RawValue>, D::Error> {
    struct Tags;
    impl<'de> Visitor<'de> for Tags {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of tags")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut tags: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(tag) = tags.next_element::<&RawValue>()? {
                if subject_of(tag).is_some() {
                    found.push(tag);
                }
            }
            Ok(found)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
    }
    deserializer.deserialize_any(Tags)
}

/// The subject of an element that is a referrers tag. Digits and dashes need no escapes.
fn subject_of(tag: &RawValue) -> Option<crate::oci::Digest> {
    ReferrersTag::parse(tag.get().strip_prefix('"')?.strip_suffix('"')?)
}

/// The list without these of its elements, in the same memory.
fn cut(mut list: BytesMut, elements: &[Range<usize>]) -> BytesMut {
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    let (mut kept, mut read) = (0, 0);
    for element in elements {
        list.copy_within(read..element.start, kept);
        kept += element.start - read;
        read = element.end + list[element.end..].iter().take_while(|byte| is_space(byte)).count();
        if list.get(read) == Some(&b',') {
            read += 1;
        } else {
            // It was the last: no comma stands before the end.
            kept -= list[..kept].iter().rev().take_while(|byte| is_space(byte) || **byte == b',').count();
        }
    }
    let length = list.len();
    list.copy_within(read.., kept);
    list.truncate(kept + length - read);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_are_hidden_are_cut_out_of_the_list() {
        let hide = |list: &str| {
            let all = list.match_indices("\"X\"").map(|(at, text)| at..at + text.len());
            let list = cut(BytesMut::from(list), &all.collect::<Vec<_>>());
            String::from_utf8(list.to_vec()).unwrap()
        };
        for (list, shown) in [
            (r#"{"tags":["X","a","X","X","b","X"],"x":1}"#, r#"{"tags":["a","b"],"x":1}"#),
            ("[ \"X\" ,\n \"a\" ,\n \"X\"\n ]", "[ \n \"a\" ]"),
            (r#"["X"]"#, "[]"),
            ("[ \"X\", \"X\" ]", "[ ]"),
            (r#"["a"]"#, r#"["a"]"#),
        ] {
            let (read, expected): (serde_json::Value, serde_json::Value) =
                (serde_json::from_str(&hide(list)).unwrap(), serde_json::from_str(shown).unwrap());
            assert_eq!(read, expected, "{}", hide(list));
        }
    }

    #[test]
    fn tags_that_could_be_hidden_are_found_in_the_list() {
        let tag = ReferrersTag::from(&crate::oci::Digest::of(crate::oci::Algorithm::Sha256, b""));
        let found = |text: &str| serde_json::from_str::<List>(text).map(|list| list.referrers_tags.len()).ok();
        let list = format!(r#"{{"name":"a","tags":["v1", "{tag}" ,1,null,"{tag}.sig"],"more":[]}}"#);
        assert_eq!(found(&list), Some(1));
        assert_eq!((found(r#"{"tags":null}"#), found("{}"), found("[]")), (Some(0), None, None));
    }
}
