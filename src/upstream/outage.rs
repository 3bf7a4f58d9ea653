//! Whether an upstream answers, said when that changes and not for each request.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::error::UpstreamError;

/// What is known of an upstream.
pub(super) struct Outage {
    upstream: String,
    is_down: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since when requests fail, and how many have. `None`: the last one was answered.
    failing: Option<(Instant, u64)>,
    /// That it is so was said.
    is_said: bool,
    /// When that was said last.
    last: Option<Instant>,
}

/// The least between two times that an upstream is said to be down: one that answers every other request would fill the log.
const EVERY: Duration = Duration::from_secs(10);

impl Outage {
    /// `upstream`: its address.
    pub(super) fn new(upstream: String) -> Self {
        Self { upstream, is_down: AtomicBool::new(false), state: Mutex::default() }
    }

    /// A request had no answer.
    pub(super) fn failed(&self, error: &UpstreamError) {
        if !is_of_upstream(error) {
            return;
        }
        // Nothing that holds it can panic half-way.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failing.get_or_insert((Instant::now(), 0)).1 += 1;
        self.is_down.store(true, Ordering::Relaxed);
        if state.is_said || state.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        (state.is_said, state.last) = (true, Some(Instant::now()));
        drop(state);
        tracing::warn!(upstream = self.upstream, %error, "the registry does not answer: clients get 502 or 504 until it does");
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        if self.is_down.load(Ordering::Relaxed) {
            self.is_back();
        }
    }

    fn is_back(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_down.store(false, Ordering::Relaxed);
        let (failing, is_said) = (state.failing.take(), std::mem::take(&mut state.is_said));
        drop(state);
        if let Some((since, failed)) = failing.filter(|_| is_said) {
            let seconds = since.elapsed().as_secs();
            tracing::info!(
                upstream = self.upstream,
                failed,
                "the registry answers again, after {seconds} s: {failed} requests failed"
            );
        }
    }
}

/// Not where the client failed, nor where all connections are in use.
fn is_of_upstream(error: &UpstreamError) -> bool {
    use super::connection::NoConnection;
    match error {
        UpstreamError::Connect(NoConnection::Failed(_))
        | UpstreamError::Timeout(_)
        | UpstreamError::Lost(_)
        | UpstreamError::Malformed(_) => true,
        UpstreamError::Connect(NoConnection::AllInUse(_))
        | UpstreamError::ClientStalled(_)
        | UpstreamError::ClientLeft => false,
    }
}
