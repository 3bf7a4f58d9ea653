//! Whether any manifest has two forms: where none has, pulls need not ask.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How long a no is believed. Another process may write the first alias: until it is noticed, the manifest is found in the
/// upstream, as when the store is lost. To ask the database each time would cost every pull what is to be saved here.
const BELIEVED: Duration = Duration::from_secs(1);

/// What is known of that.
pub(super) struct Aliased {
    known: AtomicBool,
    opened: Instant,
    /// When it was last looked up, in milliseconds after `opened`.
    looked: AtomicU64,
}

impl Aliased {
    pub(super) fn new(known: bool) -> Self {
        Self { known: AtomicBool::new(known), opened: Instant::now(), looked: AtomicU64::new(0) }
    }

    /// There is one from now on.
    pub(super) fn note(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// Whether there is one; `None`: that is to be looked up, by this caller alone for a while.
    pub(super) fn is_known(&self) -> Option<bool> {
        if self.known.load(Ordering::Relaxed) {
            return Some(true);
        }
        let now = self.opened.elapsed();
        if now < Duration::from_millis(self.looked.load(Ordering::Relaxed)) + BELIEVED {
            return Some(false);
        }
        // Invariant: no process runs for 2^64 milliseconds.
        self.looked.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        None
    }

    /// What was looked up; gives whether there is one.
    pub(super) fn found(&self, found: bool) -> bool {
        self.known.fetch_or(found, Ordering::Relaxed) || found
    }
}
