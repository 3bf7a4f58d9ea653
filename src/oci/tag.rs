//! Tags that name a subject: the referrers tag of the distribution-spec, the digest tags of the reference-types working
//! group's Proposals D and E, and cosign's.

use std::fmt;

use super::digest::Digest;

/// The tag under which clients keep a subject's referrers where there is no API (distribution-spec 1.1, "Referrers Tag
/// Schema"): `<algorithm>-<encoded>`, cut to 32 and 64 characters, with `-` for what no tag may hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReferrersTag(Box<str>);

impl ReferrersTag {
    /// The subject of a tag that has its whole digest, which is a sha256 one; `None` for any other tag. The tag of a
    /// sha512 digest has its first 64 characters only.
    pub fn parse(tag: &str) -> Option<Digest> {
        let hex = tag.strip_prefix("sha256-")?;
        Digest::parse(&format!("sha256:{hex}")).ok()
    }
}

impl From<&Digest> for ReferrersTag {
    fn from(digest: &Digest) -> Self {
        let (algorithm, encoded) = digest.as_str().split_once(':').unwrap_or_default();
        let cut = |text: &str, most| text.chars().take(most).map(allowed).collect::<String>();
        Self(format!("{}-{}", cut(algorithm, 32), cut(encoded, 64)).into())
    }
}

impl fmt::Display for ReferrersTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The character, or a dash in place of one that no tag may hold.
fn allowed(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' }
}

/// How many characters of the referrer's digest, after its algorithm, a digest tag has.
const PREFIX: usize = 16;

/// How many characters the type at the end of a digest tag has at most.
const MAX_TYPE: usize = 5;

/// A tag of one referrer (Proposal D, "Tag Schema"): its subject's [`ReferrersTag`], the beginning of its own digest, and
/// perhaps a type. `sha256-<64 hex>.<16 hex>[.<at most 5 of a-z0-9>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestTag {
    /// The subject that the tag names.
    pub subject: Digest,
    prefix: Box<str>,
}

impl DigestTag {
    /// Parses a digest tag whose subject is a sha256 digest; `None` for any other tag.
    pub fn parse(tag: &str) -> Option<Self> {
        let mut parts = tag.split('.');
        let (subject, prefix, kind) = (parts.next()?, parts.next()?, parts.next());
        let kind_ok = kind.is_none_or(|kind| {
            (1..=MAX_TYPE).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        let ok = kind_ok && parts.next().is_none() && prefix.len() == PREFIX && prefix.bytes().all(hex);
        Some(Self { subject: ReferrersTag::parse(subject).filter(|_| ok)?, prefix: prefix.into() })
    }

    /// Whether it is a tag of `referrer`: anybody may choose a tag, and its subject with it.
    pub fn names(&self, referrer: &Digest) -> bool {
        beginning(referrer) == &*self.prefix
    }

    /// The digest tag of `referrer`, without a type. `None` where the referrer's digest is shorter than 16 characters.
    pub fn of(subject: &Digest, referrer: &Digest) -> Option<String> {
        let prefix = beginning(referrer);
        (prefix.len() == PREFIX).then(|| format!("{}.{prefix}", ReferrersTag::from(subject)))
    }
}

/// The first 16 characters after the algorithm, or as many as there are.
fn beginning(digest: &Digest) -> &str {
    let encoded = digest.as_str().split_once(':').map_or("", |(_, encoded)| encoded);
    encoded.get(..PREFIX).unwrap_or(encoded)
}

/// cosign's tags of an image's signatures, attestations and SBOMs, from before the referrers API: `sha256-<64 hex>.sig`,
/// `.att`, `.sbom`. cosign replaces the manifest under such a tag by a longer one to add to it.
pub struct CosignTag;

impl CosignTag {
    /// The subject of a tag; `None` for any other tag.
    pub fn parse(tag: &str) -> Option<Digest> {
        let (subject, kind) = tag.split_once('.')?;
        matches!(kind, "sig" | "att" | "sbom").then(|| ReferrersTag::parse(subject))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::digest::Algorithm;

    fn digest(text: &str) -> Digest {
        Digest::parse(text).unwrap()
    }

    #[test]
    fn referrers_tag_gives_its_subject_where_it_has_the_whole_digest() {
        let long = Digest::of(Algorithm::Sha512, b"");
        let short = Digest::of(Algorithm::Sha256, b"");
        let tag = |digest: &Digest| ReferrersTag::from(digest).to_string();
        assert_eq!(tag(&short), short.as_str().replace(':', "-"));
        assert_eq!(ReferrersTag::parse(&tag(&short)), Some(short));
        assert_eq!(tag(&long).len(), "sha512-".len() + 64);
        assert_eq!(ReferrersTag::parse(&tag(&long)), None);
        assert_eq!(tag(&digest("a+b.c-long-name-of-an-algorithm-cut:a=b")), "a-b.c-long-name-of-an-algorithm--a-b");
        for other in ["v1", "sha256-", "sha256-00", "sha256:00"] {
            assert_eq!(ReferrersTag::parse(other), None, "{other}");
        }
    }

    #[test]
    fn digest_tag_names_its_referrer_and_no_other() {
        let (subject, referrer) = (Digest::of(Algorithm::Sha256, b"a"), Digest::of(Algorithm::Sha256, b"b"));
        let tag = DigestTag::of(&subject, &referrer).unwrap();
        for tag in [tag.clone(), format!("{tag}.sbom"), format!("{tag}.0")] {
            let read = DigestTag::parse(&tag).unwrap();
            assert_eq!(read.subject, subject);
            assert!(read.names(&referrer) && !read.names(&subject));
        }
        for other in [
            format!("{tag}."),
            format!("{tag}.sboms2"),
            format!("{tag}.SBOM"),
            format!("{tag}.a.b"),
            format!("{tag}0"),
            tag[..tag.len() - 1].to_owned(),
            format!("v1.{}", &tag[tag.len() - 16..]),
            ReferrersTag::from(&subject).to_string(),
        ] {
            assert_eq!(DigestTag::parse(&other), None, "{other}");
        }
        assert_eq!(DigestTag::of(&subject, &digest("blake3:00")), None);
        let long = Digest::of(Algorithm::Sha512, b"a");
        assert!(DigestTag::of(&long, &referrer).unwrap().len() < 128, "what is cut off is a tag all the same");
    }

    #[test]
    fn cosign_tag_ends_in_sig_att_or_sbom() {
        let subject = Digest::of(Algorithm::Sha256, b"a");
        let tag = ReferrersTag::from(&subject);
        for kind in ["sig", "att", "sbom"] {
            assert_eq!(CosignTag::parse(&format!("{tag}.{kind}")), Some(subject.clone()));
        }
        for other in [format!("{tag}.sigs"), format!("{tag}.sig.a"), tag.to_string(), "v1.sig".into()] {
            assert_eq!(CosignTag::parse(&other), None, "{other}");
        }
    }
}
