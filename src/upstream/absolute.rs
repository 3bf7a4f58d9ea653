//! Requests by a proxy that forwards them in the clear: each says where it is for.

use http::{
    HeaderValue, Request, Uri, header,
    uri::{Authority, Scheme},
};

use super::connection::Connector;
use crate::config::Origin;

/// The absolute form (RFC 9112, 3.2.2).
pub(super) struct Absolute {
    scheme: Scheme,
    authority: Authority,
    /// `Proxy-Authorization`
    authorization: Option<HeaderValue>,
}

impl Absolute {
    /// For requests to `upstream`; `None`: no such proxy is on the way.
    pub(super) fn of(connector: &Connector, upstream: &Origin) -> Option<Self> {
        let authorization = connector.forwarder()?.authorization().cloned();
        Some(Self { scheme: upstream.scheme.clone(), authority: upstream.authority.clone(), authorization })
    }

    /// Gives a request that form.
    pub(super) fn apply<B>(&self, request: &mut Request<B>) {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        (parts.scheme, parts.authority) = (Some(self.scheme.clone()), Some(self.authority.clone()));
        // Invariant: what is sent to an upstream has a path, so that all three parts of a URI are there.
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
    }
}
