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

/// It was not looked up yet.
const NEVER: u64 = u64::MAX;

impl Aliased {
    /// Nothing was looked up yet.
    pub(super) fn new() -> Self {
        Self { known: AtomicBool::new(false), opened: Instant::now(), looked: AtomicU64::new(NEVER) }
    }

    /// There is one from now on.
    pub(super) fn note(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// Whether there is one; `None`: that is to be looked up.
    pub(super) fn is_known(&self) -> Option<bool> {
        if self.known.load(Ordering::Relaxed) {
            return Some(true);
        }
        let looked = self.looked.load(Ordering::Relaxed);
        if looked == NEVER {
            return None;
        }
        if self.opened.elapsed() < Duration::from_millis(looked) + BELIEVED {
            return Some(false);
        }
        // By this caller alone for a while.
        self.look();
        None
    }

    /// What was looked up; gives whether there is one.
    pub(super) fn found(&self, found: bool) -> bool {
        self.look();
        self.known.fetch_or(found, Ordering::Relaxed) || found
    }

    fn look(&self) {
        // Invariant: no process runs for 2^64 milliseconds.
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(NEVER - 1);
        self.looked.store(now, Ordering::Relaxed);
    }
}
