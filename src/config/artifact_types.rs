//! `referrers.artifact_type`: which artifact types may be pushed.

use wildmatch::WildMatch;

use crate::oci::is_media_type;

/// Which artifact types referrers and artifact manifests may have.
#[derive(Clone, Debug, PartialEq)]
pub enum ArtifactTypes {
    /// Any, and none.
    Any,
    /// Media types (RFC 6838), as the reference-types working group's Proposal A asks for.
    MediaType,
    /// Those that one of these matches.
    Patterns(Vec<WildMatch>),
}

impl ArtifactTypes {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let pattern = |text: &str| {
            let text = text.trim();
            let ok = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+/*?".contains(&b);
            if text.contains(['/', '*']) && text.bytes().all(ok) {
                return Ok(WildMatch::new(text));
            }
            Err(format!(
                "{text:?} is neither any nor media-type, nor a pattern of types such as application/vnd.example.*"
            ))
        };
        match text {
            "any" => Ok(Self::Any),
            "media-type" => Ok(Self::MediaType),
            _ => text.split(',').map(pattern).collect::<Result<_, _>>().map(Self::Patterns),
        }
    }

    /// Why a type may not be pushed; `None`: it may.
    pub fn refuse(&self, artifact_type: &str) -> Option<&'static str> {
        match self {
            Self::Any => None,
            Self::MediaType => (!is_media_type(artifact_type)).then_some("it has to be a media type (RFC 6838)"),
            Self::Patterns(patterns) => (!patterns.iter().any(|pattern| pattern.matches(artifact_type)))
                .then_some("it is none of those that this registry takes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_types_are_any_media_types_or_those_of_patterns() {
        let types = |text: &str| ArtifactTypes::parse(text).unwrap();
        assert_eq!(types("any").refuse("x"), None);
        assert!(types("media-type").refuse("sbom").is_some() && types("media-type").refuse("").is_some());
        assert_eq!(types("media-type").refuse("application/vnd.example.sbom+json"), None);
        let some = types("application/vnd.dev.cosign.*, application/spdx+json");
        assert_eq!(some.refuse("application/spdx+json"), None);
        assert_eq!(some.refuse("application/vnd.dev.cosign.simplesigning.v1+json"), None);
        assert!(some.refuse("application/spdx").is_some());
        for bad in ["", "sbom", "a/b, ", "a b/c"] {
            assert!(ArtifactTypes::parse(bad).is_err(), "{bad}");
        }
    }
}
