//! Places for connections. Whoever comes gets one: when all are taken, the connection on which nothing has happened for
//! longest is closed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio_util::sync::CancellationToken;

/// A bounded number of places. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<Vec<Connection>>>,
    most: usize,
}

#[derive(Clone)]
struct Connection {
    activity: Arc<Mutex<Activity>>,
    evicted: CancellationToken,
}

/// What happens on a connection. Those that wait for a request sort before those that are being answered; then comes who
/// has done so for longest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Activity {
    answering: bool,
    since: Instant,
}

/// A connection's place, until it is dropped.
pub(super) struct Place {
    connection: Connection,
    places: Places,
}

/// Where a connection's requests are noted. Cheap to clone.
#[derive(Clone)]
pub(super) struct Requests(Arc<Mutex<Activity>>);

/// A request that is being answered, until it is dropped.
pub(super) struct Answering(Arc<Mutex<Activity>>);

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// A place for one more.
    pub(super) fn take(&self) -> Place {
        let activity = Arc::new(Mutex::new(Activity::now(false)));
        let connection = Connection { activity, evicted: CancellationToken::new() };
        let mut taken = lock(&self.taken);
        if taken.len() >= self.most
            && let Some((at, _)) = taken.iter().enumerate().min_by_key(|(_, one)| *lock(&one.activity))
        {
            taken.swap_remove(at).evicted.cancel();
        }
        taken.push(connection.clone());
        Place { connection, places: self.clone() }
    }
}

impl Place {
    pub(super) fn requests(&self) -> Requests {
        Requests(self.connection.activity.clone())
    }

    /// Ends when somebody else got this place.
    pub(super) async fn evicted(&self) {
        self.connection.evicted.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.taken).retain(|one| !Arc::ptr_eq(&one.activity, &self.connection.activity));
    }
}

impl Requests {
    /// A request came.
    pub(super) fn begin(&self) -> Answering {
        *lock(&self.0) = Activity::now(true);
        Answering(self.0.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        *lock(&self.0) = Activity::now(false);
    }
}

impl Activity {
    fn now(answering: bool) -> Self {
        Self { answering, since: Instant::now() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds one can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_connection_that_was_idle_longest_is_closed_for_a_new_one() {
        let places = Places::new(3);
        let [first, second, third] = [(); 3].map(|()| places.take());
        let is_evicted = |place: &Place| place.connection.evicted.is_cancelled();
        // The first is the oldest, but is being answered; the third was answered just now.
        let answering = first.requests().begin();
        drop(third.requests().begin());
        let fourth = places.take();
        assert_eq!([&first, &second, &third, &fourth].map(is_evicted), [false, true, false, false]);
        drop(second);
        // A place that was given back is free.
        drop(fourth);
        let fifth = places.take();
        assert_eq!([&first, &third, &fifth].map(is_evicted), [false; 3]);
        // Where all are being answered, somebody still has to go.
        let all = [&third, &fifth].map(|place| place.requests().begin());
        let _sixth = places.take();
        assert_eq!([&first, &third, &fifth].map(is_evicted), [true, false, false]);
        drop((answering, all));
    }
}
