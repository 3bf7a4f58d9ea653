//! A connection of the pool's, as long as somebody uses it.

use std::ops::Deref;

use deadpool::managed::Object;

use super::{connect::Connect, session::Session};

/// Dropped in the middle of something, the connection is closed: a transaction that was open on it holds a lock.
pub(super) struct Lease(Option<Object<Connect>>);

impl Lease {
    pub(super) fn of(session: Object<Connect>) -> Self {
        Self(Some(session))
    }
}

impl Deref for Lease {
    type Target = Session;

    #[allow(clippy::expect_used, reason = "the invariant stands below")]
    fn deref(&self) -> &Session {
        // Invariant: it is taken out by `drop` alone.
        self.0.as_ref().expect("a connection")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.0.take_if(|session| !session.is_usable()) {
            drop(Object::take(session));
        }
    }
}
