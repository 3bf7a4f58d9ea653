//! How long a request of a client's waited for its registry, where somebody wants to know.

use std::{cell::Cell, time::Duration};

use tokio::{task_local, time::Instant};

task_local! {
    static WAITED: Cell<Duration>;
}

/// Does something, and gives how long it waited for answers of registries to begin, taken together.
pub async fn waited<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let measured = async {
        let done = work.await;
        (done, WAITED.with(Cell::get))
    };
    WAITED.scope(Cell::default(), measured).await
}

/// A wait for the beginning of an answer, until it is dropped.
pub(super) struct Waiting(Option<Instant>);

impl Waiting {
    /// Begins one, where somebody wants to know.
    pub(super) fn begin() -> Self {
        Self(WAITED.try_with(|_| Instant::now()).ok())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(since) = self.0 {
            // Nobody wants to know any more where the request was given up.
            let _ = WAITED.try_with(|waited| waited.set(waited.get() + since.elapsed()));
        }
    }
}
