//! Whether backref can do its work: it is not about to stop, and its own store takes writes. Whether the upstream answers, or
//! a database that all replicas share, is told, and does not count: where it doesn't, clients are to hear that from backref,
//! and not from a load balancer that has nobody left.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::upstream::{PATIENCE, UpstreamState};
use crate::{app::App, upstream::Upstream};

/// How long the store's answer stands: whoever asks in a loop costs it one write a second.
const FRESH: Duration = Duration::from_secs(1);

/// For how long `/readyz` waits for the upstream's answer: an orchestrator may give it a second.
const GLANCE: Duration = Duration::from_millis(300);

pub(super) struct Health {
    app: Arc<App>,
    leaving: CancellationToken,
    upstreams: Vec<UpstreamState>,
    store: Mutex<Option<(Instant, Result<(), String>)>>,
}

/// How each part is; `Err` says what is wrong with it.
pub(super) struct Parts {
    pub(super) process: Result<(), String>,
    pub(super) store: Result<(), String>,
    /// Each upstream, by its name.
    pub(super) upstreams: Vec<(String, Result<(), String>)>,
}

impl Health {
    pub(super) fn new(app: Arc<App>, leaving: CancellationToken) -> Self {
        let state = |upstream: &Arc<Upstream>| UpstreamState::new(upstream.clone(), app.metrics.clone());
        let upstreams = app.upstreams.iter().map(state).collect();
        Self { upstreams, app, leaving, store: Mutex::new(None) }
    }

    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Ready or not, and a line for each part.
    pub(super) async fn ready(&self) -> (bool, String) {
        let Parts { process, store, upstreams } = self.parts().await;
        let line = |part: &str, outcome: &Result<(), String>| match outcome {
            Ok(()) => format!("{part}: ready\n"),
            Err(why) => format!("{part}: {why}\n"),
        };
        let mut text = line("process", &process) + &line("store", &store);
        for (name, outcome) in &upstreams {
            let part = if upstreams.len() == 1 { "upstream".to_owned() } else { format!("upstream {name}") };
            text += &line(&part, outcome);
        }
        // What all replicas share makes none of them unready: there would be nobody left for what passes without it.
        (process.is_ok() && (store.is_ok() || self.app.store.is_shared()), text)
    }

    /// How each part is, as far as that is known within [`GLANCE`].
    pub(super) async fn parts(&self) -> Parts {
        let looks = join_all(self.upstreams.iter().map(|upstream| upstream.look(GLANCE)));
        let (store, looks) = tokio::join!(self.store(), looks);
        let process = if self.leaving.is_cancelled() { Err("shutting down".to_owned()) } else { Ok(()) };
        let not_known = || Err("no answer yet".to_owned());
        let names = self.upstreams.iter().map(|upstream| upstream.name().to_owned());
        let upstreams = names.zip(looks.into_iter().map(|look| look.unwrap_or_else(not_known))).collect();
        Parts { process, store, upstreams }
    }

    /// Sees to it that what the metrics say of the upstreams and the store is of now.
    pub(super) async fn look(&self) {
        let looks = join_all(self.upstreams.iter().map(|upstream| upstream.look(PATIENCE)));
        // Noted on the way.
        drop(tokio::join!(looks, self.store()));
    }

    async fn store(&self) -> Result<(), String> {
        let mut last = self.store.lock().await;
        if let Some((_, outcome)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return outcome.clone();
        }
        let outcome = self.app.store.check(&self.app.upstream.name).await.map_err(|error| error.to_string());
        self.app.metrics.store_up(outcome.is_ok());
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }
}
