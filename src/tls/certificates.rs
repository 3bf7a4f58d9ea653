//! The listener's certificate, and its change while backref runs.
//!
//! The files are read again every few seconds and compared with what was read before, whatever the file system tells of
//! changes: Kubernetes swaps a link two folders above them, certbot writes one after the other. What can't be used, as half of
//! a pair, changes nothing. Connections keep the certificate that they were opened with.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use x509_cert::{Certificate, der::Decode};

use super::chain::chain;

/// Which files.
#[derive(Clone, Debug)]
pub(crate) struct CertificateFiles {
    /// The certificate, and those between it and its authority (PEM).
    pub(crate) certificate: PathBuf,
    /// Its private key (PEM).
    pub(crate) key: PathBuf,
    /// Of whom clients have to show a certificate (PEM); `None`: they show none.
    pub(crate) client_ca: Option<PathBuf>,
}

/// Why the listener's TLS can't be set up.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub(crate) enum CertificateError {
    #[error("{setting} {path}: {reason}")]
    File { setting: &'static str, path: String, reason: String },
    #[error("tls.certificate and tls.key cannot be used together: {0}")]
    Pair(rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Rustls(rustls::Error),
}

/// The certificate that is shown now.
pub(crate) struct Certificates {
    files: CertificateFiles,
    /// What was read last, whether or not it could be used.
    read: Content,
    shown: watch::Sender<Arc<ServerConfig>>,
    /// When the certificate ends, in seconds since 1970.
    not_after: Gauge,
}

/// What the files hold; of those that can't be read, why.
#[derive(Clone, PartialEq, Eq)]
struct Content {
    certificate: Result<Vec<u8>, String>,
    key: Result<Vec<u8>, String>,
    client_ca: Option<Result<Vec<u8>, String>>,
}

/// How often the files are read.
const EVERY: Duration = Duration::from_secs(5);

/// HTTP/2 where the client speaks it (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

impl Certificates {
    /// Reads the files for the first time. `not_after`: is set to when the certificate ends, in seconds since 1970.
    pub(crate) fn load(files: CertificateFiles, not_after: Gauge) -> Result<Self, CertificateError> {
        let read = Content::read(&files);
        let (config, end) = read.config(&files)?;
        not_after.set(end);
        Ok(Self { files, read, shown: watch::Sender::new(config), not_after })
    }

    /// What connections are opened with, now and later.
    pub(crate) fn shown(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.shown.subscribe()
    }

    /// Takes up what the files come to hold, until dropped.
    pub(crate) async fn keep_up(mut self) {
        loop {
            sleep(EVERY).await;
            let files = self.files.clone();
            match spawn_blocking(move || Content::read(&files)).await {
                Ok(read) if read != self.read => self.take_up(read),
                // Nothing new; or the process ends.
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn take_up(&mut self, read: Content) {
        self.read = read;
        match self.read.config(&self.files) {
            Ok((config, end)) => {
                self.not_after.set(end);
                self.shown.send_replace(config);
                tracing::info!("the certificate has changed: new connections are shown the new one");
            }
            Err(error) => {
                tracing::error!("the certificate has changed and cannot be used, the one before stays: {error}");
            }
        }
    }
}

impl Content {
    fn read(files: &CertificateFiles) -> Self {
        let read = |path: &Path| std::fs::read(path).map_err(|error: io::Error| error.to_string());
        Self {
            certificate: read(&files.certificate),
            key: read(&files.key),
            client_ca: files.client_ca.as_deref().map(read),
        }
    }

    /// The settings of a TLS server, and when its certificate ends.
    fn config(&self, files: &CertificateFiles) -> Result<(Arc<ServerConfig>, i64), CertificateError> {
        let shown = certificates("tls.certificate", &files.certificate, &self.certificate)?;
        let key = content("tls.key", &files.key, &self.key)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| refuse("tls.key", &files.key, format!("no private key can be read: {error}")))?;
        let end = shown.first().and_then(|first| not_after(first)).ok_or_else(|| {
            refuse("tls.certificate", &files.certificate, "the first certificate in it cannot be read".to_owned())
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Rustls)?;
        let builder = match (&files.client_ca, &self.client_ca) {
            (Some(path), Some(read)) => {
                let unusable = |error: String| refuse("tls.client_ca", path, error);
                let mut authorities = RootCertStore::empty();
                for authority in certificates("tls.client_ca", path, read)? {
                    authorities.add(authority).map_err(|error| unusable(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| unusable(error.to_string()))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(shown, key).map_err(CertificateError::Pair)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        if files.client_ca.is_some() {
            // A certificate is looked at for each connection: one that has ended since doesn't come back by a ticket.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(CertificateError::Rustls)?;
        }
        Ok((Arc::new(config), end))
    }
}

fn refuse(setting: &'static str, path: &Path, reason: String) -> CertificateError {
    CertificateError::File { setting, path: path.display().to_string(), reason }
}

fn content<'a>(
    setting: &'static str,
    path: &Path,
    read: &'a Result<Vec<u8>, String>,
) -> Result<&'a [u8], CertificateError> {
    read.as_deref().map_err(|reason| refuse(setting, path, reason.clone()))
}

fn certificates(
    setting: &'static str,
    path: &Path,
    read: &Result<Vec<u8>, String>,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let sections = CertificateDer::pem_slice_iter(content(setting, path, read)?);
    chain(sections).map_err(|reason| refuse(setting, path, reason))
}

/// When a certificate ends (RFC 5280, 4.1.2.5), in seconds since 1970.
fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    i64::try_from(certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs()).ok()
}
