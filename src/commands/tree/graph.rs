//! What a tree holds: the image, and the referrers that were found, level by level.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::oci::Annotations;

use super::descriptor::Descriptor;

/// How many referrers a tree holds.
pub(super) const MAX_REFERRERS: usize = 10_000;

/// The image and its referrers, in the order in which they were found.
#[derive(Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    digests: HashSet<String>,
}

/// One referrer, or the image itself.
#[derive(Default)]
pub(super) struct Node {
    pub(super) digest: String,
    pub(super) artifact_type: Option<String>,
    pub(super) size: u64,
    pub(super) annotations: Option<Box<RawValue>>,
    /// The created annotation, in microseconds since 1970.
    pub(super) created: Option<i64>,
    /// How many are between it and the image, and one more; the image's is 0.
    pub(super) level: usize,
    /// By their places in the graph.
    pub(super) referrers: Vec<usize>,
    /// The digest stands elsewhere in the tree, with its referrers.
    pub(super) is_repeated: bool,
    /// It is as deep as was asked for: its own referrers were not looked for.
    pub(super) is_deepest: bool,
}

impl Graph {
    pub(super) fn of(digest: String, size: u64) -> Self {
        let digests = HashSet::from([digest.clone()]);
        Self { nodes: vec![Node { digest, size, ..Node::default() }], digests }
    }

    /// Adds a referrer of the node at `subject`; `false` where there is no place for it.
    pub(super) fn add(&mut self, subject: usize, descriptor: Descriptor, depth: usize) -> bool {
        let place = self.nodes.len();
        // The image is no referrer.
        if place > MAX_REFERRERS {
            return false;
        }
        let Descriptor { digest, size, artifact_type, annotations } = descriptor;
        let level = self.nodes[subject].level + 1;
        let is_repeated = !self.digests.insert(digest.clone());
        let is_deepest = level == depth && !is_repeated;
        let referrers = Vec::new();
        let created = annotations.as_deref().and_then(|raw| Annotations::read(raw)?.created());
        self.nodes.push(Node {
            digest,
            artifact_type,
            size,
            annotations,
            created,
            level,
            referrers,
            is_repeated,
            is_deepest,
        });
        self.nodes[subject].referrers.push(place);
        true
    }
}
