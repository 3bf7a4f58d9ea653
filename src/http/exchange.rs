//! One request of a client's, on its way to the upstream.

use std::sync::Arc;

use http::{Request, Response, Uri, Version, request};
use hyper::body::Incoming;

use super::forwarded;
use crate::{
    app::App,
    error::Error,
    upstream::{
        Body, Caller, Registry, Upstream,
        headers::{Side, to_upstream},
    },
};

/// A client's request, its head already as the upstream is to see it.
pub(super) struct Exchange {
    pub(super) head: request::Parts,
    pub(super) body: Incoming,
    pub(super) upstream: Arc<Upstream>,
    /// How the two ends of the client's connection see each other.
    pub(super) side: Side,
}

impl Exchange {
    pub(super) fn new(app: &App, request: Request<Incoming>, side: &Side, upstream: Arc<Upstream>) -> Self {
        let (mut head, body) = request.into_parts();
        let side = forwarded::side(app, &head.headers, side);
        // Each side of a proxy speaks its own version (RFC 9110, 2.5).
        head.version = Version::HTTP_11;
        to_upstream(&mut head.headers, &upstream.host, &upstream.via, &side);
        if let Some(name) = app.config.tls.as_ref().and_then(|tls| tls.subject_header.as_ref()) {
            // Beside all other headers it counts for who asks.
            match &side.subject {
                Some(subject) => drop(head.headers.insert(name, subject.clone())),
                None => drop(head.headers.remove(name)),
            }
        }
        if head.uri.authority().is_some() {
            // The absolute form: the upstream gets path and query, as from everybody else.
            head.uri = head.uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        }
        Self { head, body, upstream, side }
    }

    /// The upstream as this client may use it.
    pub(super) fn registry(&self) -> Registry {
        Registry::new(self.upstream.clone(), Caller::client(&self.head.headers, self.side.clone()))
    }

    /// Sends the request without a body, as it came.
    pub(super) async fn forward_head(self) -> Result<Response<Body>, Error> {
        let request = Request::from_parts(self.head, Body::EMPTY);
        Ok(self.upstream.forward(request, &self.side).await?)
    }
}
