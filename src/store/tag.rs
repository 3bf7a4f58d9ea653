//! What is remembered about referrers tags (distribution-spec 1.1, "Referrers Tag Schema").

use crate::oci::Digest;

/// What is known about the referrers tag of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagState {
    /// Of the set on record.
    pub version: i64,
    /// The last version of which the tag is known to hold all.
    pub tag_version: i64,
    /// The index that the tag was last known to resolve to.
    pub tag: Option<Digest>,
    /// That index has backref's mark.
    pub marked: bool,
    /// Until then something that was sent earlier may still change the tag: microseconds since 1970.
    pub unsettled_until: Option<i64>,
    /// When the tag was last read: microseconds since 1970.
    pub checked_at: Option<i64>,
}

impl TagState {
    /// The upstream's tag is behind what is on record. There is no other record of that.
    pub fn is_owed(&self) -> bool {
        self.version > self.tag_version
    }
}

/// What became of a referrers tag.
#[derive(Clone, Debug)]
pub struct TagEnd {
    /// What it holds now, if that is known.
    pub holds: Option<Holds>,
    /// Until then something may still change it.
    pub unsettled_until: Option<i64>,
    /// Gives the turn back.
    pub over: bool,
}

/// What a referrers tag holds.
#[derive(Clone, Debug)]
pub struct Holds {
    /// The version of which it has all.
    pub version: i64,
    /// The index that it resolves to; `None`: there is no tag.
    pub tag: Option<Digest>,
    /// The index has backref's mark.
    pub marked: bool,
}

/// How much is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// Referrers tags that are behind what is on record.
    pub tags: i64,
    /// Pushes and deletes whose outcome is not known, or that are under way.
    pub attempts: i64,
}
