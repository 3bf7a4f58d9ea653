//! What is known about referrers tags (distribution-spec 1.1, "Referrers Tag Schema"), and which process writes each now.

use std::{ops::ControlFlow, time::Duration};

use async_trait::async_trait;

use super::{error::StoreError, time::StoreTime};
use crate::{
    oci::{Digest, Listed, Repository},
    referrers::ManifestKey,
};

/// Rows of subjects, as far as their tags go.
#[async_trait]
pub trait ReferrersTags {
    /// What is known about a subject's referrers tag; `None` of a subject that nothing refers to.
    async fn tag(&self, subject: &ManifestKey) -> Result<Option<TagState>, StoreError>;

    /// The same of many subjects of one repository, in their order.
    async fn tags(&self, beside: &ManifestKey, subjects: &[Digest]) -> Result<Vec<Option<TagState>>, StoreError>;

    /// Whether a repository has a tag that was last known to resolve to an index with backref's mark.
    async fn has_marked_tags(&self, upstream: &str, repository: &Repository) -> Result<bool, StoreError>;

    /// Takes the lease on a subject's tag, for `lease`: as long as what is sent now may still be carried out. Until then
    /// the tag is unsettled; and it is stale from now on unless `all` is about to be sent. Gives what was known before, with
    /// `writes` as it is now; `None` while another process has the lease.
    async fn begin_tag(
        &self,
        subject: &ManifestKey,
        lease: Duration,
        sends: TagWrite,
    ) -> Result<Option<TagState>, StoreError>;

    /// Writes down what became of the tag, durably; nothing where another process has the lease by now.
    async fn end_tag(&self, subject: &ManifestKey, outcome: TagOutcome) -> Result<(), StoreError>;

    /// Writes down what a look at the tag found, if nobody has begun or ended to write it since `writes` was read, which was
    /// before the look, and no other process has the lease. `false`: somebody has.
    async fn see_tag(&self, subject: &ManifestKey, look: TagLook, writes: i64) -> Result<bool, StoreError>;

    /// Forgets what the tag resolves to, whoever has the lease: it is read before it is written again.
    async fn forget_tag(&self, subject: &ManifestKey) -> Result<(), StoreError>;

    /// Makes the tag stale and forgets what it resolves to: it was seen to differ from the rows.
    async fn mark_stale(&self, subject: &ManifestKey) -> Result<(), StoreError>;

    /// The upstream's own list has a subject's set, up to that version: its tag is stale no more, and what it resolves to is
    /// forgotten.
    async fn need_no_tag(&self, subject: &ManifestKey, version: i64) -> Result<(), StoreError>;

    /// The upstream has no list of its own any more: the tags of a repository that were not needed for it are stale.
    async fn need_tags(&self, upstream: &str, repository: &Repository) -> Result<(), StoreError>;

    /// What a subject's tag should hold, by arrival: who refers to it or to `other_form`. `None` where that is more than
    /// `max_bytes` of descriptors.
    async fn entries(
        &self,
        subject: &ManifestKey,
        other_form: Option<&Digest>,
        without_subject: bool,
        max_bytes: usize,
    ) -> Result<Option<Vec<Listed>>, StoreError>;

    /// The subject whose referrers tag was last known to resolve to `index`.
    async fn subject_of_index(&self, index: &ManifestKey) -> Result<Option<Digest>, StoreError>;
}

/// A tag's entries as they are read, until they are too many.
pub(super) struct Entries {
    taken: Vec<Listed>,
    /// How many more bytes of descriptors there may be; `None`: there were more.
    left: Option<usize>,
}

impl Entries {
    pub(super) fn of_at_most(max_bytes: usize) -> Self {
        Self { taken: Vec::new(), left: Some(max_bytes) }
    }

    /// Takes the next; `Break` once they are too many.
    pub(super) fn take(&mut self, entry: Listed) -> ControlFlow<()> {
        self.left = self.left.and_then(|left| left.checked_sub(entry.descriptor.len()));
        self.taken.push(entry);
        if self.left.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// All of them; `None` where they were too many.
    pub(super) fn all(self) -> Option<Vec<Listed>> {
        self.left.map(|_| self.taken)
    }
}

/// What is known about the referrers tag of one subject; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagState {
    /// Of the subject's set of referrers: grows with every change.
    pub version: i64,
    /// The last version of which the tag is known to hold all.
    pub tag_version: i64,
    /// The index that the tag was last known to resolve to.
    pub index: Option<Digest>,
    /// That index has backref's mark.
    pub marked: bool,
    /// Until then something that was sent earlier may still change the tag.
    pub unsettled_until: Option<StoreTime>,
    /// When the tag was last read.
    pub checked_at: Option<StoreTime>,
    /// Grows whenever a write of the tag begins or ends.
    pub writes: i64,
    /// When this was read.
    pub at: StoreTime,
}

/// What is about to be sent to a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagWrite {
    /// All rows.
    All,
    /// All but one, which may be listed.
    AllButOne,
    /// A client's own list, which may lack any of the rows. Listed rows with an open delete get new versions, so that the
    /// delete asks again: what it deleted may have been pushed anew, into the index that the client overwrites.
    Clients,
}

impl TagState {
    /// The tag lacks a change of the set. There is no other record of that.
    pub fn is_stale(&self) -> bool {
        self.version > self.tag_version
    }

    /// Until when something that was sent before this was read may still change the tag; `None`: nothing may.
    pub fn standing(&self) -> Option<StoreTime> {
        self.unsettled_until.filter(|until| *until > self.at)
    }
}

/// What became of a referrers tag.
#[derive(Clone, Debug)]
pub struct TagOutcome {
    /// What it holds now, if that is known.
    pub holds: Option<TagHolds>,
    /// Nothing was done to it: what was known when the lease was taken holds again, unless somebody forgot or changed it
    /// since.
    pub undo: Option<TagState>,
    /// Until when something may still change it.
    pub unsettled: Option<Until>,
    /// Gives the lease back.
    pub release: bool,
}

/// A moment to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// That one.
    At(StoreTime),
    /// So long from now.
    In(Duration),
}

/// What a referrers tag holds.
#[derive(Clone, Debug)]
pub struct TagHolds {
    /// The version of which it has all.
    pub version: i64,
    /// The index that it resolves to, if each of its entries was a listed row.
    pub index: Option<TagIndex>,
    /// The index has backref's mark.
    pub marked: bool,
}

/// What a look at a referrers tag found.
#[derive(Clone, Debug)]
pub struct TagLook {
    /// The version of which it has all, and nothing else: that counts if it is the version still. `None`: the tag lacks
    /// something, or names too much.
    pub all_of: Option<i64>,
    /// The index that it resolves to, if each of its entries was a listed row.
    pub index: Option<TagIndex>,
    /// The index has backref's mark.
    pub marked: bool,
}

/// An index, each of whose entries was a listed row. It isn't recorded where one of them may be listed no more: it would go
/// on to name who was deleted, and who comes back around backref must be found in it.
#[derive(Clone, Debug)]
pub struct TagIndex {
    /// Its digest.
    pub digest: Digest,
    /// The version of the set before its entries were looked up.
    pub since: i64,
}
