//! Connections that wait for their next request: one pool for each thread, since a connection is driven by the event
//! loop of the thread that opened it. A thread takes from its own pool only, so the pool's lock is never waited for.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::client::conn::http1::SendRequest;
use thread_local::ThreadLocal;

/// One upstream's pools. `B` is the body of its requests.
pub(in crate::upstream) struct Pools<B: Send> {
    threads: ThreadLocal<Arc<Pool<B>>>,
    most: usize,
    keep: Duration,
}

/// One thread's unused connections, the last used first.
pub(in crate::upstream) struct Pool<B> {
    idle: Mutex<VecDeque<Link<B>>>,
    most: usize,
    keep: Duration,
}

/// An open connection.
pub(in crate::upstream) struct Link<B> {
    pub(in crate::upstream) sender: SendRequest<B>,
    /// Of its last use.
    pub(in crate::upstream) since: Instant,
}

/// A connection whose answer is on its way.
pub(in crate::upstream) struct InUse<B> {
    link: Link<B>,
    pool: Arc<Pool<B>>,
}

impl<B: Send> Pools<B> {
    /// Pools that keep at most `most` connections each, unused for at most `keep`.
    pub(in crate::upstream) fn new(most: usize, keep: Duration) -> Self {
        Self { threads: ThreadLocal::new(), most, keep }
    }

    /// The calling thread's.
    pub(in crate::upstream) fn mine(&self) -> &Arc<Pool<B>> {
        let pool = || Pool { idle: Mutex::new(VecDeque::with_capacity(self.most)), most: self.most, keep: self.keep };
        self.threads.get_or(|| Arc::new(pool()))
    }
}

impl<B> Pool<B> {
    /// The last used of the connections that are still open.
    pub(in crate::upstream) fn take(&self) -> Option<Link<B>> {
        let mut idle = self.lock();
        while let Some(last) = idle.pop_back() {
            if self.is_fresh(&last) {
                return Some(last);
            }
        }
        None
    }

    fn put(&self, mut link: Link<B>) {
        let mut idle = self.lock();
        while idle.front().is_some_and(|first| !self.is_fresh(first)) {
            idle.pop_front();
        }
        if idle.len() < self.most && !link.sender.is_closed() {
            link.since = Instant::now();
            idle.push_back(link);
        }
    }

    fn is_fresh(&self, link: &Link<B>) -> bool {
        !link.sender.is_closed() && link.since.elapsed() < self.keep
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Link<B>>> {
        // Nothing that holds it can panic half-way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> InUse<B> {
    pub(in crate::upstream) fn new(link: Link<B>, pool: Arc<Pool<B>>) -> Self {
        Self { link, pool }
    }

    /// The answer was read to its end, and nothing of the request is left to send.
    pub(in crate::upstream) fn release(self) {
        self.pool.put(self.link);
    }
}
