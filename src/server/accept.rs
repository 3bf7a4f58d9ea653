//! Accepting connections, also when the system has no descriptor to give.

use std::{
    fs::File,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::net::{TcpListener, TcpStream};

/// How long a listener waits after a failure.
const PAUSE: Duration = Duration::from_millis(50);

/// How often failures are logged.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// Failures to accept of all listeners, logged together, once a second at most. Cheap to clone.
#[derive(Clone, Default)]
pub struct AcceptFailures(Arc<Mutex<Unlogged>>);

#[derive(Default)]
struct Unlogged {
    failures: u64,
    last_line: Option<Instant>,
}

impl AcceptFailures {
    fn add(&self, listener: &str, error: &io::Error) {
        // Nothing that holds it can panic half-way.
        let mut unlogged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unlogged.failures += 1;
        if unlogged.last_line.is_none_or(|last| last.elapsed() >= LOG_EVERY) {
            let failures = std::mem::take(&mut unlogged.failures);
            unlogged.last_line = Some(Instant::now());
            tracing::warn!(%error, listener, failures, "a connection could not be accepted");
        }
    }
}

/// A listening socket whose `accept` always ends with a connection.
pub struct Acceptor {
    name: &'static str,
    listener: TcpListener,
    failures: AcceptFailures,
    reserve: Option<Reserve>,
}

/// Descriptors that are kept open for nothing else than to be closed when there are no others.
struct Reserve {
    open: Vec<File>,
    size: usize,
}

impl Acceptor {
    /// `name` is for the log.
    pub fn new(name: &'static str, listener: TcpListener, failures: AcceptFailures) -> Self {
        Self { name, listener, failures, reserve: None }
    }

    /// Keeps `size` descriptors back, so that as many connections are accepted also when the process has used up all
    /// others.
    #[must_use]
    pub fn with_reserve(mut self, size: usize) -> Self {
        let mut reserve = Reserve { open: Vec::new(), size };
        reserve.refill();
        self.reserve = Some(reserve);
        self
    }

    /// The next connection.
    pub async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    if let Some(reserve) = &mut self.reserve {
                        reserve.refill();
                    }
                    return accepted;
                }
                Err(error) => {
                    self.failures.add(self.name, &error);
                    if self.reserve.as_mut().is_none_or(|reserve| !reserve.release()) {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    }
}

impl Reserve {
    fn refill(&mut self) {
        while self.open.len() < self.size {
            let Ok(file) = File::open("/dev/null") else { return };
            self.open.push(file);
        }
    }

    /// Closes one. `false` where none is left.
    fn release(&mut self) -> bool {
        self.open.pop().is_some()
    }
}
