//! Work that goes on when the client it began for has left, and that a drain waits for. A client that left holds no
//! connection any more, so that the bound on connections doesn't bound it: detached work has places of its own.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    context,
    shares::{Bounds, Exhausted, Holder, Share, Shares},
    throttle::Throttle,
};

/// Detached work, and the sign that it is time to end. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    places: Shares,
    throttle: Arc<Throttle>,
}

/// A place for one piece of detached work and what belongs to it. It is free again when all clones are dropped.
#[derive(Clone)]
pub struct Place {
    _share: Arc<Share>,
    /// One of the few for whoever was refused a change just now.
    _refused: Option<Arc<Share>>,
    holder: Holder,
    throttle: Arc<Throttle>,
}

impl Place {
    /// The upstream answered the change for which this was taken: of whoever is refused, few go on at a time from then on.
    pub fn answered(&self, status: StatusCode) {
        self.throttle.answered(self.holder, status);
    }
}

impl Tasks {
    /// `most`: how many places there are. The callers at one address may have half of them, one caller a quarter.
    /// `patience`: how long a place is waited for.
    pub fn new(most: usize, patience: Duration) -> Self {
        let bounds = Bounds { all: most, for_address: (most / 2).max(1), for_caller: (most / 4).max(1) };
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let throttle = Arc::new(Throttle::new(patience));
        Self { tracker, stop, places: Shares::new(bounds, patience), throttle }
    }

    /// A place, waited for in the queue. Whoever has a place must not wait for another one.
    pub async fn place(&self, holder: Holder) -> Result<Place, Exhausted> {
        self.place_beside(holder, None).await
    }

    /// The same for a push or delete: of whoever was refused one just now, few go on at a time.
    pub async fn place_for_change(&self, holder: Holder) -> Result<Place, Exhausted> {
        let refused = self.throttle.place(holder).await?.map(Arc::new);
        self.place_beside(holder, refused).await
    }

    async fn place_beside(&self, holder: Holder, refused: Option<Arc<Share>>) -> Result<Place, Exhausted> {
        let share = Arc::new(self.places.take(holder, 1).await?);
        Ok(Place { _share: share, _refused: refused, holder, throttle: self.throttle.clone() })
    }

    /// Starts work that runs to its end, whatever becomes of the caller; what this gives waits for it. `None`: it
    /// panicked, and the log has it.
    pub fn detached<T: Send + 'static>(
        &self,
        place: Place,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> {
        // In a box: it would be copied at each step on its way to the event loop.
        let work = Box::pin(work);
        let task = self.tracker.spawn(context::carried(async move {
            let done = work.await;
            drop(place);
            done
        }));
        async { task.await.ok() }
    }

    /// How many tasks run.
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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn limits_detached_work_keeps_its_place_until_all_of_it_is_done() {
        let holder = Holder { caller: [1; 32], address: [1; 32] };
        let tasks = Tasks::new(4, Duration::from_secs(1));
        let place = tasks.place(holder).await.unwrap();
        let (end, ended) = oneshot::channel::<()>();
        // What belongs to it goes on when it is done itself.
        let more = tasks.detached(place.clone(), async { ended.await.is_ok() });
        assert_eq!(tasks.detached(place, async { 7 }).await, Some(7));
        assert!(tasks.place(holder).await.is_err() && tasks.count() == 1);
        end.send(()).unwrap();
        assert_eq!(more.await, Some(true));
        let place = tasks.place(holder).await.unwrap();
        let panics = || -> () { panic!("as a bug would") };
        assert_eq!(tasks.detached(place, async move { panics() }).await, None);
        assert!(tasks.place(holder).await.is_ok());
    }
}
