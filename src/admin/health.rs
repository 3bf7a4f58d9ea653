//! Whether backref can do its work: the store takes writes, the upstream answers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, Method, Uri, header};
use tokio::sync::Mutex;

use crate::app::App;

/// How long an answer stands: whoever asks in a loop costs the upstream one request a second.
const FRESH: Duration = Duration::from_secs(1);

/// How long the upstream has.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Health {
    app: Arc<App>,
    last: Mutex<Option<(Instant, bool, String)>>,
}

impl Health {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, last: Mutex::new(None) }
    }

    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// Ready or not, and a line for each part.
    pub(super) async fn ready(&self) -> (bool, String) {
        let mut last = self.last.lock().await;
        if let Some((_, ready, text)) = last.as_ref().filter(|(at, ..)| at.elapsed() < FRESH) {
            return (*ready, text.clone());
        }
        let (store, upstream) = tokio::join!(self.store(), self.upstream());
        let ready = store.is_ok() && upstream.is_ok();
        let line = |part: &str, outcome: Result<(), String>| match outcome {
            Ok(()) => format!("{part}: ready\n"),
            Err(why) => format!("{part}: {why}\n"),
        };
        let text = line("store", store) + &line("upstream", upstream);
        *last = Some((Instant::now(), ready, text.clone()));
        (ready, text)
    }

    async fn store(&self) -> Result<(), String> {
        self.app.store.check(&self.app.upstream.name).await.map_err(|error| error.to_string())
    }

    /// Any answer below 500 to `GET /v2/` will do: that a caller has to log in is for callers.
    async fn upstream(&self) -> Result<(), String> {
        let upstream = &self.app.upstream;
        let headers = HeaderMap::from_iter([(header::HOST, upstream.host.clone())]);
        let ask = upstream.client.ask(Method::GET, Uri::from_static("/v2/"), headers);
        match tokio::time::timeout(PATIENCE, ask).await {
            Err(_) => Err(format!("no answer within {PATIENCE:?}")),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(answer)) if answer.status().is_server_error() => Err(format!("answers {}", answer.status())),
            Ok(Ok(_)) => Ok(()),
        }
    }
}
