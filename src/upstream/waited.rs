//! How long a request of a client's waited for its registry, where somebody wants to know.

use std::{cell::Cell, time::Duration};

use tokio::task_local;

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

/// An answer took so long to begin.
pub(super) fn add(elapsed: Duration) {
    // Where nobody wants to know, there is nowhere to add it.
    let _ = WAITED.try_with(|waited| waited.set(waited.get() + elapsed));
}
