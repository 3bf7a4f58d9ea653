//! The body of an answer that backref holds whole, with its reservation. The reservation is dropped when all of it is
//! sent, or when the client reads more slowly than the lowest rate.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::task::AbortHandle;

use crate::{
    budget::Reservation,
    min_rate::{MinRate, Slow},
};

/// A body with its reservation.
pub struct HeldBody {
    rest: Arc<Mutex<Rest>>,
    watcher: AbortHandle,
}

struct Rest {
    /// What is not sent yet.
    held: Option<(Bytes, Reservation)>,
    rate: MinRate,
    ended: Option<Slow>,
}

/// Sent at a time.
const PIECE: usize = 64 << 10;

/// Over how long the rate is measured. A socket takes up to a few megabytes at once, and then nothing until a third of
/// them was read: in less time a client that reads steadily can seem to stand still.
const WINDOW: Duration = Duration::from_secs(30);

impl HeldBody {
    /// Has to be made on an event thread.
    pub fn new(bytes: impl Into<Bytes>, reservation: Reservation) -> Self {
        let rest = Rest { held: Some((bytes.into(), reservation)), rate: MinRate::new(WINDOW), ended: None };
        let rest = Arc::new(Mutex::new(rest));
        let watcher = tokio::spawn(watch(rest.clone())).abort_handle();
        Self { rest, watcher }
    }

    /// The next piece: a copy, since a slice that waits in a connection's buffer would keep all of the body in memory.
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
        rest.rate.count(piece.len());
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

/// Ends a body that is read too slowly. `poll_frame` can't: hyper doesn't call it while the socket takes nothing.
async fn watch(rest: Arc<Mutex<Rest>>) {
    loop {
        let end = lock(&rest).rate.end();
        tokio::time::sleep_until(end).await;
        let mut rest = lock(&rest);
        if rest.held.is_none() {
            break;
        }
        if let Err(slow) = rest.rate.check() {
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

    #[tokio::test(start_paused = true)]
    async fn limits_an_answer_that_nobody_reads_gives_its_memory_back() {
        let budget = Budget::new(8 << 20, Duration::from_mins(2));
        let all = budget.for_caller(Part::Body);
        let reservation = budget.reserve(Part::Body, ONE, all).await.unwrap();
        let body = HeldBody::new(vec![b'x'; all], reservation);
        let first = body.next().unwrap().unwrap();
        assert_eq!((first.len(), body.left()), (PIECE, all - PIECE));
        assert!(budget.reserve(Part::Body, ONE, all).await.is_ok(), "waited for, and given back");
        assert!(body.next().unwrap().is_err() && !body.is_at_its_end());
    }

    #[tokio::test(start_paused = true)]
    async fn limits_an_answer_gives_its_memory_back_at_its_end() {
        let budget = Budget::new(8 << 20, Duration::from_mins(2));
        let all = budget.for_caller(Part::Body);
        let reservation = budget.reserve(Part::Body, ONE, all).await.unwrap();
        let body = HeldBody::new(vec![b'x'; PIECE + 1], reservation);
        assert_eq!(body.next().unwrap().unwrap().len(), PIECE);
        assert_eq!((body.next().unwrap().unwrap().len(), body.left(), body.is_at_its_end()), (1, 0, true));
        assert!(budget.reserve(Part::Body, ONE, all).await.is_ok() && body.next().is_none());
    }
}
