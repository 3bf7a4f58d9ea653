//! What the registry lets a caller do, and how it refuses the rest.

use crate::upstream::{Answer, Change};

/// A caller's rights in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rights {
    All,
    /// May read and delete, not push: a token with the scope `delete,pull`.
    Deletes,
    /// May read and push, not delete.
    Pushes,
    /// May read. Writes are refused in any way.
    Reads,
    /// Nothing: reads get a 401 or 403, writes are refused in any way.
    Denied,
    /// Nothing: reads get a 404, writes are refused in any way.
    Hidden,
}

/// What a caller sees of the repository.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Shown,
    /// 401 or 403.
    Denied,
    /// 404 for what is there, too.
    Hidden,
}

impl Rights {
    pub(crate) fn view(self) -> View {
        match self {
            Self::Denied => View::Denied,
            Self::Hidden => View::Hidden,
            _ => View::Shown,
        }
    }

    pub(crate) fn deletes(self) -> bool {
        matches!(self, Self::All | Self::Deletes)
    }

    pub(crate) fn pushes(self) -> bool {
        matches!(self, Self::All | Self::Pushes)
    }

    /// A stranger: none of its changes is ever carried out.
    pub(crate) fn changes_nothing(self) -> bool {
        !self.pushes() && !self.deletes()
    }

    pub(crate) fn may(self, change: Change) -> bool {
        match change {
            Change::Put(_) | Change::Tag(_) => self.pushes(),
            Change::Delete(_) => self.deletes(),
        }
    }

    /// How a change is refused. To a push or a write of the tag each refusal means the same.
    pub(crate) fn refusals(change: Change) -> &'static [Answer] {
        match change {
            Change::Delete(_) => &[Answer::No, Answer::Protected, Answer::NotFound],
            Change::Put(_) | Change::Tag(_) => &[Answer::No],
        }
    }
}
