//! Exact timing: one thread waits until another says so.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longer than anything may take, shorter than a test runner's time limit.
const BOUND: Duration = Duration::from_mins(1);

/// Holds every thread that comes until it is opened. Its clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<(usize, bool)>, Condvar)>);

impl Gate {
    /// Is counted at the gate, and does not wait.
    pub(crate) fn count(&self) {
        let (state, changed) = &*self.0;
        state.lock().expect("no one panicked").0 += 1;
        changed.notify_all();
    }

    /// Is counted at the gate, and waits until it is open.
    pub(crate) fn pass(&self) {
        self.count();
        let (state, changed) = &*self.0;
        let state = state.lock().expect("no one panicked");
        let (_state, waited) = changed.wait_timeout_while(state, BOUND, |(_, open)| !*open).expect("no one panicked");
        assert!(!waited.timed_out(), "a gate stayed closed for {BOUND:?}");
    }

    pub(crate) fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().expect("no one panicked").1 = true;
        changed.notify_all();
    }

    pub(crate) fn close(&self) {
        self.0.0.lock().expect("no one panicked").1 = false;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.0.lock().expect("no one panicked").1
    }

    /// Waits until that many threads were counted, in all.
    pub(crate) fn wait_for(&self, count: usize) {
        let (state, changed) = &*self.0;
        let state = state.lock().expect("no one panicked");
        let (_state, waited) =
            changed.wait_timeout_while(state, BOUND, |(come, _)| *come < count).expect("no one panicked");
        assert!(!waited.timed_out(), "fewer than {count} came to a gate within {BOUND:?}");
    }
}
