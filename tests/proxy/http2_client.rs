//! A client of HTTP/2 that does exactly as it is told, over TLS.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::support::{Authority, Backref};

/// What doesn't come within this time doesn't come.
const BOUND: Duration = Duration::from_secs(30);

/// One connection to backref.
pub(crate) struct Client {
    send: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// Within the time in which something has to come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what} did not come within {BOUND:?}"))
}

impl Client {
    pub(crate) async fn of(backref: &Backref, authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM")).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(backref.host()).await.expect("backref takes connections");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        // Room for more than one stream's.
        let mut options = h2::client::Builder::new();
        options.initial_connection_window_size(1 << 20);
        let (send, connection) = options.handshake(stream).await.expect("HTTP/2");
        Self { send, connection: tokio::spawn(connection) }
    }

    /// Room for one more stream; an error when the connection takes no more.
    pub(crate) async fn ready(&mut self) -> Result<SendRequest<Bytes>, h2::Error> {
        soon("room for a stream", self.send.clone().ready()).await
    }

    /// Sends a head; the body, if there is one, comes after.
    pub(crate) async fn open(&mut self, request: Request<()>, ends: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let mut ready = self.ready().await.expect("an open connection");
        ready.send_request(request, ends).expect("a request")
    }

    /// The answer to a request with this body.
    pub(crate) async fn send(&mut self, request: Request<&'static [u8]>) -> Result<Response<Bytes>, h2::Error> {
        let (head, body) = request.into_parts();
        let (answer, mut sending) = self.open(Request::from_parts(head, ()), body.is_empty()).await;
        if !body.is_empty() {
            sending.send_data(Bytes::from_static(body), true).expect("a body");
        }
        whole(answer).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Response<Bytes>, h2::Error> {
        let request = Request::get(format!("https://127.0.0.1{path}")).body(&b""[..]).expect("a request");
        self.send(request).await
    }

    /// Whether it is over by now.
    pub(crate) fn is_over(&self) -> bool {
        self.connection.is_finished()
    }

    /// Waits until the server has ended the connection.
    pub(crate) async fn end(self) {
        let Self { send, connection } = self;
        // An error too: what the client says last finds nobody.
        drop(soon("the connection's end", connection).await.expect("no panic"));
        drop(send);
    }
}

/// An answer with its body.
pub(crate) async fn whole(answer: ResponseFuture) -> Result<Response<Bytes>, h2::Error> {
    let (head, body) = soon("an answer", answer).await?.into_parts();
    Ok(Response::from_parts(head, soon("a body", rest(body)).await?))
}

/// A body to its end.
pub(crate) async fn rest(mut body: RecvStream) -> Result<Bytes, h2::Error> {
    let mut all = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}
