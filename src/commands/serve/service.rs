//! The registry as the server's service: what the server refuses gets an error of the OCI shape.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::{
    app::App,
    error::Error,
    http::{AnswerBody, Router},
    oci::ErrorCode,
    server::{ConnectionInfo, Refusal, Service},
    shares::Exhausted,
    upstream::headers::Side,
};

/// A worker's way to answer requests.
pub(super) struct RegistryService {
    router: Router,
}

impl RegistryService {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { router: Router::new(app) }
    }
}

impl Service for RegistryService {
    type Body = AnswerBody;
    type Client = Side;

    fn client(&self, connection: &ConnectionInfo) -> Side {
        // Invariant: schemes and addresses are visible ASCII.
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"));
        Side {
            scheme: value(connection.scheme.to_string()),
            host: value(connection.local.map_or_else(String::new, |address| address.to_string())),
            peer: value(connection.peer.to_string()),
            subject: connection.subject.clone().map(value),
        }
    }

    async fn answer(&self, request: Request<Incoming>, client: &Side) -> Response<AnswerBody> {
        self.router.answer(request, client).await
    }

    fn refuse(&self, refusal: Refusal) -> Response<AnswerBody> {
        let unsupported = |message: &str| Error::bad(ErrorCode::Unsupported, message);
        let refused = |status, message| Error::Request(status, ErrorCode::SizeInvalid, message);
        let error = match refusal {
            Refusal::FramedTwice => unsupported("a request has a Content-Length or a Transfer-Encoding, not both"),
            Refusal::HeadUnseen => {
                unsupported("wait for the answer before sending a chunked request on the same connection")
            }
            Refusal::HeadTooLarge(limit) => refused(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                format!("the request line and headers take more than {limit} bytes or a hundred lines"),
            ),
            Refusal::HeadTimeout(limit) => {
                refused(StatusCode::REQUEST_TIMEOUT, format!("the request's head was not complete within {limit:?}"))
            }
            Refusal::NotPlain => unsupported("HTTP is spoken here in the clear: ask for the same address with http://"),
            Refusal::NotTls => unsupported("TLS is spoken here: ask for the same address with https://"),
            Refusal::NoPlace => Error::Busy(Exhausted),
        };
        error.answer(None).map(AnswerBody::unlogged)
    }
}
