//! What the registry can't answer for the moment is asked again. A registry that writes a tag just now, or that is asked too
//! much, answers 5xx or 429 to one request and as ever to the next; a command that gave up on the first of them would leave
//! something out of thousands of tags each time. Requests of clients are not asked again: a client sees the answer, and
//! decides.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use http::{HeaderMap, StatusCode, header};

use super::error::OperatorError;
use crate::{
    error::Error,
    upstream::{LoginError, Refusal},
};

/// Asks again, unless that has come to nothing too often.
#[derive(Default)]
pub(super) struct Retries {
    /// How many in a row came to nothing to the last.
    in_vain: AtomicUsize,
}

/// How long is waited before each further time.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1600)];

/// The longest that a registry is waited for which says how long (`Retry-After`).
const LONGEST: Duration = Duration::from_secs(10);

/// After so many in vain nothing is asked again, until something is answered: a registry that is down would hold up a
/// command by its number of tags.
const ENOUGH: usize = 8;

impl Retries {
    /// Does something, again where the registry could not answer for the moment. What it does has to be idempotent.
    pub(super) async fn run<T>(&self, work: impl AsyncFn() -> Result<T, OperatorError>) -> Result<T, OperatorError> {
        let mut done = work().await;
        for pause in PAUSES {
            let Err(error) = &done else { break };
            let Some(asked) = momentary(error) else { return done };
            if self.in_vain.load(Ordering::Relaxed) >= ENOUGH || asked > LONGEST {
                return done;
            }
            tracing::debug!(%error, "asking again");
            tokio::time::sleep(asked.max(pause)).await;
            done = work().await;
        }
        match &done {
            Err(error) if momentary(error).is_some() => self.in_vain.fetch_add(1, Ordering::Relaxed),
            _ => self.in_vain.swap(0, Ordering::Relaxed),
        };
        done
    }
}

/// Of an answer that may be another in a moment: how long the registry asks to wait at least (RFC 9110, 10.2.3; the form
/// with a date isn't read).
fn momentary(error: &OperatorError) -> Option<Duration> {
    match error {
        OperatorError::Request(Error::Refused(Refusal::Unclear(status, headers))) if is_momentary(*status) => {
            Some(wait(headers))
        }
        OperatorError::Request(Error::TagRefused(status)) if is_momentary(*status) => Some(Duration::ZERO),
        OperatorError::Login(LoginError::Status { status, .. }) if is_momentary(*status) => Some(Duration::ZERO),
        _ => None,
    }
}

/// RFC 6585, 4, and RFC 9110, 15.6: what is about this moment, not about what was asked.
pub(super) fn is_momentary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

fn wait(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(Duration::ZERO, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn answer(status: StatusCode, retry_after: Option<&'static str>) -> OperatorError {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(header::RETRY_AFTER, value.parse().expect("a value"));
        }
        Refusal::of(status, &headers).into()
    }

    /// How often something is done that is answered so, and how it ends.
    async fn asked(retries: &Retries, answers: &[Option<OperatorError>]) -> usize {
        let times = Cell::new(0);
        let work = async || {
            let now = times.replace(times.get() + 1);
            match answers.get(now).or(answers.last()).and_then(Option::as_ref) {
                Some(OperatorError::Request(Error::Refused(refusal))) => Err(refusal.clone().into()),
                _ => Ok(()),
            }
        };
        drop(retries.run(work).await);
        times.get()
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_for_what_may_be_answered_in_a_moment() {
        let retries = Retries::default();
        let busy = || Some(answer(StatusCode::INTERNAL_SERVER_ERROR, None));
        assert_eq!(asked(&retries, &[busy(), None]).await, 2);
        assert_eq!(asked(&retries, &[busy()]).await, 4, "and no further");
        for status in [StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED, StatusCode::NOT_IMPLEMENTED] {
            assert_eq!(asked(&retries, &[Some(answer(status, None))]).await, 1, "{status}");
        }
        let since = tokio::time::Instant::now();
        let later = |seconds| Some(answer(StatusCode::TOO_MANY_REQUESTS, Some(seconds)));
        assert_eq!(asked(&retries, &[later("7"), None]).await, 2);
        assert_eq!(since.elapsed().as_secs(), 7);
        assert_eq!(asked(&retries, &[later("3600"), None]).await, 1, "that is longer than a command waits");
    }

    #[tokio::test(start_paused = true)]
    async fn retries_end_where_a_registry_is_down_and_begin_anew_when_it_is_back() {
        let retries = Retries::default();
        let down = || [Some(answer(StatusCode::SERVICE_UNAVAILABLE, None))];
        for _ in 0..ENOUGH {
            assert_eq!(asked(&retries, &down()).await, 4);
        }
        assert_eq!(asked(&retries, &down()).await, 1);
        assert_eq!(asked(&retries, &[None]).await, 1);
        assert_eq!(asked(&retries, &down()).await, 4);
    }
}
