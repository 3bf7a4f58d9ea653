//! When a tag that was written just now is written next: the more it costs, the longer it waits for more to write.

use std::time::Duration;

use tokio::time::Instant;

/// How a tag was written last, and what that means for the next time.
#[derive(Clone, Copy)]
pub(super) struct Backoff {
    /// Of which version all was tried that could be done about it.
    pub(super) version: i64,
    entries: usize,
    /// When the next write is due, whatever there is to write.
    pub(super) again: Instant,
}

/// How long the next write of a long list waits for more to write: at least so long, and so many times as long as the last
/// one took, which bounds the share of the upstream's time that one list can take.
const SPACING: Duration = Duration::from_secs(1);
const SHARE: u32 = 4;
/// But no longer than whoever pushed may be expected to stand by it: their credentials wait as well.
const LONGEST: Duration = Duration::from_secs(30);

/// The next write waits until this part of the list has changed: many pushes to one subject would cost the upstream the
/// square of their number.
pub(super) const PART: usize = 32;

impl Backoff {
    /// After a write of that many entries, which took that long and is over now.
    pub(super) fn after(version: i64, entries: usize, took: Duration) -> Self {
        Self { version, entries, again: Instant::now() + (SHARE * took).clamp(SPACING, LONGEST) }
    }

    /// After a write that came to nothing, as it would with any other content, and any other caller's credentials.
    pub(super) fn futile(version: i64, took: Duration) -> Self {
        Self::after(version, usize::MAX, took)
    }

    /// A write came to nothing not long ago.
    pub(super) fn is_futile(&self) -> bool {
        self.entries == usize::MAX && Instant::now() < self.again
    }

    /// Nothing more can be done about that version now.
    pub(super) fn has_tried(&self, version: i64) -> bool {
        version <= self.version && Instant::now() < self.again
    }

    /// When a write is due that has a set of that version to write; `None`: at once.
    pub(super) fn due(&self, version: i64) -> Option<Instant> {
        // Not since `tag_version`: that stands still while the tag can't have all of a version.
        let changed = usize::try_from(version - self.version).unwrap_or_default().max(1);
        Some(self.again).filter(|again| changed <= self.entries / PART && Instant::now() < *again)
    }
}
