//! Whether the upstream answers, as far as is known. One question at a time is on its way, and one a second at most.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method, Uri, header};
use tokio::{sync::watch, time::timeout};

use crate::{metrics::Metrics, shares::Holder, upstream::Upstream};

/// How long an answer stands: whoever asks in a loop costs the upstream one request a second.
const FRESH: Duration = Duration::from_secs(1);

/// How long the upstream has.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of the upstream. Cheap to clone.
#[derive(Clone)]
pub(super) struct UpstreamState {
    upstream: Arc<Upstream>,
    metrics: Arc<Metrics>,
    known: watch::Sender<Known>,
}

#[derive(Default)]
struct Known {
    /// A question is on its way.
    asking: bool,
    asked: Option<Instant>,
    /// The last answer.
    answer: Option<Result<(), String>>,
}

impl UpstreamState {
    pub(super) fn new(upstream: Arc<Upstream>, metrics: Arc<Metrics>) -> Self {
        Self { upstream, metrics, known: watch::Sender::default() }
    }

    /// Under which name it is known.
    pub(super) fn name(&self) -> &str {
        &self.upstream.name
    }

    /// Asks, where the last answer is old, and waits for that, but not for longer than `patience`: then the answer
    /// before it stands. `Err` says what is wrong, `None` that no answer came yet.
    pub(super) async fn look(&self, patience: Duration) -> Option<Result<(), String>> {
        let due = self.known.send_if_modified(|known| {
            let due = !known.asking && known.asked.is_none_or(|asked| asked.elapsed() >= FRESH);
            if due {
                *known = Known { asking: true, asked: Some(Instant::now()), answer: known.answer.take() };
            }
            due
        });
        if due {
            let this = self.clone();
            tokio::spawn(async move {
                let answer = this.ask().await;
                this.metrics.upstream_up(&this.upstream.name, answer.is_ok());
                this.known.send_modify(|known| {
                    known.asking = false;
                    known.answer = Some(answer);
                });
            });
        }
        let mut known = self.known.subscribe();
        // Whether it came in time or not, what counts is what is known then.
        drop(timeout(patience, known.wait_for(|known| !known.asking)).await.map(drop));
        self.known.borrow().answer.clone()
    }

    /// Any answer below 500 to `GET /v2/` will do: that a caller has to log in is for callers.
    async fn ask(&self) -> Result<(), String> {
        let upstream = &self.upstream;
        let headers = HeaderMap::from_iter([(header::HOST, upstream.host.clone())]);
        // Nobody else's.
        let holder = |_: &HeaderMap| Holder { caller: [0; 32], address: [0; 32] };
        let ask = upstream.client.ask(Method::GET, Uri::from_static("/v2/"), headers, holder);
        match timeout(PATIENCE, ask).await {
            Err(_) => Err(format!("no answer within {PATIENCE:?}")),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(answer)) if answer.status().is_server_error() => Err(format!("answers {}", answer.status())),
            Ok(Ok(_)) => Ok(()),
        }
    }
}
