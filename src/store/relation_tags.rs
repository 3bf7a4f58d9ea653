//! Tags that say who refers to whom (digest tags, cosign's tags), and on which referrer each is.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    error::StoreError,
    knowledge::{Applied, Basis, Close, Seen},
};
use crate::{
    oci::Digest,
    referrers::{ManifestKey, Relation, RelationTag},
};

/// Rows of such tags.
#[async_trait]
pub trait RelationTags {
    /// What is known about a digest and a tag that may be on it, both together.
    async fn look_at_tag(&self, key: &ManifestKey, tag: &str) -> Result<TagSeen, StoreError>;

    /// Applies what the upstream said a tag is on, durably, and closes attempts on the tag; nothing of that if the
    /// knowledge about `key` and `tag` under `basis` is out of date. Who was known by this tag alone is listed no more.
    async fn apply_tag(
        &self,
        key: &ManifestKey,
        tag: &RelationTag,
        verdict: TagVerdict,
        basis: Basis,
        close: Close,
    ) -> Result<Applied, StoreError>;
}

/// What a store knew about a digest and a tag when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagSeen {
    /// Of both: the version grows with every change of either.
    pub seen: Seen,
    /// Which referrer the tag was on.
    pub on: Option<Digest>,
}

/// What the upstream said about a tag.
#[derive(Clone, Debug)]
pub enum TagVerdict {
    /// It is on the manifest that so has this relation.
    On(Arc<Relation>),
    /// It is on nothing that refers by it, or gone.
    Off,
}

impl TagVerdict {
    /// The relation of the manifest that it is on.
    pub(super) fn relation(&self) -> Option<&Relation> {
        if let Self::On(relation) = self { Some(relation) } else { None }
    }

    /// Whether it tells of a manifest's second form.
    pub(super) fn has_two_forms(&self) -> bool {
        self.relation().is_some_and(|relation| relation.pushed.is_some())
    }
}
