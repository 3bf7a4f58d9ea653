//! A look at a referrers tag: what it resolves to, what of that is true, and what that says of the rows.

use std::collections::HashSet;

use http::{StatusCode, header};

use super::{
    content::Content,
    entries::Checked,
    keeper::{ReferrersTags, tag_uri},
};
use crate::{
    error::Error,
    oci::{Algorithm, Digest, Listed, MediaType, ReferrersList},
    referrers::ManifestKey,
    relations,
    step::step,
    store::{TagIndex, TagLook, TagState},
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

/// What a look at a tag found. What is true of it is in the database.
pub(super) enum Look {
    /// There is no tag: to this caller.
    Nothing,
    /// The index that is recorded.
    Known(Digest),
    /// Another list.
    List(Read),
    /// Something that is no list of this subject's referrers.
    Foreign(Option<Digest>),
}

/// A list that was read, and each of its entries looked up.
pub(super) struct Read {
    pub(super) index: Digest,
    pub(super) marked: bool,
    /// The referrers that it names.
    named: Vec<Digest>,
    pub(super) checked: Checked,
}

impl Read {
    /// The digests of the referrers that it names.
    pub(super) fn named(&self) -> &[Digest] {
        &self.named
    }

    /// Those that it names as referrers are listed in `content` still: who was deleted since may have come back around
    /// backref, and is asked about again.
    pub(super) fn is_in(&self, content: &Content) -> bool {
        let listed: HashSet<&Digest> = content.entries.iter().map(|entry| &entry.digest).collect();
        self.named.iter().all(|digest| listed.contains(digest))
    }

    /// It names whoever is listed, and nobody else.
    fn is_all(&self, content: &Content) -> bool {
        let named: HashSet<&Digest> = self.named.iter().collect();
        self.checked.is_sound() && self.is_in(content) && content.entries.iter().all(|one| named.contains(&one.digest))
    }
}

impl Look {
    /// What the tag resolves to.
    pub(super) fn index(&self) -> Option<&Digest> {
        match self {
            Self::Nothing => None,
            Self::Known(digest) => Some(digest),
            Self::List(read) => Some(&read.index),
            Self::Foreign(digest) => digest.as_ref(),
        }
    }

    /// The tag certainly doesn't name a referrer. The recorded index may be an old one: whether it does isn't known.
    pub(super) fn lacks(&self, referrer: &Digest) -> bool {
        match self {
            Self::Nothing | Self::Foreign(_) => true,
            Self::Known(_) => false,
            Self::List(read) => !read.named.contains(referrer),
        }
    }

    /// Entries of which nothing could be said.
    pub(super) fn undecided(&self) -> &[Listed] {
        if let Self::List(read) = self { &read.checked.undecided } else { &[] }
    }

    /// Another tool's.
    pub(super) fn foreign(&self) -> &[Listed] {
        if let Self::List(read) = self { &read.checked.foreign } else { &[] }
    }
}

impl ReferrersTags {
    /// Looks at a tag, and puts what is true of it into the database. `known`: the index that is recorded.
    pub(super) async fn look(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        known: Option<&Digest>,
    ) -> Result<Look, Error> {
        let found = find(self, registry, subject, known).await?;
        step("tag-found");
        let (index, list) = match found {
            Found::Nothing => return Ok(Look::Nothing),
            Found::Known(digest) => return Ok(Look::Known(digest)),
            Found::Foreign(digest) => return Ok(Look::Foreign(digest)),
            Found::List(index, list) => (index, list),
        };
        let checked = self.check(registry, subject, &list).await?;
        if checked.is_foreign(&list) {
            return Ok(Look::Foreign(Some(index)));
        }
        let named = list.entries.into_iter().map(|entry| entry.digest);
        let named = named.filter(|digest| !checked.unlisted.contains(digest)).collect();
        Ok(Look::List(Read { index, marked: list.marked, named, checked }))
    }

    /// Writes down what a look says of the rows. `before`: what was known of the tag before it.
    pub(super) async fn write_down(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        before: &TagState,
        look: &Look,
    ) -> Result<(), Error> {
        let content = match look {
            Look::Known(_) if !before.is_stale() => None,
            _ => match self.content(registry, subject, &[]).await {
                // It can't be written whole; it was read all the same.
                Err(Error::TagTooLarge) => None,
                content => Some(content?),
            },
        };
        let has_all = match (look, &content) {
            (Look::Known(_), None) => !before.is_stale(),
            (_, None) => false,
            (Look::Known(index), Some(content)) => {
                content.render(subject).is_some_and(|(rendered, _)| rendered == *index)
            }
            (Look::List(read), Some(content)) => read.is_all(content),
            (Look::Nothing | Look::Foreign(_), Some(content)) => content.entries.is_empty(),
        };
        // Then the tag need not have it, and what it names is compared should it have to.
        let is_listed = relations::lists_pushes(&*self.store, registry.upstream(), &subject.repository).await?;
        let has_all = has_all || is_listed;
        let index = match look {
            _ if is_listed => None,
            Look::Known(digest) => Some(digest),
            // Known by its digest, it would not be read again: nor what it names by then.
            Look::List(read) => Some(&read.index).filter(|_| read.checked.is_all()),
            Look::Nothing | Look::Foreign(_) => None,
        };
        let marked = match look {
            Look::Known(_) => before.marked,
            Look::List(read) => read.marked,
            Look::Nothing | Look::Foreign(_) => false,
        };
        let added = if let Look::List(read) = look { read.checked.added } else { 0 };
        // Something that was sent before the look could still have changed the tag since.
        let version = if before.standing().is_none() { before.version + added } else { before.tag_version };
        let index = index.map(|digest| TagIndex { digest: digest.clone(), since: before.version });
        let seen = TagLook { all_of: has_all.then_some(version), index, marked };
        if let Err(error) = self.store.see_tag(subject, seen, before.writes).await {
            // It is read again in time; what it named has its rows.
            tracing::warn!(%error, "what a referrers tag holds could not be written down");
        }
        Ok(())
    }
}
