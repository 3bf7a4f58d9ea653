//! Listening and serving: threads, connections, limits, the end. Nothing of OCI in here.

mod connection;
mod head;
mod linger;

use std::{sync::Arc, thread, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    net::TcpListener,
    runtime,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{app::App, http::Router};
use connection::Connection;

/// Serving, on threads of its own.
pub struct Server {
    workers: Vec<thread::JoinHandle<()>>,
    stop: CancellationToken,
}

impl Server {
    /// Starts the workers. Each has an event loop, and connections to the upstream, of its own; all accept from the
    /// same socket, so that whoever is idle takes the next client.
    pub fn start(app: &Arc<App>, listener: &std::net::TcpListener) -> Result<Self, Box<dyn std::error::Error>> {
        let stop = CancellationToken::new();
        let connections = Arc::new(Semaphore::new(app.config.limits.connections));
        let count = workers(app.config.workers);
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let worker = Worker {
                router: Router::new(app.clone()),
                listener: listener.try_clone()?,
                connections: connections.clone(),
                stop: stop.child_token(),
            };
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let run = move || {
                if let Err(error) = runtime.block_on(worker.run()) {
                    tracing::error!(%error, "a worker ended");
                }
            };
            workers.push(thread::Builder::new().name(format!("worker-{number}")).spawn(run)?);
        }
        Ok(Self { workers, stop })
    }

    /// Takes no more clients, lets requests on their way end within `limits.drain_timeout`, and waits for that.
    pub fn stop(self) {
        self.stop.cancel();
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker ended by a panic");
            }
        }
    }
}

/// How many workers a setting asks for; 0: one a core.
pub fn workers(setting: usize) -> usize {
    match setting {
        0 => thread::available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

struct Worker {
    router: Router,
    listener: std::net::TcpListener,
    connections: Arc<Semaphore>,
    stop: CancellationToken,
}

/// How long to wait when the system has no more sockets to give.
const NO_SOCKETS: Duration = Duration::from_millis(50);

/// A client's place, counted until it goes.
struct Open {
    _place: OwnedSemaphorePermit,
    count: Gauge,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count.dec();
    }
}

impl Worker {
    async fn run(self) -> std::io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let clients = TaskTracker::new();
        let accept = async {
            // Invariant: the semaphore is never closed.
            while let Ok(place) = self.connections.clone().acquire_owned().await {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let connection = Connection::new(&self.router, stream, peer);
                        let stop = self.stop.clone();
                        let open = Open { _place: place, count: self.router.app().metrics.connections.clone() };
                        open.count.inc();
                        clients.spawn(async move {
                            connection.serve(stop).await;
                            drop(open);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a client could not be accepted");
                        tokio::time::sleep(NO_SOCKETS).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accept => {}
            () = self.stop.cancelled() => {}
        }
        drop(listener);
        clients.close();
        let app = self.router.app();
        app.tasks.stop();
        let drained = async {
            clients.wait().await;
            app.tasks.finished().await;
        };
        if tokio::time::timeout(app.config.limits.drain_timeout, drained).await.is_err() {
            tracing::warn!(clients = clients.len(), "not everything ended in time");
        }
        Ok(())
    }
}
