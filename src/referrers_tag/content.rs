//! What a subject's referrers tag should hold.

use super::keeper::ReferrersTags;
use crate::{
    error::Error,
    oci::{Digest, Listed, MAX_MANIFEST, ReferrersList},
    referrers::ManifestKey,
    upstream::Registry,
};

/// More than what an index of 4 MiB is made from, if it can be made at all.
const MAX_LIST: usize = 16 << 20;

/// The rows that belong into the tag, and of which version of the set they are.
pub(super) struct Content {
    pub(super) version: i64,
    pub(super) entries: Vec<Listed>,
}

impl ReferrersTags {
    /// Who is listed, in order of arrival, and then what is kept as it was found. [`Error::TagTooLarge`] where that is more
    /// than any tag can hold.
    pub(super) async fn content(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        as_found: &[Listed],
    ) -> Result<Content, Error> {
        // The version first: what comes in between makes the tag newer than is written down, never older.
        let version = self.store.tag(subject).await?.map_or(0, |state| state.version);
        let other_form = self.forms(subject).await.into_iter().nth(1).map(|form| form.digest);
        let without_subject = registry.upstream().referrers.without_subject;
        let entries = self.store.entries(subject, other_form.as_ref(), without_subject, MAX_LIST).await?;
        let mut entries = entries.ok_or(Error::TagTooLarge)?;
        if !as_found.is_empty() {
            let listed: std::collections::HashSet<&Digest> = entries.iter().map(|entry| &entry.digest).collect();
            let more = as_found.iter().filter(|one| !listed.contains(&one.digest)).cloned();
            let more: Vec<Listed> = more.collect();
            entries.extend(more);
        }
        Ok(Content { version, entries })
    }

    /// The list of a subject's referrers as the tag should have it, for an operator.
    pub async fn list(&self, registry: &Registry, subject: &ManifestKey) -> Result<Vec<Listed>, Error> {
        Ok(self.content(registry, subject, &[]).await?.entries)
    }
}

impl Content {
    /// As an index; `None` where that is longer than registries take.
    pub(super) fn render(&self, subject: &ManifestKey) -> Option<(Digest, bytes::Bytes)> {
        let descriptors = self.entries.iter().map(|entry| &*entry.descriptor);
        ReferrersList::render(&subject.digest, descriptors, MAX_MANIFEST)
    }
}
