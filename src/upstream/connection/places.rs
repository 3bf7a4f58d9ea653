//! The bound on all connections to the upstream, whichever thread has them, and the queue of those who wait for one.
//!
//! Only opening and closing a connection, and waiting for one, take its lock; a request that finds an unused connection
//! and gives it back looks at one number.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::oneshot;

/// The bound. `L` is an open connection.
pub(super) struct Places<L> {
    most: usize,
    state: Mutex<State<L>>,
    /// The length of the queue.
    waiting: AtomicUsize,
}

struct State<L> {
    /// Places that are taken.
    open: usize,
    /// Who waits, in order. Not empty only while all places are taken.
    queue: VecDeque<Waiter<L>>,
}

struct Waiter<L> {
    /// Whose thread can use a connection: that of this pool.
    pool: usize,
    /// A connection was closed for it: its place comes as soon as it has ended.
    promised: bool,
    give: oneshot::Sender<Granted<L>>,
}

/// What somebody who needs a connection is given.
pub(super) enum Granted<L> {
    /// Leave to open one.
    Place(Place<L>),
    /// One that another request is done with.
    Link(L),
}

/// Leave to have one connection open, until it is dropped. It goes to whoever waits first.
pub(super) struct Place<L>(Arc<Places<L>>);

impl<L> Places<L> {
    /// `most` places.
    pub(super) fn new(most: usize) -> Self {
        let state = State { open: 0, queue: VecDeque::new() };
        Self { most, state: Mutex::new(state), waiting: AtomicUsize::new(0) }
    }

    /// How many there are.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// A place, or a turn in the queue for those who can use connections of that pool.
    pub(super) fn take(self: &Arc<Self>, pool: usize) -> Result<Place<L>, oneshot::Receiver<Granted<L>>> {
        let mut state = self.lock();
        if state.open < self.most {
            state.open += 1;
            return Ok(Place(self.clone()));
        }
        let (give, granted) = oneshot::channel();
        state.queue.push_back(Waiter { pool, promised: false, give });
        self.tidy(&mut state);
        Err(granted)
    }

    /// A connection is about to be closed for whoever waits. Said before it is closed: whoever its place went to by then
    /// would be out of the queue, and another taken for served.
    pub(super) fn promise(&self) {
        if let Some(waiter) = self.lock().queue.iter_mut().find(|waiter| !waiter.promised) {
            waiter.promised = true;
        }
    }

    /// Offers a connection of that pool to whoever waits. Returned, it is nobody's; closed, it makes room for somebody
    /// who can't use it.
    pub(super) fn offer(&self, mut link: L, pool: usize) -> Option<L> {
        while self.waiting.load(Ordering::Relaxed) > 0 {
            let mut state = self.lock();
            self.tidy(&mut state);
            let Some(at) = state.queue.iter().position(|waiter| !waiter.promised) else { break };
            if state.queue[at].pool != pool {
                state.queue[at].promised = true;
                return None;
            }
            let Some(waiter) = state.queue.remove(at) else { break };
            self.tidy(&mut state);
            drop(state);
            match waiter.give.send(Granted::Link(link)) {
                // It left just now.
                Err(Granted::Link(back)) => link = back,
                _ => return None,
            }
        }
        Some(link)
    }

    /// Forgets those at the front who have left, so that the queue is never longer than what came within one wait.
    fn tidy(&self, state: &mut State<L>) {
        while state.queue.front().is_some_and(|waiter| waiter.give.is_closed()) {
            state.queue.pop_front();
        }
        self.waiting.store(state.queue.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        // Nothing that holds it can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L> Drop for Place<L> {
    fn drop(&mut self) {
        let first = {
            let mut state = self.0.lock();
            self.0.tidy(&mut state);
            let first = state.queue.pop_front();
            self.0.tidy(&mut state);
            if first.is_none() {
                state.open -= 1;
            }
            first
        };
        if let Some(waiter) = first {
            // Should it have left just now, what comes back is dropped, and goes to the next.
            drop(waiter.give.send(Granted::Place(Place(self.0.clone()))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Queue = Arc<Places<&'static str>>;

    fn place(places: &Queue) -> Place<&'static str> {
        places.take(0).unwrap_or_else(|_| panic!("all are taken"))
    }

    fn wait(places: &Queue, pool: usize) -> oneshot::Receiver<Granted<&'static str>> {
        places.take(pool).err().expect("all are taken")
    }

    fn is_place(waiter: &mut oneshot::Receiver<Granted<&'static str>>) -> Option<Place<&'static str>> {
        match waiter.try_recv() {
            Ok(Granted::Place(place)) => Some(place),
            _ => None,
        }
    }

    #[test]
    fn upstream_connections_go_to_the_first_waiter_that_has_not_left() {
        let places = Arc::new(Places::new(2));
        let (one, two) = (place(&places), place(&places));
        let (left, mut first, mut second) = (wait(&places, 0), wait(&places, 0), wait(&places, 0));
        drop(left);
        drop(one);
        let first = is_place(&mut first).expect("it waited first");
        assert!(is_place(&mut second).is_none());
        drop(first);
        drop(is_place(&mut second).expect("it is next"));
        drop(two);
        let (_one, _two) = (place(&places), place(&places));
        assert!(places.take(0).is_err());
    }

    #[test]
    fn upstream_connections_are_handed_over_within_a_pool_and_closed_for_another() {
        let places = Arc::new(Places::new(1));
        let taken = place(&places);
        assert_eq!(places.offer("idle", 0), Some("idle"), "nobody waits");
        let (mut other, mut mine) = (wait(&places, 1), wait(&places, 0));
        assert_eq!(places.offer("closed", 0), None);
        assert_eq!(places.offer("given", 0), None, "one is closed for each who can't use it");
        assert!(matches!(mine.try_recv(), Ok(Granted::Link("given"))));
        assert_eq!(places.offer("kept", 0), Some("kept"), "a place is on its way to the other");
        drop(taken);
        assert!(is_place(&mut other).is_some());
    }

    #[test]
    fn upstream_connections_given_to_a_waiter_that_leaves_go_to_the_next() {
        let places = Arc::new(Places::new(1));
        let taken = place(&places);
        let (leaves, mut next) = (wait(&places, 0), wait(&places, 0));
        drop(taken);
        // It was given the place, and leaves without having looked.
        drop(leaves);
        assert!(is_place(&mut next).is_some());
        assert_eq!(places.waiting.load(Ordering::Relaxed), 0);
    }
}
