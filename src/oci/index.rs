//! The entries of an image index (image-spec 1.1, image-index.md).

use serde_json::value::RawValue;

use super::{digest::Digest, json};

/// How many entries of an index are looked at. A manifest of four MiB has no more: the shortest descriptor with a
/// sha256 digest and what the specification requires has 110 bytes.
pub(super) const MAX_ENTRIES: usize = 40_000;

/// One entry of an index, as it is written.
pub(super) struct Entry<'a> {
    pub(super) raw: &'a RawValue,
    /// Of two digests the last, as most readers have it.
    digest: Option<&'a RawValue>,
    /// Two readers could read two digests.
    ambiguous: bool,
    /// It is for one platform: an image, which refers to nobody.
    pub(super) has_platform: bool,
}

impl<'a> Entry<'a> {
    fn read(raw: &'a RawValue) -> Self {
        let mut entry = Self { raw, digest: None, ambiguous: false, has_platform: false };
        if !raw.get().starts_with('{') {
            return entry;
        }
        // Invariant: JSON that begins with a brace is an object, so this doesn't fail.
        let _ = json::members(raw.get(), &["digest", "platform"], |name, exact, value| {
            if name == 0 {
                entry.ambiguous |= entry.digest.replace(value).is_some() || !exact;
            } else {
                entry.has_platform |= !json::is_null(value);
            }
        });
        entry
    }

    /// The digest that most readers read; `None` where that is none.
    pub(super) fn digest(&self) -> Option<Digest> {
        Digest::parse(&json::string(self.digest?)?).ok()
    }

    /// The digest that every reader reads.
    pub(super) fn only_digest(&self) -> Option<Digest> {
        self.digest().filter(|_| !self.ambiguous)
    }
}

/// Visits the entries of `manifests`, an index's field. An error: it is no array of at most [`MAX_ENTRIES`].
pub(super) fn each_entry<'a>(
    manifests: &'a RawValue,
    mut visit: impl FnMut(Entry<'a>),
) -> Result<(), serde_json::Error> {
    json::elements(manifests.get(), MAX_ENTRIES, |raw| visit(Entry::read(raw)))
}
