//! Whom a manifest refers to: its `subject` field (image-spec 1.1, manifest.md), or `refers` of Proposal E.

use serde_json::value::RawValue;

use super::error::ManifestError;
use crate::oci::{digest::Digest, json};

/// Whom a manifest refers to, and by which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The subject's digest, as it was written.
    pub digest: Digest,
    /// How the relation is known.
    pub via: Via,
}

/// How a relation is known. Only `subject` counts for the OCI 1.1 list (distribution-spec 1.1, "Listing Referrers").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The `subject` field.
    Subject,
    /// The `refers` field of the reference-types working group's Proposal E.
    Refers,
    /// A tag that names the subject; the manifest itself names none.
    Tag,
}

/// What all members together name that some reader takes for one field.
#[derive(Default)]
pub(super) enum Named {
    /// There is no such member.
    #[default]
    Absent,
    /// Nobody, for every reader: `null`, or an object without a digest.
    Nobody,
    /// One digest, in one member. `folded`: a key that only readers which fold case take for this one.
    One { digest: Digest, folded: Option<&'static str> },
    /// A digest for some readers; another one, or none, for others.
    Ambiguous(ManifestError),
    /// Something that gives no reader a digest in its grammar.
    Malformed(ManifestError),
}

impl Named {
    /// Takes one more member of this field into account.
    pub(super) fn add(&mut self, field: &'static str, exact: bool, value: &RawValue) {
        if !matches!(self, Self::Ambiguous(_)) {
            *self = std::mem::take(self).and(Self::of_member(field, exact, value), field);
        }
    }

    /// What two members of one name say: nothing together if either alone names a digest.
    fn and(self, other: Self, name: &'static str) -> Self {
        match (self, other) {
            (Self::Absent, only) | (only, Self::Absent) => only,
            (Self::Nobody, Self::Nobody) => Self::Nobody,
            (Self::One { .. } | Self::Ambiguous(_), _) | (_, Self::One { .. } | Self::Ambiguous(_)) => {
                Self::Ambiguous(ManifestError::Duplicate(name))
            }
            _ => Self::Malformed(ManifestError::Duplicate(name)),
        }
    }

    fn of_member(field: &'static str, exact: bool, value: &RawValue) -> Self {
        let no_descriptor = || Self::Malformed(ManifestError::Subject { field, reason: "is no descriptor" });
        match value.get() {
            "null" => return Self::Nobody,
            object if object.starts_with('{') => {}
            _ => return no_descriptor(),
        }
        let mut named = Self::Absent;
        let digests = json::members(value.get(), &["digest"], |_, exact, digest| {
            if !matches!(named, Self::Ambiguous(_)) {
                named = std::mem::take(&mut named).and(Self::of_digest(field, exact, digest), "digest");
            }
        });
        match (digests, named) {
            (Err(_), _) => no_descriptor(),
            (Ok(()), Self::Absent) => Self::Nobody,
            (Ok(()), Self::One { digest, folded: None }) if !exact => Self::One { digest, folded: Some(field) },
            (Ok(()), named) => named,
        }
    }

    /// Empty is as good as absent: Go writes and reads it so.
    fn of_digest(field: &'static str, exact: bool, value: &RawValue) -> Self {
        match json::string(value).map(|text| (text.is_empty(), Digest::parse(&text))) {
            Some((true, _)) => Self::Nobody,
            None if json::is_null(value) => Self::Nobody,
            Some((_, Ok(digest))) => Self::One { digest, folded: (!exact).then_some("digest") },
            _ => Self::Malformed(ManifestError::Subject { field, reason: "has a digest that is none" }),
        }
    }

    /// The digest by the strict rule, of manifests that are pushed: one that is ambiguous is an error, one that is
    /// malformed is none.
    fn strictly(self) -> Result<Option<Digest>, ManifestError> {
        match self {
            Self::Absent | Self::Nobody | Self::Malformed(_) => Ok(None),
            Self::One { digest, folded: None } => Ok(Some(digest)),
            Self::One { folded: Some(name), .. } => Err(ManifestError::CaseFolded(name)),
            Self::Ambiguous(error) => Err(error),
        }
    }

    /// The digest by the lenient rule, of manifests that are read: whatever leaves a doubt is an error.
    fn leniently(self) -> Result<Option<Digest>, ManifestError> {
        match self {
            Self::Absent | Self::Nobody => Ok(None),
            Self::One { digest, .. } => Ok(Some(digest)),
            Self::Ambiguous(error) | Self::Malformed(error) => Err(error),
        }
    }
}

/// The subject of a manifest that is pushed. An error: two readers could read two subjects, or one of them none.
pub(super) fn strictly(subject: Named, refers: Named) -> Result<Option<Subject>, ManifestError> {
    either(subject.strictly()?, refers.strictly()?)
}

/// The subject of a manifest that is read. An error: there is a doubt whether it has one, or which.
pub(super) fn leniently(subject: Named, refers: Named) -> Result<Option<Subject>, ManifestError> {
    let subject = subject.leniently()?;
    let refers = match refers {
        // An unknown property, as far as anybody knows.
        Named::Malformed(_) if subject.is_some() => None,
        refers => refers.leniently()?,
    };
    either(subject, refers)
}

fn either(subject: Option<Digest>, refers: Option<Digest>) -> Result<Option<Subject>, ManifestError> {
    match (subject, refers) {
        (Some(subject), Some(refers)) if subject != refers => Err(ManifestError::TwoSubjects),
        (Some(digest), _) => Ok(Some(Subject { digest, via: Via::Subject })),
        (None, refers) => Ok(refers.map(|digest| Subject { digest, via: Via::Refers })),
    }
}
