//! Connections that wait for their next request: one pool for each thread, since a connection is driven by the event
//! loop of the thread that opened it. A thread uses its own pool only. Another takes its lock just to close something
//! unused, where all places are taken.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    client::conn::{TrySendError, http1::SendRequest},
};

use super::{places::Places, received::Received};

/// An open connection. `B` is the body of its requests.
pub(in crate::upstream) struct Link<B> {
    sender: SendRequest<B>,
    received: Arc<Received>,
}

/// A connection that nobody uses.
struct Idle<B> {
    link: Link<B>,
    since: Instant,
}

/// One thread's unused connections, the last used first.
pub(in crate::upstream) struct Pool<B> {
    idle: Mutex<VecDeque<Idle<B>>>,
    /// Its number among those of the process.
    number: usize,
    most: usize,
    keep: Duration,
    places: Arc<Places<Link<B>>>,
}

/// A connection whose answer is on its way.
pub(in crate::upstream) struct InUse<B> {
    link: Link<B>,
    /// Where it goes at the end. Without, it is closed.
    pool: Option<Arc<Pool<B>>>,
}

impl<B> Link<B> {
    pub(super) fn new(sender: SendRequest<B>, received: Arc<Received>) -> Self {
        Self { sender, received }
    }

    /// Waits until it can take a request. `false` if it never will.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Whether the upstream may be done with it, since it has answered a request before.
    pub(in crate::upstream) fn is_used(&self) -> bool {
        self.received.is_answered()
    }

    /// Whether a byte of the answer to its last request came.
    pub(in crate::upstream) fn has_received(&self) -> bool {
        self.received.has_any()
    }
}

impl<B: Body + 'static> Link<B> {
    /// Sends a request, and waits for the head of its answer. Then comes [`Self::answered`].
    pub(in crate::upstream) fn send(
        &mut self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<B>>>> + use<B> {
        self.received.expect();
        self.sender.try_send_request(request)
    }

    /// The head of an answer is there.
    pub(in crate::upstream) fn answered(&self) {
        self.received.answered();
    }
}

impl<B> Pool<B> {
    /// A pool that keeps at most `most` connections, each unused for at most `keep`.
    pub(super) fn new(number: usize, most: usize, keep: Duration, places: Arc<Places<Link<B>>>) -> Self {
        Self { idle: Mutex::new(VecDeque::with_capacity(most)), number, most, keep, places }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The last used of the connections that are still open.
    pub(super) fn take(&self) -> Option<Link<B>> {
        let mut idle = self.lock();
        while let Some(last) = idle.pop_back() {
            if self.is_fresh(&last) {
                return Some(last.link);
            }
        }
        None
    }

    /// The one that is unused for longest, to be closed.
    pub(super) fn take_oldest(&self) -> Option<Link<B>> {
        let mut idle = self.lock();
        while let Some(first) = idle.pop_front() {
            if !first.link.sender.is_closed() {
                return Some(first.link);
            }
        }
        None
    }

    fn put(&self, link: Link<B>) {
        let mut idle = self.lock();
        while idle.front().is_some_and(|first| !self.is_fresh(first)) {
            idle.pop_front();
        }
        if link.sender.is_closed() {
            return;
        }
        // Under the lock: whoever waits looked into this pool before, and so is seen here, or looks after it.
        let Some(link) = self.places.offer(link, self.number) else { return };
        if idle.len() < self.most {
            idle.push_back(Idle { link, since: Instant::now() });
        }
    }

    fn is_fresh(&self, idle: &Idle<B>) -> bool {
        !idle.link.sender.is_closed() && idle.since.elapsed() < self.keep
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Idle<B>>> {
        // Nothing that holds it can panic half-way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> InUse<B> {
    pub(in crate::upstream) fn new(link: Link<B>, pool: Option<Arc<Pool<B>>>) -> Self {
        Self { link, pool }
    }

    /// The answer was read to its end.
    pub(in crate::upstream) fn release(self) {
        if let Some(pool) = self.pool {
            pool.put(self.link);
        }
    }
}
