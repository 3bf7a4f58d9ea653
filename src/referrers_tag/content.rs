//! What a subject's referrers tag should hold.

use super::keeper::ReferrersTags;
use crate::{
    error::Error,
    oci::{Digest, Listed, MAX_MANIFEST, MediaType, ReferrersList, Repository},
    referrers::ManifestKey,
    relations,
    upstream::{Capabilities, Registry},
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
        let no_indexes = Capabilities::NO_INDEX_IN_AN_INDEX;
        if relations::is_known(&*self.store, registry.upstream(), &subject.repository, no_indexes).await? {
            entries.retain(|entry| !is_index(entry));
        }
        Ok(Content { version, entries })
    }

    /// The upstream refused an index that lists an index, and took the same without it.
    pub(super) async fn learn_no_indexes(&self, registry: &Registry, repository: &Repository) -> Result<(), Error> {
        let what = Capabilities::NO_INDEX_IN_AN_INDEX;
        relations::remember(&*self.store, registry.upstream(), repository, what).await?;
        tracing::info!(%repository, "learned about the registry: referrers that are indexes stay out of referrers tags");
        Ok(())
    }

    /// Those on record, in order of arrival; `by_tag`: those too that refer by a tag alone.
    pub async fn recorded(&self, subject: &ManifestKey, by_tag: bool) -> Result<Vec<Digest>, Error> {
        let other_form = self.known_forms(subject).await?.into_iter().nth(1).map(|form| form.digest);
        let entries = self.store.entries(subject, other_form.as_ref(), by_tag, usize::MAX).await?;
        Ok(entries.ok_or(Error::TagTooLarge)?.into_iter().map(|entry| entry.digest).collect())
    }

    /// The list of a subject's referrers as the tag should have it, for an operator.
    pub async fn list(&self, registry: &Registry, subject: &ManifestKey) -> Result<Vec<Listed>, Error> {
        Ok(self.content(registry, subject, &[]).await?.entries)
    }
}

/// Whether a list's entry is an index.
pub(super) fn is_index(entry: &Listed) -> bool {
    #[derive(serde::Deserialize)]
    struct Descriptor<'a> {
        #[serde(borrow, rename = "mediaType")]
        media_type: std::borrow::Cow<'a, str>,
    }
    let descriptor: Result<Descriptor<'_>, _> = serde_json::from_str(&entry.descriptor);
    descriptor.is_ok_and(|descriptor| MediaType::parse(&descriptor.media_type).is_index())
}

impl Content {
    /// As an index; `None` where that is longer than registries take.
    pub(super) fn render(&self, subject: &ManifestKey) -> Option<(Digest, bytes::Bytes)> {
        let descriptors = self.entries.iter().map(|entry| &*entry.descriptor);
        ReferrersList::render(&subject.digest, descriptors, MAX_MANIFEST)
    }
}
