//! Who opens a store.

/// Who opens a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFor {
    /// `backref serve`. On a file it is the only one, so that every attempt it finds there is an orphan; on a database that
    /// several share it is one of them.
    Serving,
    /// A command, beside a running `serve` or alone.
    Command,
}

impl OpenFor {
    /// Names this process in its attempts and leases.
    pub(super) fn owner(self) -> String {
        let kind = match self {
            Self::Serving => "serve",
            Self::Command => "command",
        };
        format!("{kind}-{:016x}", crate::random::u64())
    }
}
