//! Work that goes on when the client it began for has left, and that a drain waits for.

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Detached work, and the sign that it is time to end. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts work that runs to its end, whatever becomes of the caller; what this gives waits for it. `None`: it panicked,
    /// and the log has it.
    pub fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> {
        let task = self.tracker.spawn(work);
        async { task.await.ok() }
    }

    /// Starts work that nobody waits for.
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.tracker.spawn(work));
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
