//! Listening and serving: threads, connections, limits, the end. Nothing of OCI in here: who answers is a [`Service`].

mod accept;
mod connection;
mod descriptors;
mod http1;
mod http2;
mod options;
mod places;
mod refusal;
mod service;
mod serving;
mod tls;
mod transport;
mod worker;

use std::thread;

use tokio::runtime;
use tokio_util::sync::CancellationToken;

pub use accept::Acceptor;
pub use descriptors::{Descriptors, raise_descriptor_limit};
pub use options::Options;
use places::Places;
pub use refusal::Refusal;
pub use service::Service;
pub use tls::TlsTcp;
pub use transport::{ConnectionInfo, NotOpened, Opened, PlainTcp, Protocol, Transport};
use worker::Worker;

/// The worker threads, serving.
pub struct Server {
    workers: Vec<thread::JoinHandle<()>>,
    stop: CancellationToken,
}

impl Server {
    /// Starts the workers, each with an event loop and a service of its own. All of them accept from one socket, so that
    /// an idle worker takes the next client.
    pub fn start<S: Service, T: Transport>(
        options: &Options,
        listener: &std::net::TcpListener,
        transport: &T,
        service: impl Fn() -> S,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let places = Places::new(options.connections);
        let count = workers(options.workers);
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let worker = Worker {
                options: options.clone(),
                listener: listener.try_clone()?,
                places: places.clone(),
                service: service(),
                transport: transport.clone(),
            };
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let run = move || {
                if let Err(error) = runtime.block_on(worker.run()) {
                    tracing::error!(%error, "a worker thread ended");
                }
            };
            workers.push(thread::Builder::new().name(format!("worker-{number}")).spawn(run)?);
        }
        Ok(Self { workers, stop: options.stop.clone() })
    }

    /// Closes the listener, lets the requests that are being answered end within `limits.drain_timeout`, and waits for
    /// that.
    pub fn stop(self) {
        self.stop.cancel();
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker thread ended by a panic");
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
