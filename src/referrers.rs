//! The domain: who refers to whom, and what a list of that is asked by. Pure.

use bytes::Bytes;
use http::StatusCode;

use crate::oci::{Annotations, Digest, Manifest, ManifestError, RawManifest, Repository, Subject, Via};

/// One manifest in one repository of one upstream: what rows are keyed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ManifestKey {
    /// The upstream's name in the configuration.
    pub upstream: std::sync::Arc<str>,
    /// The repository.
    pub repository: Repository,
    /// The manifest's digest.
    pub digest: Digest,
}

impl ManifestKey {
    /// Another manifest of the same repository.
    #[must_use]
    pub fn sibling(&self, digest: Digest) -> Self {
        Self { upstream: self.upstream.clone(), repository: self.repository.clone(), digest }
    }

    /// Other manifests of the same repository.
    pub fn siblings(&self, digests: Vec<Digest>) -> Vec<Self> {
        digests.into_iter().map(|digest| self.sibling(digest)).collect()
    }
}

/// A tag that says whom the manifest under it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationTag {
    /// The tag.
    pub tag: Box<str>,
    /// Whom it names.
    pub subject: Digest,
}

/// A manifest that the upstream holds, and its subject.
#[derive(Clone, Debug)]
pub struct Relation {
    /// The manifest that refers.
    pub referrer: ManifestKey,
    /// The digest it refers to.
    pub subject: Digest,
    /// How that is known.
    pub via: Via,
    /// For filters ([`as_filtered`]); as "Listing Referrers" derives it.
    pub artifact_type: Option<String>,
    /// The created annotation, in microseconds since 1970.
    pub created: Option<i64>,
    /// The descriptor as lists give it, rendered once.
    pub descriptor: String,
    /// What was pushed, where the upstream holds another form of it.
    pub pushed: Option<Pushed>,
}

impl Relation {
    /// The same manifest by another of its digests.
    #[must_use]
    pub fn under(&self, digest: Digest) -> Self {
        // The digest stands in the descriptor before anything that the manifest says.
        let descriptor = self.descriptor.replacen(self.referrer.digest.as_str(), digest.as_str(), 1);
        Self { referrer: self.referrer.sibling(digest), descriptor, ..self.clone() }
    }
}

/// A manifest in two forms. Both digests name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// As it was pushed: the digest.
    pub original: Digest,
    /// Its length in bytes.
    pub original_size: usize,
    /// Its media type.
    pub media_type: String,
    /// As the upstream holds it: the digest of its carrier.
    pub carrier: Digest,
    /// The carrier's length in bytes.
    pub carrier_size: usize,
}

impl Alias {
    /// Whether a digest names the manifest as it was pushed.
    pub fn is_original(&self, digest: &Digest) -> bool {
        self.original == *digest
    }

    /// The digest of the form that `digest` doesn't name.
    pub fn other_form(&self, digest: &Digest) -> &Digest {
        if self.carrier == *digest { &self.original } else { &self.carrier }
    }
}

/// What was pushed, where the upstream holds its carrier.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// Both forms.
    pub alias: Alias,
    /// The original's.
    pub bytes: Bytes,
    /// The original's descriptor, rendered: for lists of what was pushed.
    pub descriptor: String,
}

/// An artifact type as filters know it: not every database's texts hold what JSON's do, a NUL.
pub fn as_filtered(artifact_type: &str) -> String {
    artifact_type.replace('\0', "\u{fffd}")
}

/// What a manifest says that was not pushed yet. Small: the manifest itself is not needed any more.
pub struct Claim(Relation);

impl Claim {
    /// The claim of a manifest that has a subject.
    pub fn of(referrer: ManifestKey, raw: &RawManifest, manifest: &Manifest) -> Option<Self> {
        let subject = manifest.subject.as_ref()?;
        Some(Self(Relation {
            subject: subject.digest.clone(),
            via: subject.via,
            artifact_type: manifest.artifact_type.as_deref().map(as_filtered),
            created: manifest.annotations.as_ref().and_then(Annotations::created),
            descriptor: raw.descriptor(&referrer.digest, manifest).render(),
            pushed: None,
            referrer,
        }))
    }

