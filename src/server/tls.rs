//! HTTP in TLS.

use std::{io, net::SocketAddr, sync::Arc};

use http::uri::Scheme;
use rustls::ServerConfig;
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    refusal::Refusal,
    transport::{ConnectionInfo, NotOpened, Opened, Protocol, Transport},
};
use crate::tls;

/// HTTP/2 or HTTP/1.1 in TLS, whichever the client prefers (RFC 7301).
#[derive(Clone)]
pub struct TlsTcp {
    /// What connections are opened with from now on.
    pub config: watch::Receiver<Arc<ServerConfig>>,
    /// Clients' certificates are looked into for whom they name.
    pub names_clients: bool,
}

/// The first byte of a TLS connection: a record that carries a handshake (RFC 8446, 5.1).
pub(super) const HANDSHAKE: u8 = 22;

impl Transport for TlsTcp {
    type Io = TlsStream<TcpStream>;

    async fn open(&self, stream: TcpStream, peer: SocketAddr) -> Result<Opened<Self::Io>, NotOpened> {
        // Small answers don't wait for more to send; where that can't be set they do.
        drop(stream.set_nodelay(true));
        let local = stream.local_addr().ok();
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if first != [HANDSHAKE] {
            return Err(NotOpened::Refused(stream, Refusal::NotTls));
        }
        let config = self.config.borrow().clone();
        let io = TlsAcceptor::from(config).accept(stream).await?;
        let (_, session) = io.get_ref();
        let protocol = if session.alpn_protocol() == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
        let shown = session.peer_certificates().and_then(<[_]>::first).filter(|_| self.names_clients);
        let subject = shown.and_then(tls::subject);
        let info = ConnectionInfo { scheme: Scheme::HTTPS, local, peer: peer.ip().to_canonical(), subject };
        Ok(Opened { io, protocol, info })
    }
}
