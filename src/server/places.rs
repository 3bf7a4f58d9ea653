//! The places of all workers' connections and requests.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Cheap to clone: all clones are one.
#[derive(Clone)]
pub(super) struct Places {
    connections: Arc<Semaphore>,
    /// Half as many, for requests of HTTP/2 beside the first of their connections.
    streams: Arc<Semaphore>,
    wide: Arc<Semaphore>,
}

/// A place, until it is dropped.
pub(super) struct Place {
    _all: [OwnedSemaphorePermit; 2],
}

/// How many HTTP/2 connections may send far ahead of what is read: all that they can send is memory.
const WIDE: usize = 64;

impl Places {
    pub(super) fn new(connections: usize) -> Self {
        let semaphore = |count| Arc::new(Semaphore::new(count));
        Self { connections: semaphore(connections), streams: semaphore(connections / 2), wide: semaphore(WIDE) }
    }

    /// A connection's, waited for.
    pub(super) async fn connection(&self) -> Option<OwnedSemaphorePermit> {
        // Invariant: the semaphore is never closed.
        self.connections.clone().acquire_owned().await.ok()
    }

    /// One of a connection, for a request of HTTP/2 beside the first; `None`: all are taken, or half of all by such requests:
    /// the rest is for clients who come.
    pub(super) fn stream(&self) -> Option<Place> {
        let of = |places: &Arc<Semaphore>| places.clone().try_acquire_owned().ok();
        Some(Place { _all: [of(&self.streams)?, of(&self.connections)?] })
    }

    /// Leave for a client of HTTP/2 to send far ahead.
    pub(super) fn wide(&self) -> Option<OwnedSemaphorePermit> {
        self.wide.clone().try_acquire_owned().ok()
    }
}
