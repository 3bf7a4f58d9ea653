//! Work that would hold up the admin listener's event loop, on threads of its own.

use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
};

/// So many at a time.
static PLACES: Semaphore = Semaphore::const_new(16);

/// Does something on another thread. `Err` says why it was not done.
pub(super) async fn aside<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T, String>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let place = PLACES.acquire().await.map_err(|error| error.to_string())?;
    let (runtime, (tell, told)) = (Handle::current(), oneshot::channel());
    let thread = std::thread::Builder::new().name("page".to_owned());
    let run = move || {
        // Whoever asked may have left.
        drop(tell.send(runtime.block_on(work())));
        drop(place);
    };
    thread.spawn(run).map_err(|error| error.to_string())?;
    told.await.map_err(|_| "the thread that did it ended".to_owned())
}
