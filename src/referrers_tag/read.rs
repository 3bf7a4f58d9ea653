//! What a referrers tag resolves to.

use http::{StatusCode, header};

use super::keeper::{ReferrersTags, tag_uri};
use crate::{
    error::Error,
    oci::{Algorithm, Digest, MediaType, ReferrersList},
    referrers::ManifestKey,
    upstream::{Refusal, Registry},
};

/// What the tag resolves to.
pub enum Found {
    /// There is no tag.
    Nothing,
    /// What it was known to.
    Known(Digest),
    /// Another list.
    List(Digest, ReferrersList),
    /// Something that is no list of this subject's referrers. It is never written.
    Foreign(Option<Digest>),
}

/// Looks at a subject's tag; reads it where it isn't `known`.
pub async fn find(
    tags: &ReferrersTags,
    registry: &Registry,
    subject: &ManifestKey,
    known: Option<&Digest>,
) -> Result<Found, Error> {
    let head = registry.head_tag(tag_uri(subject)).await?;
    match (head.status, head.digest()) {
        (StatusCode::NOT_FOUND, _) => return Ok(Found::Nothing),
        (StatusCode::OK, Some(digest)) if Some(&digest) == known => return Ok(Found::Known(digest)),
        // GitLab resolves such a tag to the subject itself.
        (StatusCode::OK, Some(digest)) if digest == subject.digest => return Ok(Found::Foreign(Some(digest))),
        (StatusCode::OK, _) => {}
        _ => return Err(head.refusal().into()),
    }
    let answer = registry.get(tag_uri(subject)).await?;
    if answer.status() != StatusCode::OK {
        return Err(Refusal::of(answer.status(), answer.headers()).into());
    }
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_index = kind.is_none_or(|kind| MediaType::parse(kind).as_str() == MediaType::INDEX);
    let bytes = registry.manifest_bytes(answer).await?;
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    Ok(match ReferrersList::parse(&bytes, &subject.digest).filter(|_| is_index) {
        Some(list) => {
            tags.indexes.insert(subject.sibling(digest.clone()), subject.digest.clone());
            Found::List(digest, list)
        }
        None => Found::Foreign(Some(digest)),
    })
}
