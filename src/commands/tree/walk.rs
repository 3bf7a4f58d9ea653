//! A registry asked for the referrers of an image, and theirs, level by level.

use http::StatusCode;

use super::{
    descriptor::{Descriptor, Index},
    graph::{Graph, MAX_REFERRERS},
};
use crate::{
    error::Error,
    oci::{Algorithm, Digest, ErrorCode, Reference, ReferrersTag, Repository},
    operator::{OperatorError, Tokens},
    upstream::{PageWalk, Refusal, Registry, native_page, native_path, reference_uri},
};

/// How many bytes of lists are read: what a tree holds of them is a part of it.
const MAX_BYTES: usize = 16 << 20;

/// A tree that is being made.
pub(super) struct Walk {
    pub(super) graph: Graph,
    tokens: Tokens,
    repository: Repository,
    depth: usize,
    bytes: usize,
}

/// One page of a list of referrers.
struct Page {
    bytes: bytes::Bytes,
    next: Option<String>,
}

impl Walk {
    /// Nothing is known yet. `depth`: how many levels of referrers are looked for.
    pub(super) fn new(tokens: Tokens, repository: Repository, depth: usize) -> Self {
        Self { graph: Graph::default(), tokens, repository, depth, bytes: 0 }
    }

    /// Asks for the image, and for all referrers down to the depth. What was found before an error is kept.
    pub(super) async fn run(&mut self, reference: &str) -> Result<(), OperatorError> {
        let repository = &self.repository;
        let bytes = self.tokens.with(async |registry| manifest(registry, repository, reference).await).await?;
        let bytes = bytes.ok_or_else(|| unreadable(format!("{repository}, {reference} is not there")))?;
        let digest = Reference::parse(reference).ok().flatten().and_then(|reference| reference.digest().cloned());
        let digest = digest.unwrap_or_else(|| Digest::of(Algorithm::Sha256, &bytes));
        self.graph = Graph::of(digest.to_string(), bytes.len() as u64);
        // Nodes are added behind: level by level, so that what is nearest to the image is there first.
        let mut at = 0;
        while let Some(node) = self.graph.nodes.get(at) {
            if node.level < self.depth && !node.is_repeated {
                let digest = node.digest.clone();
                // A list is somebody's words: what is no digest is never asked for.
                let digest = Digest::parse(&digest).map_err(|_| unreadable(format!("{digest:?} is no digest")))?;
                self.add_referrers(at, &digest).await?;
            }
            at += 1;
        }
        Ok(())
    }

    /// All pages of the referrers API; without it, the referrers tag (distribution-spec 1.1, "Referrers Tag Schema").
    async fn add_referrers(&mut self, subject: usize, digest: &Digest) -> Result<(), OperatorError> {
        let mut path = native_path(&self.repository, digest);
        let mut walk = PageWalk::from(&path);
        loop {
            let repository = &self.repository;
            let page = self.tokens.with(async |registry| page(registry, repository, digest, &path).await).await?;
            let Some(Page { bytes, next }) = page else { return Ok(()) };
            self.bytes += bytes.len();
            if self.bytes > MAX_BYTES {
                let message = format!("the lists of referrers have more than {} MiB", MAX_BYTES >> 20);
                return Err(too_many(&message).into());
            }
            let index: Index<{ MAX_REFERRERS + 1 }> = serde_json::from_slice(&bytes)
                .map_err(|error| unreadable(format!("the list of referrers of {digest} cannot be read: {error}")))?;
            let digests: Vec<&str> = index.manifests.iter().map(|one: &Descriptor| &one.digest[..]).collect();
            walk.go_on(&digests, next.as_deref())?;
            for descriptor in index.manifests {
                if !self.graph.add(subject, descriptor, self.depth) {
                    let message = format!("there are more than {MAX_REFERRERS} referrers");
                    return Err(too_many(&message).into());
                }
            }
            let Some(next) = next else { return Ok(()) };
            path = next;
        }
    }
}

async fn page(
    registry: &Registry,
    repository: &Repository,
    digest: &Digest,
    path: &str,
) -> Result<Option<Page>, Error> {
    if let Some(page) = native_page(registry, path).await? {
        return Ok(Some(Page { bytes: page.bytes, next: page.next }));
    }
    let tag = ReferrersTag::from(digest).to_string();
    let bytes = manifest(registry, repository, &tag).await?;
    Ok(bytes.map(|bytes| Page { bytes, next: None }))
}

async fn manifest(
    registry: &Registry,
    repository: &Repository,
    reference: &str,
) -> Result<Option<bytes::Bytes>, Error> {
    let answer = registry.get(reference_uri(repository, &reference)).await?;
    match answer.status() {
        StatusCode::OK => Ok(Some(registry.manifest_bytes(answer).await?)),
        StatusCode::NOT_FOUND => Ok(None),
        status => Err(Refusal::of(status, answer.headers()).into()),
    }
}

fn too_many(what: &str) -> Error {
    unreadable(format!("{what}: the rest is not shown; ask for fewer levels (--depth), or for one of the referrers"))
}

fn unreadable(message: String) -> Error {
    Error::Request(StatusCode::BAD_GATEWAY, ErrorCode::Unknown, message)
}
