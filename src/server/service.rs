//! Who answers requests.

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

use super::{refusal::Refusal, transport::ConnectionInfo};

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
