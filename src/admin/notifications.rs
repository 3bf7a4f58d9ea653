//! `POST /notifications/distribution`: what a registry tells of its pushes and deletes. It is answered when it is in a queue;
//! whoever goes through that asks the registry itself.

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::token::Token;
use crate::{oci::header::media_type, operator::Notification};

/// How many wait to be looked at. A registry keeps what is refused, and tells it again.
pub const QUEUE: usize = 10_000;

/// More than any envelope.
const MAX_ENVELOPE: usize = 4 << 20;

/// Takes what the registry tells.
pub struct Notifications {
    token: Token,
    queue: mpsc::Sender<Notification>,
}

impl Notifications {
    /// `token`: what the registry sends as `Authorization: Bearer`.
    pub fn new(token: &str, queue: mpsc::Sender<Notification>) -> Self {
        Self { token: Token::new(token), queue }
    }

    /// The answer to an envelope, and a sentence.
    pub(super) async fn take(&self, request: Request<Incoming>) -> (StatusCode, &'static str) {
        let token = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let token = token.and_then(|value| value.strip_prefix(b"Bearer ")).unwrap_or_default();
        if !self.token.is(token) {
            return (StatusCode::UNAUTHORIZED, "send the token of notifications.token_file as Authorization: Bearer\n");
        }
        if !media_type(request.headers()).is_some_and(|kind| Notification::TYPES.contains(&kind.as_str())) {
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "that is no envelope of events of CNCF distribution's\n");
        }
        let Ok(body) = Limited::new(request.into_body(), MAX_ENVELOPE).collect().await else {
            return (StatusCode::PAYLOAD_TOO_LARGE, "an envelope may have 4 MiB\n");
        };
        self.queue(&body.to_bytes())
    }

    fn queue(&self, envelope: &Bytes) -> (StatusCode, &'static str) {
        let Some(all) = Notification::parse(envelope) else {
            return (StatusCode::BAD_REQUEST, "that is no envelope of events of CNCF distribution's\n");
        };
        for one in all {
            if self.queue.try_send(one).is_err() {
                return (StatusCode::SERVICE_UNAVAILABLE, "too many wait: tell it again later\n");
            }
        }
        (StatusCode::ACCEPTED, "they are looked at\n")
    }
}
