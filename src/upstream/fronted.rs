//! A registry that is fronted.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Request, Response, Version, header};

use super::{
    body::Body,
    capabilities::Capabilities,
    client::Client,
    error::UpstreamError,
    headers::{Addresses, Side},
    permits::Permits,
};
use crate::{
    budget::Budget,
    config,
    locks::Locks,
    oci::{Digest, Repository},
    referrers::ManifestKey,
};

/// One registry that is fronted: how it is reached, what is known about it, how it is to be treated.
pub struct Upstream {
    /// The name under which rows are kept.
    pub name: Arc<str>,
    /// Its `Host`.
    pub host: HeaderValue,
    /// What requests to it pass through, as `Via` has it: this process, by a name of its own.
    pub via: HeaderValue,
    /// The connections to it.
    pub client: Arc<Client>,
    /// Who may read.
    pub permits: Permits,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Uploads of one blob, and pushes of one carrier, take turns: distribution says of a blob or manifest that is there
    /// already that it is not, while another uploads the same once more.
    pub uploads: Locks<ManifestKey>,
    /// What bodies that are read here may take.
    pub budget: Budget,
    /// Where it is.
    pub settings: config::Upstream,
    /// What becomes of artifact manifests.
    pub rewrite: config::Rewrite,
    /// What becomes of tags, and what lists hold.
    pub referrers: config::Referrers,
    /// How long a body may stand still.
    pub stall_timeout: Duration,
}

impl Upstream {
    /// For how long what is sent now may still be carried out: twice as long as it is waited for.
    pub fn longest(&self) -> Duration {
        2 * (self.settings.connect_timeout + self.settings.answer_timeout)
    }

    /// Turns its addresses into backref's.
    pub fn addresses(&self) -> Addresses<'_> {
        Addresses { upstream: &self.settings.url, realm: self.settings.rewrite_realm }
    }

    /// Whether a request with these headers came through this process before: then its upstream leads back to it.
    pub fn leads_back(&self, headers: &HeaderMap) -> bool {
        let own = self.via.as_bytes();
        headers.get_all(header::VIA).iter().any(|via| via.as_bytes().windows(own.len()).any(|part| part == own))
    }

    /// Sends a client's own request, and gives the answer as the client is to see it.
    pub async fn forward(&self, request: Request<Body>, side: &Side) -> Result<Response<Body>, UpstreamError> {
        let mut answer = self.client.send(request, |headers| self.permits.holder(headers, &side.peer)).await?;
        self.addresses().to_client(answer.headers_mut(), side);
        // hyper lowers it by itself for a client that speaks 1.0.
        *answer.version_mut() = Version::HTTP_11;
        Ok(answer)
    }

    /// A manifest of this upstream's.
    pub fn key(&self, repository: Repository, digest: Digest) -> ManifestKey {
        ManifestKey { upstream: self.name.clone(), repository, digest }
    }

    /// Whether referrers tags are read and written at all.
    pub fn keeps_tags(&self) -> bool {
        self.referrers.tag == config::ReferrersTagMode::Write
    }

    /// Whether its own list of referrers is asked, where there is one.
    pub fn asks_native(&self) -> bool {
        self.referrers.native == config::Native::Auto
    }

    /// Whether artifact manifests may be held in another form.
    pub fn rewrites(&self) -> bool {
        self.rewrite.mode != config::RewriteMode::Never
    }
}
