//! What of a client's request goes with the work for it, whichever task does that: how long registries were waited for, and its
//! span. Only where somebody wants to know.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Request;
use tokio::task_local;

use crate::traces::Span;

task_local! {
    static CONTEXT: Option<Arc<Context>>;
}

/// What is known of a request that is being answered.
#[derive(Default)]
pub(crate) struct Context {
    /// In microseconds.
    waited: AtomicU64,
    pub(crate) span: Option<Span>,
}

impl Context {
    pub(crate) fn new(span: Option<Span>) -> Arc<Self> {
        Arc::new(Self { waited: AtomicU64::new(0), span })
    }

    /// Does something within it.
    pub(crate) fn scope<T>(self: Arc<Self>, work: impl Future<Output = T>) -> impl Future<Output = T> {
        CONTEXT.scope(Some(self), work)
    }

    /// How long answers of registries were waited for, taken together.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited.load(Ordering::Relaxed))
    }
}

/// Takes the context along, to another task.
pub(crate) fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    CONTEXT.scope(CONTEXT.try_with(Clone::clone).unwrap_or_default(), work)
}

/// An answer of a registry took so long to begin.
pub(crate) fn add_waited(elapsed: Duration) {
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    within(|context| context.waited.fetch_add(micros, Ordering::Relaxed));
}

/// The span of a request that is about to be sent to a registry.
pub(crate) fn span_of<B>(request: &mut Request<B>) -> Option<Span> {
    within(|context| context.span.as_ref().map(|span| span.of_upstream(request))).flatten()
}

/// Where nobody wants to know, there is none.
fn within<T>(look: impl FnOnce(&Context) -> T) -> Option<T> {
    CONTEXT.try_with(|context| context.as_deref().map(look)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn context_of_a_request_goes_with_its_work_to_other_tasks() {
        let context = Context::new(None);
        let work = async {
            add_waited(Duration::from_millis(2));
            let _ = tokio::spawn(carried(async { add_waited(Duration::from_millis(3)) })).await;
            let _ = tokio::spawn(async { add_waited(Duration::from_millis(100)) }).await;
        };
        context.clone().scope(work).await;
        assert_eq!(context.waited(), Duration::from_millis(5));
        // Without one, nothing is added anywhere.
        carried(async { add_waited(Duration::from_millis(1)) }).await;
    }
}
