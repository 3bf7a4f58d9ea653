//! Everything that is not about referrers: streamed both ways.

use http::{Request, Response, header};
use hyper::body::Body as _;

use super::exchange::Exchange;
use crate::{
    error::Error,
    upstream::{Body, ClientBody},
};

impl Exchange {
    pub(super) async fn proxy(self) -> Result<Response<Body>, Error> {
        let body = if self.body.is_end_stream() {
            Body::EMPTY
        } else {
            let expect = self.head.headers.get(header::EXPECT);
            let expects_continue = expect.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
            let stall_timeout = self.hop.handler.app.config.limits.stall_timeout;
            Body::Client(ClientBody::new(self.body, &self.head.extensions, stall_timeout, expects_continue))
        };
        self.hop.forward(Request::from_parts(self.head, body)).await
    }
}
