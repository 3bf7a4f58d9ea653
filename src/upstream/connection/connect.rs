//! Opening a connection to the upstream.

use std::{io, path::Path, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::race;
use crate::{config, tls};

/// Opens connections: where to, and by which TLS.
#[derive(Clone)]
pub struct Connector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why TLS to the upstream can't be set up.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum TlsError {
    #[error("upstream.ca_file {path}: {reason}")]
    CaFile { path: String, reason: String },
    #[error("upstream.url: {0:?} is no name that a certificate can have")]
    Name(String),
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// A byte stream, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connector {
    /// Reads the certificate authorities; opens nothing yet.
    pub fn new(config: &config::Upstream) -> Result<Self, TlsError> {
        let host = config.url.authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = (config.url.scheme == http::uri::Scheme::HTTPS).then(|| connector(&bare, config.ca_file.as_deref()));
        Ok(Self { tls: tls.transpose()?, port: config.url.port(), host: bare })
    }

    /// A connection, without a bound on the time.
    pub(super) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let tcp = race::connect(&self.host, self.port).await?;
        tcp.set_nodelay(true)?;
        Ok(match &self.tls {
            Some((connector, name)) => Box::new(connector.connect(name.clone(), tcp).await.map_err(in_words)?),
            None => Box::new(tcp),
        })
    }
}

/// A failure to agree on TLS, with what to do about it.
fn in_words(error: io::Error) -> io::Error {
    use rustls::{
        CertificateError,
        Error::{InvalidCertificate, InvalidMessage},
    };
    let words = match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(InvalidMessage(_)) => "it does not speak TLS there: is it http://?".to_owned(),
        Some(InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "its certificate is not trusted, since nobody knows who \
            issued it: name a file with that authority's certificate (upstream.ca_file; for tree, --ca-file)"
                .to_owned()
        }
        Some(InvalidCertificate(reason)) => format!("its certificate is not trusted: {reason}"),
        _ => return error,
    };
    io::Error::new(error.kind(), words)
}

fn connector(host: &str, ca_file: Option<&Path>) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name(host.to_owned()))?;
    let mut config = tls::client(ca_file).map_err(|error| match error {
        tls::ClientError::CaFile { path, reason } => TlsError::CaFile { path, reason },
        tls::ClientError::Rustls(error) => TlsError::Rustls(error),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsConnector::from(Arc::new(config)), name))
}
