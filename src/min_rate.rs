//! The lowest rate at which a body may move while memory is reserved for it.

use std::time::Duration;

use tokio::time::Instant;

/// The rate, in bytes a second.
const LEAST: usize = 16 << 10;

/// Measures how fast a body moves, in one window after the other.
pub(crate) struct MinRate {
    window: Duration,
    since: Instant,
    moved: usize,
}

/// A body moved more slowly than that, for a whole window.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("less than {least} KiB a second moved for {0:?}", least = LEAST >> 10)]
pub struct Slow(pub Duration);

impl MinRate {
    /// The first window begins now.
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, since: Instant::now(), moved: 0 }
    }

    /// So many bytes moved.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.moved += bytes;
    }

    /// When the window ends.
    pub(crate) fn end(&self) -> Instant {
        self.since + self.window
    }

    /// Called at the end of a window or later: an error if too little moved since its beginning. The next begins now.
    pub(crate) fn check(&mut self) -> Result<(), Slow> {
        let moved = std::mem::take(&mut self.moved);
        self.since = Instant::now();
        let least = LEAST as u128 * self.window.as_millis() / 1000;
        if (moved as u128) < least { Err(Slow(self.window)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_min_rate_counts_each_window_by_itself() {
        let mut rate = MinRate::new(Duration::from_secs(2));
        rate.count(LEAST);
        rate.count(LEAST);
        assert!(rate.check().is_ok());
        rate.count(2 * LEAST - 1);
        assert!(rate.check().is_err(), "what moved before doesn't count");
        assert!(rate.end() > Instant::now() + Duration::from_secs(1));
    }
}
