//! Waiting for a condition, with a bound.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; what is waited for comes within milliseconds.
const BOUND: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// Asks until there is an answer. Panics with `what` when none comes within the bound.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < BOUND, "waited {BOUND:?} in vain: {what}");
        #[allow(clippy::disallowed_methods, reason = "the pause between two looks at the condition")]
        thread::sleep(PAUSE);
    }
}
