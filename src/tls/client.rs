//! TLS as a client: whose certificates are believed, and which is shown.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig,
    client::danger::ServerCertVerifier,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use super::{chain::chain, unverified::Unverified};

/// Why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub(crate) enum ClientError {
    #[error("ca_file {path}: {reason}")]
    CaFile { path: String, reason: String },
    #[error("certificate {path}: {reason}")]
    Certificate { path: String, reason: String },
    #[error("key {path}: {reason}")]
    Key { path: String, reason: String },
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Whose certificates are believed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trust<'a> {
    /// The authorities that the system believes, and those in a file (PEM).
    Authorities(Option<&'a Path>),
    /// Anybody's.
    Anybody,
}

/// `shown`: a certificate with its key (PEM), for servers that ask for one.
pub(crate) fn client(trust: Trust<'_>, shown: Option<(&Path, &Path)>) -> Result<ClientConfig, ClientError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Authorities(file) => {
            let authorities = file.map(|path| certificates(path, |path, reason| ClientError::CaFile { path, reason }));
            let authorities = authorities.transpose()?.unwrap_or_default();
            Arc::new(Verifier::new_with_extra_roots(authorities, provider.clone())?)
        }
        Trust::Anybody => Arc::new(Unverified(provider.clone())),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some((certificate, key)) = shown else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(certificate, |path, reason| ClientError::Certificate { path, reason })?;
    let unusable = |reason: String| ClientError::Key { path: key.display().to_string(), reason };
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(error.to_string()))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| unusable(error.to_string()))
}

fn certificates(
    path: &Path,
    error: impl Fn(String, String) -> ClientError,
) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let sections = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string());
    sections.and_then(chain).map_err(|reason| error(path.display().to_string(), reason))
}
