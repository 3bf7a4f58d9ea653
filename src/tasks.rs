//! Work that goes on when the client it began for has left, and that a drain waits for. There is a bounded amount of it:
//! whoever leaves at once and comes again has no more done than whoever waits.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::shares::{Bounds, Exhausted, Holder, Share, Shares};

/// Detached work, and the sign that it is time to end. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    places: Shares,
}

/// Leave to go on without a client: for one piece of work, and what follows from it.
#[derive(Clone)]
pub struct Place {
    _share: Arc<Share>,
}

impl Tasks {
    /// So much detached work at a time: half of it for the callers at one address, a quarter for one caller. `patience`: how
    /// long a place is waited for.
    pub fn new(most: usize, patience: Duration) -> Self {
        let bounds = Bounds { all: most, for_address: (most / 2).max(1), for_caller: (most / 4).max(1) };
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        Self { tracker, stop, places: Shares::new(bounds, patience) }
    }

    /// A place for detached work, waited for while nothing was begun. Whoever has one waits for no other.
    pub async fn place(&self, holder: Holder) -> Result<Place, Exhausted> {
        Ok(Place { _share: Arc::new(self.places.take(holder, 1).await?) })
    }

    /// Starts work that runs to its end, whatever becomes of the caller; what this gives waits for it. `None`: it panicked,
    /// and the log has it.
    pub fn detached<T: Send + 'static>(
        &self,
        place: Place,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> {
        // In a box: it would be copied at each step on its way to the event loop.
        let work = Box::pin(work);
        let task = self.tracker.spawn(async move {
            let done = work.await;
            drop(place);
            done
        });
        async { task.await.ok() }
    }

    /// Starts work that nobody waits for.
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.tracker.spawn(work));
    }

    /// How much of both is under way.
    pub fn count(&self) -> usize {
        self.tracker.len()
    }

    /// Ends waits for a time that is better to come: what is to be done is done now.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until a moment, or until [`Tasks::stop`].
    pub async fn sleep_until(&self, moment: tokio::time::Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(moment) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Waits until all of it is done; more may be started meanwhile.
    pub async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
