//! One client's connection, whatever protocol it speaks.

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::TcpStream, time::timeout};

use super::{
    http1, http2,
    options::Options,
    service::Service,
    serving::Serving,
    transport::{NotOpened, Opened, Protocol, Transport},
};

/// Serves requests until the client leaves or, once `options.stop` is cancelled, until the current one is answered.
pub(super) async fn serve<S: Service, T: Transport>(
    serving: Arc<Serving<S>>,
    transport: T,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let Options { limits, stop, .. } = &serving.options;
    // In a box, so that an open connection has no room for what is only needed to open it.
    let opening = Box::pin(async move { transport.open(stream, peer).await });
    let opened = tokio::select! {
        opened = timeout(limits.head_timeout, opening) => opened,
        () = stop.cancelled() => return,
    };
    match opened {
        Ok(Ok(Opened { io, protocol, info })) => match protocol {
            Protocol::Http1 => http1::serve(io, info, serving).await,
            // In a box: it has more to keep, and is one for many requests.
            Protocol::Http2 => Box::pin(http2::serve(io, info, serving)).await,
        },
        Ok(Err(NotOpened::Refused(stream, refusal))) => {
            Box::pin(http1::answer_and_close(stream, serving.service.refuse(refusal))).await;
        }
        Ok(Err(NotOpened::Failed(error))) => tracing::debug!(%error, %peer, "a connection could not be opened"),
        Err(_) => tracing::debug!(%peer, "a connection was not opened in time"),
    }
}
