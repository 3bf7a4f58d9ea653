//! What is not about referrers: streamed in both directions, as it came.

use http::{Request, Response, header};
use hyper::body::Body as _;

use super::exchange::Exchange;
use crate::{
    error::Error,
    upstream::{Body, ClientBody},
};

/// Forwards the request and its body.
pub(super) async fn pass(exchange: Exchange) -> Result<Response<Body>, Error> {
    let Exchange { head, body, upstream, side } = exchange;
    let body = if body.is_end_stream() {
        Body::EMPTY
    } else {
        let expect = head.headers.get(header::EXPECT);
        let expects_continue = expect.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        Body::Client(ClientBody::new(body, &head.extensions, upstream.stall_timeout, expects_continue))
    };
    Ok(upstream.forward(Request::from_parts(head, body), &side).await?)
}
