//! Attempts, and what the upstream said about them: ARCHITECTURE.md's "What is believed".

use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::exchange::Hop;
use crate::{
    error::Error,
    oci::{Digest, ErrorCode},
    referrers::ManifestKey,
    store::{Applied, Attempt, AttemptId, AttemptKind, Basis, Close, Seen, StoreError, Verdict, now_micros},
    upstream::{Body, Replayed, UpstreamError, headers, manifest_uri},
};

/// How often the upstream is asked again while others change the same digest; each time one of them has come through.
pub(super) const ROUNDS: usize = 16;

impl Hop {
    pub(super) fn attempt(&self, kind: AttemptKind, key: &ManifestKey, subject: Option<Digest>) -> Attempt {
        Attempt {
            id: AttemptId(crate::random::u64().cast_signed()),
            kind,
            key: key.clone(),
            subject,
            tag: None,
            deadline: now_micros() + micros(self.longest()),
        }
    }

    /// For how long what is sent now may still be carried out: twice as long as it is waited for.
    pub(super) fn longest(&self) -> Duration {
        let upstream = &self.handler.app.config.upstream;
        2 * (upstream.connect_timeout + upstream.answer_timeout)
    }

    /// Forwards the request of an attempt, which stays open when its outcome is unknown.
    pub(super) async fn forward_attempt(&self, request: Request<Body>, id: AttemptId) -> Result<Response<Body>, Error> {
        match self.forward(request).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let sent = !matches!(error, Error::Upstream(UpstreamError::Connect(_)));
                self.end(id, sent).await;
                Err(error)
            }
        }
    }

    /// Ends an attempt that the upstream did not carry out, or may not have. Only a definite no forgets it: not one to
    /// a request that was sent twice.
    pub(super) async fn end_unsuccessful(&self, id: AttemptId, answer: &Response<Body>) {
        self.end(id, !(answer.status().is_client_error() && is_definite(answer))).await;
    }

    pub(super) async fn end(&self, id: AttemptId, unknown: bool) {
        let store = &self.handler.app.store;
        let ended = if unknown { store.release(id).await } else { store.drop_attempt(id).await };
        if let Err(error) = ended {
            // It stays open until its deadline, and is settled after that.
            tracing::warn!(%error, "an attempt could not be ended");
        }
    }

    /// Applies the upstream's word on a push or delete, and closes the attempt as `close` says. If others changed the
    /// digest meanwhile, asks the upstream what holds now, and applies that. An error leaves the attempt open.
    pub(super) async fn conclude(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        mut verdict: Verdict,
        seen: Seen,
        close: Close,
    ) -> Result<(), Error> {
        let store = &self.handler.app.store;
        let concluded = async {
            let mut basis = Basis { version: seen.version, alone: true };
            let (still_there, subject) = match &verdict {
                Verdict::Held(relation) => (verdict.clone(), Some(key.sibling(relation.subject.clone()))),
                _ => (Verdict::Seen, None),
            };
            for _ in 0..ROUNDS {
                match store.apply(key, verdict, basis, close).await? {
                    Applied::Done => return Ok(()),
                    Applied::Outdated(seen) => basis = Basis { version: seen.version, alone: false },
                }
                verdict = match (self.holds(caller, key).await?, &subject) {
                    (true, _) => still_there.clone(),
                    // Of a delete that the upstream confirmed.
                    (false, None) => Verdict::Deleted,
                    // A 404 may mean "not yours to see": it counts beside a 200.
                    (false, Some(subject)) if self.holds(caller, subject).await? => Verdict::Deleted,
                    (false, Some(_)) => return Err(unclear(StatusCode::NOT_FOUND)),
                };
            }
            Err(StoreError::Database("others change this manifest all the time".into()).into())
        };
        let concluded = concluded.await;
        if let (Err(_), Close::One(id)) = (&concluded, close) {
            self.end(id, true).await;
        }
        concluded
    }

    /// Whether the upstream holds a manifest. An error where it can't say, or not to this caller.
    pub(super) async fn holds(&self, caller: &HeaderMap, key: &ManifestKey) -> Result<bool, Error> {
        let ask = self.handler.upstream.ask(Method::HEAD, manifest_uri(key), headers::on_behalf(caller));
        match ask.await?.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            status => Err(unclear(status)),
        }
    }
}

/// What a success leaves of the attempt.
pub(super) fn closing(id: AttemptId, answer: &Response<Body>) -> Close {
    if is_definite(answer) { Close::One(id) } else { Close::GiveUp(id) }
}

/// Whether an answer is the last word on its request: not of an upstream that failed, nor to one that was sent twice.
pub(super) fn is_definite(answer: &Response<Body>) -> bool {
    let status = answer.status();
    answer.extensions().get::<Replayed>().is_none() && (status.is_success() || status.is_client_error())
}

pub(super) fn unclear(status: StatusCode) -> Error {
    let message = format!("the registry answered {status} when asked whether it holds the manifest; push it again");
    Error::Request(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2)
}
