//! Who answers requests.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

use super::transport::ConnectionInfo;

/// Who answers the requests of one worker's connections.
pub trait Service: Send + Sync + 'static {
    /// The body of an answer.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static;

    /// What the service keeps of a connection, for all of its requests.
    type Client: Send + Sync + 'static;

    /// A connection was opened.
    fn client(&self, connection: &ConnectionInfo) -> Self::Client;

    /// Answers a request.
    fn answer(
        &self,
        request: Request<Incoming>,
        client: &Self::Client,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Answers what is refused before it is a request for the service.
    fn refuse(&self, refusal: Refusal) -> Response<Self::Body>;
}

/// Why the server refuses a request, or what should have become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body is framed in two ways, by a length and by chunks (RFC 9112, 6.3): one server reads the one, the next the
    /// other.
    FramedTwice,
    /// The request is chunked and came right behind another request's body, so that its head was not seen whole.
    HeadUnseen,
    /// The request line and the headers take more bytes than this limit, or more than a hundred lines.
    HeadTooLarge(usize),
    /// The head was begun, but was not complete within this time.
    HeadTimeout(Duration),
}
