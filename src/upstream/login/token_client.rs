//! What token servers are asked by.

use std::{path::Path, time::Duration};

use reqwest::{Certificate, Client, Identity};

use super::error::LoginError;
use crate::config;

/// How commands are known to registries.
pub const USER_AGENT: &str = concat!("backref/", env!("CARGO_PKG_VERSION"));

/// Token servers are quick; what takes longer is a connection that is gone.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A client that believes whom the upstream's settings believe, and shows what they show.
pub fn token_client(upstream: &config::Upstream) -> Result<Client, LoginError> {
    // Invariant: fails only where another provider was installed before, which is then used.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut client = Client::builder().timeout(TIMEOUT).user_agent(USER_AGENT);
    let unusable = |path: &Path, reason: String| LoginError::File { path: path.display().to_string(), reason };
    let read = |path: &Path| std::fs::read(path).map_err(|error| unusable(path, error.to_string()));
    if upstream.insecure_skip_verify {
        client = client.tls_danger_accept_invalid_certs(true);
    } else if let Some(path) = &upstream.ca_file {
        let authorities = Certificate::from_pem_bundle(&read(path)?);
        client = client.tls_certs_merge(authorities.map_err(|error| unusable(path, error.to_string()))?);
    }
    if let Some((certificate, key)) = upstream.shown() {
        let pem = [read(key)?, read(certificate)?].concat();
        client = client.identity(Identity::from_pem(&pem).map_err(|error| unusable(certificate, error.to_string()))?);
    }
    client.build().map_err(|error| LoginError::Client(error.to_string()))
}
