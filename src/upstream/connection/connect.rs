//! Opening a connection to the upstream.

use std::{io, sync::Arc};

use http::uri::Scheme;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{proxy::Proxy, race};
use crate::{
    config,
    tls::{self, Trust},
};

/// Opens connections: where to, and by which TLS.
#[derive(Clone)]
pub struct Connector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    proxy: Option<Proxy>,
}

/// Why the upstream can't be connected to, whatever it says.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConnectorError {
    #[error("upstream.{0}")]
    Tls(String),
    #[error("upstream.url: {0:?} is no name that a certificate can have")]
    Name(String),
    #[error("the environment names a proxy for {upstream} that {why}")]
    Proxy { upstream: String, why: String },
}

/// A byte stream, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connector {
    /// Reads the certificates; opens nothing yet.
    pub fn new(config: &config::Upstream) -> Result<Self, ConnectorError> {
        let host = config.url.authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = (config.url.scheme == Scheme::HTTPS).then(|| connector(&bare, config)).transpose()?;
        let unusable = |why| ConnectorError::Proxy { upstream: config.url.to_string(), why };
        let proxy = Proxy::from_environment(&config.url).map_err(unusable)?;
        if let Some(proxy) = &proxy {
            tracing::info!("requests to {} go through the proxy {}", config.url, proxy.address());
        }
        Ok(Self { tls, proxy, port: config.url.port(), host: bare })
    }

    /// A connection, without a bound on the time.
    pub(super) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let tcp = match (&self.proxy, &self.tls) {
            (None, _) => race::connect(&self.host, self.port).await?,
            (Some(proxy), Some(_)) => proxy.tunnel(&self.host, self.port).await?,
            (Some(proxy), None) => proxy.connect().await?,
        };
        tcp.set_nodelay(true)?;
        Ok(match &self.tls {
            Some((connector, name)) => Box::new(connector.connect(name.clone(), tcp).await.map_err(in_words)?),
            None => Box::new(tcp),
        })
    }

    /// A proxy that has to be told in each request where it is for (RFC 9112, 3.2.2): in TLS, it sees none.
    pub(in crate::upstream) fn forwarder(&self) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|_| self.tls.is_none())
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

fn connector(host: &str, config: &config::Upstream) -> Result<(TlsConnector, ServerName<'static>), ConnectorError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectorError::Name(host.to_owned()))?;
    let trust = if config.insecure_skip_verify {
        tracing::warn!(
            "upstream.insecure_skip_verify: whoever answers as {} is believed to be it, and is given clients' credentials",
            config.url
        );
        Trust::Anybody
    } else {
        Trust::Authorities(config.ca_file.as_deref())
    };
    let mut config = tls::client(trust, config.shown()).map_err(|error| ConnectorError::Tls(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsConnector::from(Arc::new(config)), name))
}
