//! A bound on going slowly: for bodies that hold memory while they move.

use std::time::Duration;

use tokio::time::Instant;

/// The least that has to move in a second, in bytes.
const LEAST: usize = 16 << 10;

/// Follows how fast a body moves, averaged over one window after the other.
pub(crate) struct Pace {
    window: Duration,
    since: Instant,
    moved: usize,
}

/// A body that moved too slowly.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("less than {least} KiB a second moved for {0:?}", least = LEAST >> 10)]
pub struct Slow(pub Duration);

impl Pace {
    /// The first window begins now.
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, since: Instant::now(), moved: 0 }
    }

    /// So many bytes moved.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.moved += bytes;
    }

    /// When to look again.
    pub(crate) fn end(&self) -> Instant {
        self.since + self.window
    }

    /// Whether enough moved, looked at when the window is over; the next begins. One that began long ago is no longer than
    /// the others: whoever could not look was busy with what moved.
    pub(crate) fn check(&mut self) -> Result<(), Slow> {
        let moved = std::mem::take(&mut self.moved);
        self.since = Instant::now();
        let least = u128::from(LEAST as u64) * self.window.as_millis() / 1000;
        if (moved as u128) < least { Err(Slow(self.window)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_pace_is_kept_in_each_window_by_itself() {
        let mut pace = Pace::new(Duration::from_secs(2));
        pace.count(LEAST);
        pace.count(LEAST);
        assert!(pace.check().is_ok());
        pace.count(2 * LEAST - 1);
        assert!(pace.check().is_err(), "what moved before doesn't count");
        assert!(pace.end() > Instant::now() + Duration::from_secs(1));
    }
}
