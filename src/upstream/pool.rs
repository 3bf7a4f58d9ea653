//! Connections that wait for their next request. One pool a worker: its lock is never waited for.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::client::conn::http1::SendRequest;

use super::{body::Body, upload::Upload};

/// Unused connections, the last used first.
pub(super) struct Pool {
    idle: Mutex<VecDeque<Idle>>,
    most: usize,
    keep: Duration,
}

/// A connection that nobody uses.
pub(super) struct Idle {
    pub(super) connection: SendRequest<Body>,
    pub(super) since: Instant,
}

impl Pool {
    pub(super) fn new(most: usize, keep: Duration) -> Self {
        Self { idle: Mutex::new(VecDeque::with_capacity(most)), most, keep }
    }

    /// The last used of the connections that are still open.
    pub(super) fn take(&self) -> Option<Idle> {
        let mut idle = self.lock();
        while let Some(last) = idle.pop_back() {
            if self.fresh(&last) {
                return Some(last);
            }
        }
        None
    }

    fn put(&self, connection: SendRequest<Body>) {
        let mut idle = self.lock();
        while idle.front().is_some_and(|first| !self.fresh(first)) {
            idle.pop_front();
        }
        if idle.len() < self.most && !connection.is_closed() {
            idle.push_back(Idle { connection, since: Instant::now() });
        }
    }

    fn fresh(&self, idle: &Idle) -> bool {
        !idle.connection.is_closed() && idle.since.elapsed() < self.keep
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        // Nothing that holds it can panic half-way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection whose answer is on its way.
pub(super) struct InUse {
    pub(super) connection: SendRequest<Body>,
    pub(super) pool: Arc<Pool>,
    pub(super) request: Sent,
}

/// Whether a request has left whole, when its answer is there.
pub(super) enum Sent {
    Yes,
    No,
    Following(Arc<Upload>),
}

impl InUse {
    /// The answer was read to its end.
    pub(super) fn release(self) {
        match self.request {
            Sent::Yes => self.pool.put(self.connection),
            Sent::Following(upload) if upload.is_sent() => self.pool.put(self.connection),
            // The rest of the request is still on its way, or never will be: no other may follow it.
            Sent::Following(upload) => upload.close(),
            Sent::No => {}
        }
    }
}