    /// The claim of a tag, about a manifest that has no subject of its own.
    pub fn of_tag(referrer: ManifestKey, raw: &RawManifest, subject: &Digest) -> Result<Option<Self>, ManifestError> {
        let manifest = raw.described(Subject { digest: subject.clone(), via: Via::Tag })?;
        Ok(Self::of(referrer, raw, &manifest))
    }

    /// The same of a manifest that the upstream holds already: what can't be given in a list is left out.
    pub fn of_tag_leniently(referrer: ManifestKey, raw: &RawManifest, subject: &Digest) -> Option<Self> {
        let manifest = raw.described_leniently(Subject { digest: subject.clone(), via: Via::Tag });
        Self::of(referrer, raw, &manifest)
    }

    /// The same of a carrier.
    #[must_use]
    pub fn carrying(mut self, pushed: Pushed) -> Self {
        self.0.pushed = Some(pushed);
        self
    }

    /// Which manifest.
    pub fn referrer(&self) -> &ManifestKey {
        &self.0.referrer
    }

    /// Whom it refers to.
    pub fn subject(&self) -> &Digest {
        &self.0.subject
    }

    /// A relation, if the upstream's `status` says that it holds the manifest.
    pub fn held(self, status: StatusCode) -> Option<Relation> {
        status.is_success().then_some(self.0)
    }
}

/// What a list is asked by. Of which upstream and repository is for a permit to say: it stands nowhere in here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// Whose referrers.
    pub subject: Digest,
    /// The subject's other form: who refers to either is of one set.
    pub other_form: Option<Digest>,
    /// Only these artifact types; none: all.
    pub artifact_types: Vec<String>,
    /// Only what comes after it.
    pub after: Option<Cursor>,
    /// At most this many rows.
    pub limit: usize,
    /// Which comes first.
    pub order: Order,
    /// As it was pushed, where the upstream holds another form.
    pub originals: bool,
    /// Those too whose bytes name no `subject`.
    pub without_subject: bool,
}

impl Query {
    /// By which a referrers tag's entries are found: all, by arrival, as the upstream holds them.
    pub fn of_tag(subject: &Digest, other_form: Option<&Digest>, without_subject: bool) -> Self {
        Self {
            subject: subject.clone(),
            other_form: other_form.cloned(),
            artifact_types: Vec::new(),
            after: None,
            limit: usize::MAX,
            order: Order::Arrival,
            originals: false,
            without_subject,
        }
    }
}

/// Which comes first in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// What arrived first: cosign takes the last.
    Arrival,
    /// What was created last; without a created annotation, after all that have one.
    Newest,
}

/// A place in a list, by what never changes about its entry: it stays right while others come and go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Microseconds since 1970; [`i64::MIN`] without a created annotation. Counts for [`Order::Newest`].
    pub created: i64,
    /// Microseconds since 1970, or one more than the arrival before it.
    pub arrival: i64,
    /// Tells entries of one arrival apart.
    pub digest: Digest,
}

impl Cursor {
    /// Reads what [`Cursor::render`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (created, arrival, digest) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            created: created.parse().ok()?,
            arrival: arrival.parse().ok()?,
            digest: Digest::parse(digest).ok()?,
        })
    }

    /// As it stands in a `Link`: opaque to clients, safe in a query.
    pub fn render(&self) -> String {
        format!("{}.{}.{}", self.created, self.arrival, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paging_cursor_is_parsed_as_it_was_rendered() {
        let cursor = Cursor { created: i64::MIN, arrival: -3, digest: Digest::parse("a+b.c:x=_-").unwrap() };
        assert_eq!(Cursor::parse(&cursor.render()), Some(cursor));
        assert_eq!(Cursor::parse("7"), None);
        assert_eq!(Cursor::parse("1.x.a:b"), None);
    }
}
