//! What is kept of a request to send it once more.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};

use super::body::Body;

/// A request that may be sent twice (RFC 9110, 9.2.2): idempotent, with a body at hand or none. Made for each that goes
/// over a used connection, so it has no more than it needs: the case in which the client wrote the names of headers, which
/// matters to nobody, stays with the first.
pub(super) struct Again {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Again {
    /// Of a request that is about to be sent.
    pub(super) fn of(request: &Request<Body>) -> Option<Self> {
        let Body::Full(body) = request.body() else { return None };
        request.method().is_idempotent().then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            body: body.clone(),
        })
    }
}

impl From<Again> for Request<Body> {
    fn from(again: Again) -> Self {
        let mut request = Self::new(Body::Full(again.body));
        *request.method_mut() = again.method;
        *request.uri_mut() = again.uri;
        *request.headers_mut() = again.headers;
        request
    }
}
