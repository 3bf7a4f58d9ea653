//! Repository names, tags and references (distribution-spec 1.1, "Pulling manifests").

use std::fmt;

use super::digest::{Digest, DigestError};

/// A repository name in the spec's grammar: `a/b-c/d`, lower case, without the registry's host.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Repository(Box<str>);

/// What follows `/manifests/` in a path: a tag, or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`
    Tag(Box<str>),
    /// A digest in its grammar; whatever has a colon has to be one.
    Digest(Digest),
}

impl Repository {
    /// Parses a name; `None` where the grammar refuses it.
    pub fn parse(text: &str) -> Option<Self> {
        let ok = !text.is_empty() && text.len() <= 255 && text.split('/').all(component_ok);
        ok.then(|| Self(text.into()))
    }

    /// The name, as it stands in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn component_ok(component: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    alphanumeric(first)
        && alphanumeric(last)
        && bytes.split(alphanumeric).all(|separator| match separator {
            [] | [b'.' | b'_'] | [b'_', b'_'] => true,
            dashes => dashes.iter().all(|b| *b == b'-'),
        })
}

impl Reference {
    /// Parses what follows `/manifests/`. `Ok(None)` is neither a tag nor meant as a digest.
    pub fn parse(text: &str) -> Result<Option<Self>, DigestError> {
        if text.contains(':') {
            return Digest::parse(text).map(|digest| Some(Self::Digest(digest)));
        }
        Ok(tag_ok(text).then(|| Self::Tag(text.into())))
    }

    /// The digest, where it is one.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Digest(digest) => Some(digest),
            Self::Tag(_) => None,
        }
    }
}

fn tag_ok(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128 && tag.bytes().next().is_some_and(word) && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_follow_the_grammar() {
        for good in ["a", "a/b", "a.b/c__d/e---f", "0/manifests/tags"] {
            assert!(Repository::parse(good).is_some(), "{good}");
        }
        for bad in ["", "/", "a/", "/a", "A", "a..b", "a___b", "-a", "a-", "a//b", "a._b", "ü"] {
            assert!(Repository::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn references_with_a_colon_are_digests() {
        assert!(matches!(Reference::parse("v1.0"), Ok(Some(Reference::Tag(_)))));
        assert!(matches!(Reference::parse("blake3:00"), Ok(Some(Reference::Digest(_)))));
        assert!(Reference::parse("sha256:00").is_err());
        assert_eq!(Reference::parse(".hidden"), Ok(None));
    }
}
