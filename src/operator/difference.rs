//! How what is known of a subject's referrers differs from what the registry says.

use crate::oci::Digest;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The referrer, where it is about one.
    pub referrer: Option<Digest>,
    /// What is different.
    pub kind: DifferenceKind,
}

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum DifferenceKind {
    NotInTag,
    NotInDatabase,
    Untrue,
    Gone,
    Described,
    Order,
    Foreign,
    NotInApi,
    OnlyInApi,
    Unseen,
    Kept,
}

impl DifferenceKind {
    /// For machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotInTag => "not-in-tag",
            Self::NotInDatabase => "not-in-database",
            Self::Untrue => "untrue-in-tag",
            Self::Gone => "gone-from-registry",
            Self::Described => "described-differently",
            Self::Order => "order",
            Self::Foreign => "foreign-tag",
            Self::NotInApi => "not-in-api",
            Self::OnlyInApi => "only-in-api",
            Self::Unseen => "unseen",
            Self::Kept => "kept-in-tag",
        }
    }

    /// For people.
    pub fn message(self) -> &'static str {
        match self {
            Self::NotInTag => "in backref's database, but not in the referrers tag (`backref repair` writes it)",
            Self::NotInDatabase => "in the referrers tag, but not in backref's database (`backref backfill` reads it)",
            Self::Untrue => "in the referrers tag, and not about the subject (`backref repair` takes it out)",
            Self::Gone => "in the referrers tag, and gone from the registry (`backref repair` takes it out)",
            Self::Described => {
                "another artifact type in the referrers tag than in the manifest (`backref repair` writes it)"
            }
            Self::Order => "the referrers tag has another order than backref's database (`backref repair` writes it)",
            Self::Foreign => "something else stands under the referrers tag: it is never written",
            Self::NotInApi => {
                "in backref's database, but not in the registry's own list (`backref migrate` pushes it again)"
            }
            Self::OnlyInApi => {
                "in the registry's own list, but not in backref's database (`backref backfill` reads it)"
            }
            Self::Unseen => "backref's database has referrers, and the registry shows neither them nor the subject",
            Self::Kept => "in the referrers tag for another tool: they don't refer to the subject, and stay there",
        }
    }

    /// Whether something is to be done about it.
    pub fn is_finding(self) -> bool {
        self != Self::Kept
    }

    /// Whether a write of the tag makes up for it.
    pub(super) fn is_of_the_tag(self) -> bool {
        matches!(self, Self::NotInTag | Self::NotInDatabase | Self::Untrue | Self::Gone | Self::Described | Self::Order)
    }

    pub(super) fn of(self, referrer: &Digest) -> Difference {
        Difference { referrer: Some(referrer.clone()), kind: self }
    }

    pub(super) fn at_all(self) -> Difference {
        Difference { referrer: None, kind: self }
    }
}
