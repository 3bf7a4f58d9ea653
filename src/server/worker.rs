//! One worker thread's event loop.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::{net::TcpListener, sync::OwnedSemaphorePermit, time::timeout};
use tokio_util::task::TaskTracker;

use super::{
    accept::Acceptor, connection::serve, options::Options, places::Places, service::Service, serving::Serving,
    transport::Transport,
};

pub(super) struct Worker<S, T> {
    pub(super) options: Options,
    pub(super) listener: std::net::TcpListener,
    pub(super) places: Places,
    pub(super) service: S,
    pub(super) transport: T,
}

/// A connection's place, counted until it ends.
struct Place {
    _permit: OwnedSemaphorePermit,
    open: Gauge,
}

impl Place {
    fn new(permit: OwnedSemaphorePermit, open: Gauge) -> Self {
        open.inc();
        Self { _permit: permit, open }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl<S: Service, T: Transport> Worker<S, T> {
    /// Takes connections until draining begins, then waits for what is being answered.
    pub(super) async fn run(self) -> std::io::Result<()> {
        let Self { mut options, listener, places, service, transport } = self;
        // The worker's own: whoever waits for it locks it, in every connection.
        options.stop = options.stop.child_token();
        options.leaving = options.leaving.child_token();
        let Options { open, repeats, stop, tasks, limits, .. } = options.clone();
        let mut acceptor = Acceptor::new("listen", TcpListener::from_std(listener)?, repeats);
        let serving = Arc::new(Serving { options, service, places: places.clone() });
        let connections = TaskTracker::new();
        let accept = async {
            while let Some(permit) = places.connection().await {
                let (stream, peer) = acceptor.accept().await;
                let place = Place::new(permit, open.clone());
                let served = serve(serving.clone(), transport.clone(), stream, peer);
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
        };
        tokio::select! {
            () = accept => {}
            () = stop.cancelled() => {}
        }
        drop(acceptor);
        connections.close();
        tasks.stop();
        let drained = async {
            connections.wait().await;
            tasks.finished().await;
        };
        if timeout(limits.drain_timeout, drained).await.is_err() {
            let connections = connections.len();
            tracing::warn!(connections, "limits.drain_timeout is over: unfinished requests are cut off");
        }
        Ok(())
    }
}
