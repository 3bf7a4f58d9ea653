//! How a TCP connection becomes one that requests come over.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use http::uri::Scheme;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::refusal::Refusal;

/// Makes of each accepted TCP connection one that requests come over.
pub trait Transport: Clone + Send + Sync + 'static {
    /// The bytes of the connection, in both directions.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens it: a TLS handshake, where there is one. It is given up after `limits.head_timeout`.
    fn open(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = Result<Opened<Self::Io>, NotOpened>> + Send;
}

/// Why no requests come over a connection.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// It is over.
    #[error(transparent)]
    Failed(#[from] io::Error),
    /// The client is told why, in plain HTTP/1.1.
    #[error("{1:?}")]
    Refused(TcpStream, Refusal),
}

/// A connection that requests come over.
pub struct Opened<T> {
    /// The bytes, in both directions.
    pub io: T,
    /// The protocol that both sides speak.
    pub protocol: Protocol,
    /// Its two ends.
    pub info: ConnectionInfo,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, and 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The two ends of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The address that the client connected to; `None` where the system doesn't say.
    pub local: Option<SocketAddr>,
    /// The client's address.
    pub peer: IpAddr,
    /// Whom the client's certificate names (RFC 4514), where it is looked into.
    pub subject: Option<String>,
}

/// HTTP/1.1 in the clear.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainTcp;

impl Transport for PlainTcp {
    type Io = TcpStream;

    async fn open(&self, stream: TcpStream, peer: SocketAddr) -> Result<Opened<TcpStream>, NotOpened> {
        // Small answers don't wait for more to send; where that can't be set they do.
        drop(stream.set_nodelay(true));
        let (local, peer) = (stream.local_addr().ok(), peer.ip().to_canonical());
        let info = ConnectionInfo { scheme: Scheme::HTTP, local, peer, subject: None };
        Ok(Opened { io: stream, protocol: Protocol::Http1, info })
    }
}
