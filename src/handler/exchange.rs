//! One request and its two sides.

use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version, header, request};
use hyper::body::Incoming;

use super::Handler;
use crate::{
    error::Error,
    oci::{Digest, Repository},
    referrers::ManifestKey,
    store::StoreError,
    upstream::{
        Access, Body, Refusal,
        headers::{Addresses, Side, to_upstream},
    },
};

/// A client's request, its head already as the upstream is to see it.
pub(super) struct Exchange {
    pub(super) head: request::Parts,
    pub(super) body: Incoming,
    pub(super) hop: Hop,
}

/// The way between this client and the upstream. Cheap to clone.
#[derive(Clone)]
pub(super) struct Hop {
    pub(super) handler: Handler,
    side: Side,
}

impl Exchange {
    pub(super) fn new(handler: &Handler, request: Request<Incoming>, side: &Side) -> Self {
        let (mut head, body) = request.into_parts();
        let side = match &handler.app.public_side {
            Some((scheme, host)) => Side { scheme: scheme.clone(), host: host.clone(), peer: side.peer.clone() },
            None => Side {
                scheme: side.scheme.clone(),
                host: head.headers.get(header::HOST).unwrap_or(&side.host).clone(),
                peer: side.peer.clone(),
            },
        };
        // Each side of a proxy speaks its own version (RFC 9110, 2.5).
        head.version = Version::HTTP_11;
        to_upstream(&mut head.headers, &handler.app.upstream_host, &side);
        if head.uri.authority().is_some() {
            // The absolute form: the upstream gets path and query, as from everybody else.
            head.uri = head.uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
        }
        Self { head, body, hop: Hop { handler: handler.clone(), side } }
    }
}

impl Hop {
    /// An operator's: it ends here, and no client sees what comes back.
    pub(super) fn of_operator(handler: &Handler) -> Self {
        let side = Side {
            scheme: HeaderValue::from_static("http"),
            host: handler.app.upstream_host.clone(),
            peer: HeaderValue::from_static("127.0.0.1"),
        };
        Self { handler: handler.clone(), side }
    }

    /// Sends a request of this client's to the upstream, and gives the answer as the client is to see it.
    pub(super) async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let mut answer = self.handler.upstream.send(request).await?;
        self.to_client(answer.headers_mut());
        // hyper lowers it by itself for a client that speaks 1.0.
        *answer.version_mut() = Version::HTTP_11;
        Ok(answer)
    }

    /// Headers of the upstream's as the client is to see them.
    pub(super) fn to_client(&self, headers: &mut HeaderMap) {
        self.addresses().to_client(headers, &self.side);
    }

    /// Path and query of an address that the upstream gave, if it is one of its own.
    pub(super) fn path_of<'u>(&self, address: &'u str) -> Option<&'u str> {
        self.addresses().path(address, &self.side)
    }

    fn addresses(&self) -> Addresses<'_> {
        let upstream = &self.handler.app.config.upstream;
        Addresses { upstream: &upstream.url, realm: upstream.rewrite_realm }
    }

    pub(super) fn access<'a>(&'a self, caller: &'a HeaderMap) -> Access<'a> {
        Access { permits: &self.handler.app.permits, client: &self.handler.upstream, caller }
    }

    /// Why the upstream gives no permission, as the client is to see it.
    pub(super) fn refused(&self, mut refusal: Refusal) -> Error {
        if let Refusal::Denied(_, headers) = &mut refusal {
            self.to_client(headers);
        }
        Error::Refused(refusal)
    }

    /// A manifest in each of its forms that are on record.
    pub(super) async fn forms_on_record(&self, key: &ManifestKey) -> Result<Vec<ManifestKey>, StoreError> {
        let alias = self.handler.app.store.alias(key).await?;
        let other = alias.map(|alias| if alias.carrier == key.digest { alias.original } else { alias.carrier });
        let other = other.map(|digest| key.sibling(digest));
        Ok(std::iter::once(key.clone()).chain(other).collect())
    }

    pub(super) fn key(&self, repository: Repository, digest: Digest) -> ManifestKey {
        ManifestKey { upstream: self.handler.app.config.upstream.name.clone(), repository, digest }
    }
}
