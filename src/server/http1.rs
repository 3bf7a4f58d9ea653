//! A connection that speaks HTTP/1.1, and what only that needs: the raw head is watched, the last answer on a connection
//! lingers, and between two requests hyper's buffers are given back.

mod answer;
mod exchanges;
mod guard;

mod linger;
mod progress;
mod scan;
mod shared;

use std::{pin::pin, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::sleep_until,
};

use super::{
    options::Options, refusal::Refusal, service::Service, serving::Serving, tls::HANDSHAKE, transport::ConnectionInfo,
};
use exchanges::Ended;
use http::uri::Scheme;
pub(super) use linger::answer_and_close;
use shared::Shared;

/// Serves requests until the client leaves or, once `options.stop` is cancelled, until the current one is answered.
///
/// hyper is made anew for the first byte of a request, and dropped soon after the last answer: a connection on which
/// nothing happens holds its socket and a timer.
pub(super) async fn serve<S: Service>(
    mut io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    info: ConnectionInfo,
    serving: Arc<Serving<S>>,
) {
    let shared = Arc::new(Shared::new(serving, &info));
    let ConnectionInfo { scheme, peer, .. } = info;
    let is_plain = scheme == Scheme::HTTP;
    let Options { limits, stop, .. } = &shared.serving.options;
    let mut timer = pin!(sleep_until(shared.progress.since() + limits.head_timeout));
    loop {
        let read = tokio::select! {
            biased;
            read = io.read_u8() => read,
            () = stop.cancelled() => return,
            () = timer.as_mut() => return,
        };
        let Ok(first) = read else { return };
        if first == HANDSHAKE && is_plain {
            if let Some(left_out) = shared.serving.options.repeats.due("tls") {
                tracing::warn!(
                    client = %peer, left_out,
                    "a client speaks TLS where HTTP is spoken in the clear: it should ask for http://, or set [tls]"
                );
            }
            let answer = shared.serving.service.refuse(Refusal::NotPlain);
            return Box::pin(answer_and_close(io, answer)).await;
        }
        // In boxes, so that a waiting connection has no room for them.
        io = match Box::pin(exchanges::run(io, first, shared.clone(), timer.as_mut())).await {
            Ended::Closed => return,
            Ended::Idle(io) => io,
            Ended::Refused(io, refusal) => {
                let answer = shared.serving.service.refuse(refusal);
                return Box::pin(answer_and_close(io, answer)).await;
            }
        };
        timer.as_mut().reset(shared.progress.since() + limits.head_timeout);
    }
}
