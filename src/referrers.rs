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
    /// For filters; as "Listing Referrers" derives it.
    pub artifact_type: Option<String>,
    /// The created annotation, in microseconds since 1970.
    pub created: Option<i64>,
    /// The descriptor as lists give it, rendered once.
    pub descriptor: String,
    /// What was pushed, where the upstream holds another form of it.
    pub pushed: Option<Pushed>,
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

/// What a manifest says that was not pushed yet. Small: the manifest itself is not needed any more.
pub struct Claim(Relation);

impl Claim {
    /// The claim of a manifest that has a subject.
    pub fn of(referrer: ManifestKey, raw: &RawManifest, manifest: &Manifest) -> Option<Self> {
        let subject = manifest.subject.as_ref()?;
        Some(Self(Relation {
            subject: subject.digest.clone(),
            via: subject.via,
            artifact_type: manifest.artifact_type.clone(),
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

/// What a list is asked by.
#[derive(Clone, Debug)]
pub struct Query {
    /// Whose referrers.
    pub subject: ManifestKey,
    /// The subject's other form: who refers to either is of one set.
    pub alias: Option<Digest>,
    /// Only these artifact types; none: all.
    pub artifact_types: Vec<String>,
    /// Only what comes after it.
    pub after: Option<Cursor>,
    /// At most this many.
    pub limit: usize,
    /// Which comes first.
    pub order: Order,
    /// As it was pushed, where the upstream holds another form.
    pub originals: bool,
    /// Those too whose bytes name no `subject`.
    pub without_subject: bool,
    /// What stands before the list in the answer's body, which is built in place.
    pub opening: &'static str,
    /// At most this many bytes of a list, but one descriptor always.
    pub max_bytes: usize,
}

impl Query {
    /// The subject, in each of its forms.
    pub fn subjects(&self) -> Vec<ManifestKey> {
        let alias = self.alias.iter().map(|digest| self.subject.sibling(digest.clone()));
        std::iter::once(self.subject.clone()).chain(alias).collect()
    }
}

/// Which comes first in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// What arrived first: cosign takes the last.
    Arrival,
    /// What was created last; without a created annotation, after all that have one.
    Newest,
}

/// A place in a list, by what never changes about its entry: it stays right while others come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A piece of a list.
#[derive(Debug)]
pub struct Page {
    /// The query's opening, and rendered descriptors with commas between them.
    pub body: Vec<u8>,
    /// Where the next piece starts; `None` at the end.
    pub next: Option<Cursor>,
    /// There was more, but no room for it.
    pub full: bool,
    max_len: usize,
    empty: bool,
}

impl Page {
    /// As much as several clients read of an answer (containerd's limit), less room for what stands around the list.
    pub const MAX_BYTES: usize = (4 << 20) - 4096;

    /// A page without entries.
    pub fn new(query: &Query) -> Self {
        let body = query.opening.as_bytes().to_vec();
        Self { max_len: body.len() + query.max_bytes, body, next: None, full: false, empty: true }
    }

    /// Whether nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Appends a descriptor; `false` when it doesn't fit, which the first always does.
    pub fn push(&mut self, descriptor: &[u8]) -> bool {
        if !self.empty {
            self.full = self.body.len() + 1 + descriptor.len() > self.max_len;
            if self.full {
                return false;
            }
            self.body.push(b',');
        }
        self.empty = false;
        self.body.extend_from_slice(descriptor);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let cursor = Cursor { created: i64::MIN, arrival: -3, digest: Digest::parse("a+b.c:x=_-").unwrap() };
        assert_eq!(Cursor::parse(&cursor.render()), Some(cursor));
        assert_eq!(Cursor::parse("7"), None);
        assert_eq!(Cursor::parse("1.x.a:b"), None);
    }

    #[test]
    fn a_page_takes_what_fits_and_the_first_always() {
        let subject = ManifestKey {
            upstream: "up".into(),
            repository: Repository::parse("a").unwrap(),
            digest: Digest::parse("a:b").unwrap(),
        };
        let opening = "[";
        let query = Query {
            subject,
            alias: None,
            artifact_types: vec![],
            after: None,
            limit: 9,
            order: Order::Arrival,
            originals: false,
            without_subject: false,
            opening,
            max_bytes: 3,
        };
        let mut page = Page::new(&query);
        assert!(page.push(b"long") && !page.push(b"y") && page.full);
        let mut page = Page::new(&query);
        assert!(page.push(b"a") && page.push(b"b") && !page.push(b"c"));
        assert_eq!(page.body, b"[a,b");
    }
}
