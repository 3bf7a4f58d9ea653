//! What refers to a manifest, and to that, as it is in the database: each node once, so that circles end.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{kinds::kind, layout::timestamp};
use crate::{
    oci::{Digest, Via},
    referrers::ManifestKey,
    store::{ReferrerRow, Store, StoreError},
};

/// How deep, how many of one manifest, and how many altogether.
const DEPTH: usize = 8;
const OF_ONE: usize = 50;
const ALL: usize = 300;

/// How many annotations of a referrer are shown, and how much of each.
const ANNOTATIONS: usize = 8;
const ANNOTATION: usize = 300;

/// What refers to one manifest.
#[derive(Default, Serialize)]
pub(super) struct Below {
    pub(super) referrers: Vec<Node>,
    /// There are more than these.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) has_more: bool,
}

/// A referrer.
#[derive(Serialize)]
pub(super) struct Node {
    #[serde(serialize_with = "as_text")]
    pub(super) digest: Digest,
    /// What it is, in a word.
    pub(super) kind: &'static str,
    pub(super) artifact_type: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) size: Option<u64>,
    /// In microseconds since 1970.
    #[serde(skip)]
    pub(super) arrival: i64,
    pub(super) arrived: Option<String>,
    /// How it is known whom it refers to.
    pub(super) source: &'static str,
    /// The registry was seen to have lost it: it isn't listed.
    pub(super) is_missing: bool,
    /// The digest of the image manifest that carries it, where it was pushed as an artifact manifest.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_or_none")]
    pub(super) carrier: Option<Digest>,
    pub(super) annotations: BTreeMap<String, String>,
    /// It stands in the tree already, with what refers to it.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) is_repeated: bool,
    #[serde(flatten)]
    pub(super) below: Below,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

pub(super) fn as_text<S: serde::Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(digest.as_str())
}

#[allow(clippy::ref_option, reason = "serde gives a reference to the field")]
fn as_text_or_none<S: serde::Serializer>(digest: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
    digest.as_ref().map(Digest::as_str).serialize(serializer)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    artifact_type: Option<String>,
    size: Option<u64>,
    annotations: Option<Map<String, Value>>,
}

/// A tree that is being read.
pub(super) struct Growth {
    store: Arc<dyn Store>,
    seen: HashSet<Digest>,
    left: usize,
}

impl Growth {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, seen: HashSet::new(), left: ALL }
    }

    /// What refers to a manifest, by either of its digests, down to the depth.
    pub(super) async fn below(&mut self, subject: &ManifestKey) -> Result<Below, StoreError> {
        self.level(subject, 0).await
    }

    async fn level(&mut self, subject: &ManifestKey, depth: usize) -> Result<Below, StoreError> {
        self.seen.insert(subject.digest.clone());
        let alias = self.store.begin_query(subject).await?.alias;
        let mut rows = self.store.referrers_of(subject, OF_ONE + 1).await?;
        if let Some(alias) = &alias {
            let other = subject.sibling(alias.other_form(&subject.digest).clone());
            rows.extend(self.store.referrers_of(&other, OF_ONE + 1).await?);
            rows.sort_by_key(|row| Reverse(row.arrival));
            let mut known = HashSet::new();
            rows.retain(|row| known.insert(row.digest.clone()));
        }
        let most = OF_ONE.min(self.left);
        let has_more = rows.len() > most;
        rows.truncate(most);
        self.left -= rows.len();
        let mut referrers = Vec::with_capacity(rows.len());
        for row in rows {
            referrers.push(self.node(subject, row, depth).await?);
        }
        Ok(Below { referrers, has_more })
    }

    async fn node(&mut self, subject: &ManifestKey, row: ReferrerRow, depth: usize) -> Result<Node, StoreError> {
        let key = subject.sibling(row.digest.clone());
        // As it was pushed, with the digest that it was pushed by.
        let pushed = match &row.original {
            Some(_) => self.store.begin_query(&key).await?.alias.map(|alias| alias.original),
            None => None,
        };
        let text = row.original.as_ref().unwrap_or(&row.descriptor);
        let descriptor: Option<Descriptor> = serde_json::from_str(text).ok();
        let (media_type, artifact_type, size, annotations) = descriptor
            .map_or((None, None, None, None), |one| (one.media_type, one.artifact_type, one.size, one.annotations));
        let is_repeated = self.seen.contains(&row.digest);
        let below = if is_repeated || depth + 1 == DEPTH {
            Below { referrers: Vec::new(), has_more: !is_repeated && self.has_any(&key).await? }
        } else {
            Box::pin(self.level(&key, depth + 1)).await?
        };
        let (digest, carrier) = match pushed {
            Some(original) => (original, Some(row.digest)),
            None => (row.digest, None),
        };
        Ok(Node {
            kind: kind(artifact_type.as_deref()),
            digest,
            carrier,
            artifact_type,
            media_type,
            size,
            arrival: row.arrival,
            arrived: timestamp(row.arrival),
            source: source(row.via),
            is_missing: row.is_missing,
            annotations: annotations.unwrap_or_default().into_iter().take(ANNOTATIONS).map(annotation).collect(),
            is_repeated,
            below,
        })
    }

    async fn has_any(&self, key: &ManifestKey) -> Result<bool, StoreError> {
        Ok(!self.store.referrers_of(key, 1).await?.is_empty())
    }
}

fn annotation((name, value): (String, Value)) -> (String, String) {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let short = |text: String| match text.char_indices().nth(ANNOTATION) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    };
    (short(name), short(value))
}

fn source(via: Via) -> &'static str {
    match via {
        Via::Subject => "its subject field",
        Via::Refers => "its refers field",
        Via::Tag => "a tag that names its subject",
    }
}

impl Below {
    /// How many nodes there are.
    pub(super) fn count(&self) -> usize {
        self.referrers.iter().map(|node| 1 + node.below.count()).sum()
    }
}
