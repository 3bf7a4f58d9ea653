//! An answer that backref made, with the memory that is reserved for it: given back when all of it is sent, or when whoever
//! reads it is too slow.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::task::AbortHandle;

use crate::{
    budget::Reservation,
    pace::{Pace, Slow},
};

/// Such an answer's body.
pub struct HeldBody {
    rest: Arc<Mutex<Rest>>,
    watcher: AbortHandle,
}

struct Rest {
    /// What is not sent yet.
    held: Option<(Bytes, Reservation)>,
    pace: Pace,
    ended: Option<Slow>,
}

/// Sent at a time.
const PIECE: usize = 64 << 10;

/// Who reads more slowly for so long is sent away. Sockets take a few megabytes at once, and then nothing before a good part
/// of that was read: how fast a reader is shows only after a while.
const WINDOW: Duration = Duration::from_secs(30);

impl HeldBody {
    /// Has to be made on an event thread.
    pub fn new(bytes: impl Into<Bytes>, reservation: Reservation) -> Self {
        Self::within(bytes.into(), reservation, WINDOW)
    }

    fn within(bytes: Bytes, reservation: Reservation, window: Duration) -> Self {
        let rest = Rest { held: Some((bytes, reservation)), pace: Pace::new(window), ended: None };
        let rest = Arc::new(Mutex::new(rest));
        let watcher = tokio::spawn(watch(rest.clone())).abort_handle();
        Self { rest, watcher }
    }

    /// The next piece: a copy, so that nobody keeps the whole in memory by a part of it.
    pub(super) fn next(&self) -> Option<Result<Bytes, Slow>> {
        let mut rest = lock(&self.rest);
        if let Some(slow) = rest.ended {
            return Some(Err(slow));
        }
        let (bytes, _) = rest.held.as_mut()?;
        let piece = Bytes::copy_from_slice(&bytes.split_to(bytes.len().min(PIECE)));
        if bytes.is_empty() {
            rest.held = None;
        }
        rest.pace.count(piece.len());
        Some(Ok(piece))
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        lock(&self.rest).held.as_ref().map_or(0, |(bytes, _)| bytes.len())
    }

    /// Whether there is nothing more to come.
    pub(super) fn is_at_its_end(&self) -> bool {
        let rest = lock(&self.rest);
        rest.held.is_none() && rest.ended.is_none()
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// Ends a body that is read too slowly. It can't by itself: while a socket takes nothing, a body is not asked for more.
async fn watch(rest: Arc<Mutex<Rest>>) {
    loop {
        let end = lock(&rest).pace.end();
        tokio::time::sleep_until(end).await;
        let mut rest = lock(&rest);
        if rest.held.is_none() {
            break;
        }
        if let Err(slow) = rest.pace.check() {
            tracing::debug!(%slow, "a client reads too slowly");
            rest.ended = Some(slow);
            rest.held = None;
            break;
        }
    }
}

fn lock(rest: &Mutex<Rest>) -> MutexGuard<'_, Rest> {
    // Nothing that holds it can panic half-way.
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        budget::{Budget, Part},
        shares::Holder,
    };

    const ONE: Holder = Holder { caller: [1; 32], address: [1; 32] };

    #[tokio::test]
    async fn limits_an_answer_that_nobody_reads_gives_its_memory_back() {
        let budget = Budget::new(8 << 20, Duration::from_secs(30));
        let all = budget.for_caller(Part::Body);
        let reservation = budget.reserve(Part::Body, ONE, all).await.unwrap();
        let body = HeldBody::within(vec![b'x'; all].into(), reservation, Duration::from_millis(50));
        let first = body.next().unwrap().unwrap();
        assert_eq!((first.len(), body.left()), (PIECE, all - PIECE));
        assert!(budget.reserve(Part::Body, ONE, all).await.is_ok(), "waited for, and given back");
        assert!(body.next().unwrap().is_err() && !body.is_at_its_end());
    }

    #[tokio::test]
    async fn limits_an_answer_gives_its_memory_back_at_its_end() {
        let budget = Budget::new(8 << 20, Duration::from_secs(30));
        let all = budget.for_caller(Part::Body);
        let reservation = budget.reserve(Part::Body, ONE, all).await.unwrap();
        let body = HeldBody::new(vec![b'x'; PIECE + 1], reservation);
        assert_eq!(body.next().unwrap().unwrap().len(), PIECE);
        assert_eq!((body.next().unwrap().unwrap().len(), body.left(), body.is_at_its_end()), (1, 0, true));
        assert!(budget.reserve(Part::Body, ONE, all).await.is_ok() && body.next().is_none());
    }
}
