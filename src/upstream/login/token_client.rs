//! What token servers are asked by.

use std::{path::Path, time::Duration};

use reqwest::{Certificate, Client};

use super::error::LoginError;

/// How commands are known to registries.
pub const USER_AGENT: &str = concat!("backref/", env!("CARGO_PKG_VERSION"));

/// Token servers are quick; what takes longer is a connection that is gone.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A client. `ca_file`: certificate authorities to trust beside the system's.
pub fn token_client(ca_file: Option<&Path>) -> Result<Client, LoginError> {
    // Invariant: fails only where another provider was installed before, which is then used.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut client = Client::builder().timeout(TIMEOUT).user_agent(USER_AGENT);
    if let Some(path) = ca_file {
        let unusable = |reason: String| LoginError::CaFile { path: path.display().to_string(), reason };
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
        client = client.tls_certs_merge(authorities);
    }
    client.build().map_err(|error| LoginError::Client(error.to_string()))
}
