//! TLS as a client: whose certificates are believed.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

/// Why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub(crate) enum ClientError {
    #[error("{path}: {reason}")]
    CaFile { path: String, reason: String },
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Believes the authorities that the system believes, and those in `ca_file` (PEM).
pub(crate) fn client(ca_file: Option<&Path>) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut authorities = Vec::new();
    if let Some(path) = ca_file {
        let refuse = |reason: String| ClientError::CaFile { path: path.display().to_string(), reason };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| refuse(error.to_string()))?;
        authorities = certificates.collect::<Result<Vec<_>, _>>().map_err(|error| refuse(error.to_string()))?;
        if authorities.is_empty() {
            return Err(refuse("no certificate in it".into()));
        }
    }
    let verifier = Verifier::new_with_extra_roots(authorities, provider.clone())?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
