//! Tags that say who refers to whom (digest tags, cosign's tags): which of a push's tags count, and what they say.

use percent_encoding::percent_decode_str;

use crate::{
    carrier,
    config::{DigestTags, Referrers},
    error::Error,
    oci::{CosignTag, Digest, DigestTag, ErrorCode, Manifest, RawManifest, Reference},
    referrers::{Claim, ManifestKey, RelationTag},
};

/// How many of them one push may set.
const MOST: usize = 16;

/// A tag that a push sets, and what that says.
pub struct Tagging {
    pub(super) tag: RelationTag,
    pub(super) claim: TagClaim,
}

/// What a push under such a tag says.
pub(super) enum TagClaim {
    /// That the manifest refers by it.
    Refers(Box<Claim>),
    /// Nothing: the manifest names its subject, or the tag another manifest. Whatever referred by it does no more.
    Nothing,
    /// What the upstream makes of it: the form in which it holds the manifest isn't known yet, or whether it sets the tag.
    UpToUpstream,
}

/// The subject that a tag names, as the settings have it.
pub fn subject_of(tag: &str, config: &Referrers) -> Option<Digest> {
    let by_digest_tag = || DigestTag::parse(tag).map(|tag| tag.subject);
    let by_cosigns = || CosignTag::parse(tag).filter(|_| config.cosign_tags);
    (config.digest_tags != DigestTags::Off).then(by_digest_tag).flatten().or_else(by_cosigns)
}

/// Whether the tag is one of this manifest's: a digest tag says whose it is. None is about itself.
pub fn belongs_to(tag: &RelationTag, manifest: &Digest) -> bool {
    tag.subject != *manifest && DigestTag::parse(&tag.tag).is_none_or(|tag| tag.names(manifest))
}

/// A tag that a push is to set.
pub struct SetTag {
    /// The tag.
    pub tag: String,
    /// It stands in the path. What stands in the query may be passed over by an upstream that doesn't know of it.
    in_path: bool,
}

/// The tags that a push is to set, as an upstream could read them: the one in its path, and every `tag` in its query (draft
/// 1.2 of the distribution-spec: a push by digest names its tags so).
pub fn set_by(reference: &Reference, query: Option<&str>) -> Vec<SetTag> {
    let in_path = match reference {
        Reference::Tag(tag) => Some(SetTag { tag: tag.to_string(), in_path: true }),
        Reference::Digest(_) => None,
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    // Go took `;` for a separator until 1.17.
    let in_query = query.unwrap_or_default().split(['&', ';']).filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        decoded(name).eq_ignore_ascii_case("tag").then(|| SetTag { tag: decoded(value), in_path: false })
    });
    in_path.into_iter().chain(in_query).collect()
}

/// What the tags that a push sets say of its manifest.
pub fn taggings(
    config: &Referrers,
    tags: Vec<SetTag>,
    key: &ManifestKey,
    raw: &RawManifest,
    manifest: &Manifest,
) -> Result<Vec<Tagging>, Error> {
    let mut taggings: Vec<Tagging> = Vec::new();
    for SetTag { tag, in_path } in tags {
        let Some(subject) = subject_of(&tag, config) else { continue };
        let tag = RelationTag { tag: tag.into(), subject };
        if taggings.iter().any(|other| other.tag == tag) {
            continue;
        }
        let may_have_two_forms = raw.media_type.is_artifact() || carrier::original_of(raw).is_some();
        let claim = if !in_path || (may_have_two_forms && manifest.subject.is_none()) {
            TagClaim::UpToUpstream
        } else if manifest.subject.is_none() && belongs_to(&tag, &key.digest) {
            Claim::of_tag(key.clone(), raw, &tag.subject)?
                .map_or(TagClaim::Nothing, |claim| TagClaim::Refers(Box::new(claim)))
        } else {
            TagClaim::Nothing
        };
        taggings.push(Tagging { tag, claim });
    }
    if taggings.len() > MOST {
        let message = format!("a push may set {MOST} tags that say whom a manifest refers to");
        return Err(Error::bad(ErrorCode::Unsupported, message));
    }
    Ok(taggings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_tag_is_read_from_every_parameter_that_an_upstream_could_read() {
        let tags = |reference: &str, query| {
            let reference = Reference::parse(reference).unwrap().unwrap();
            set_by(&reference, query).into_iter().map(|set| set.tag).collect::<Vec<_>>()
        };
        assert_eq!(tags("a:b", Some("tag=a&tag=b")), ["a", "b"]);
        assert_eq!(tags("a:b", Some("x=1;tag=a&T%41g=%62&tags=c&tag&mytag=d")), ["a", "b", ""]);
        assert_eq!(tags("v1", Some("tag=v2")), ["v1", "v2"]);
        assert!(tags("a:b", None).is_empty());
    }
}
