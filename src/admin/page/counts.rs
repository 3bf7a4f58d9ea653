//! How much there is of each repository. Counting reads everything, so it is done in the background, for whoever looks: no
//! more often than that it takes a twentieth of one core.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::aside::aside;
use crate::{
    store::{Counts, Store},
    upstream::Upstream,
};

/// How many repositories are kept by name; the others count.
pub(super) const MOST: usize = 100_000;

/// How many subjects whose referrers changed last.
const NEWEST: usize = 12;

/// Counts stand for at least so long.
const FRESH: Duration = Duration::from_secs(2);

/// For so long somebody waits for the first ones.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was counted of one upstream. Cheap to clone.
#[derive(Clone)]
pub(super) struct UpstreamCounts {
    store: Arc<dyn Store>,
    upstream: Arc<Upstream>,
    known: watch::Sender<Known>,
}

#[derive(Clone, Default)]
struct Known {
    /// Since when it is being counted.
    counting: Option<Instant>,
    last: Option<Counted>,
}

/// What was counted, or why it could not be.
#[derive(Clone)]
pub(super) struct Counted {
    pub(super) counts: Result<Arc<Counts>, String>,
    /// When that was.
    pub(super) at: Instant,
    /// How long it took.
    took: Duration,
}

impl UpstreamCounts {
    pub(super) fn new(store: Arc<dyn Store>, upstream: Arc<Upstream>) -> Self {
        Self { store, upstream, known: watch::Sender::default() }
    }

    /// What was counted last, and has it counted anew where that is old; `None`: it is being counted for the first time.
    pub(super) async fn look(&self) -> Option<Counted> {
        let due = self.known.send_if_modified(|known| {
            let is_old = |last: &Counted| last.at.elapsed() >= FRESH.max(20 * last.took);
            let due = known.counting.is_none() && known.last.as_ref().is_none_or(is_old);
            if due {
                known.counting = Some(Instant::now());
            }
            due
        });
        if due {
            tokio::spawn(self.clone().count());
        }
        let mut known = self.known.subscribe();
        // Small stores are counted at once; of others, what was counted before stands.
        drop(tokio::time::timeout(PATIENCE, known.wait_for(|known| known.counting.is_none())).await.map(drop));
        self.known.borrow().last.clone()
    }

    async fn count(self) {
        let (store, name) = (self.store.clone(), self.upstream.name.clone());
        let started = Instant::now();
        let counts = aside(move || async move { store.count(&name, MOST, NEWEST).await }).await;
        let counts = counts.and_then(|counts| counts.map_err(|error| error.to_string()));
        if let Err(why) = &counts {
            tracing::warn!(upstream = %self.upstream.name, "repositories could not be counted for the page: {why}");
        }
        let last = Counted { counts: counts.map(Arc::new), at: Instant::now(), took: started.elapsed() };
        self.known.send_replace(Known { counting: None, last: Some(last) });
    }
}
