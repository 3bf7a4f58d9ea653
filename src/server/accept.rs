//! Accepting connections, also when the system has no descriptor to give.

use std::{fs::File, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};

use crate::repeats::Repeats;

/// How long a listener waits after a failure.
const PAUSE: Duration = Duration::from_millis(50);

/// A listening socket whose `accept` always ends with a connection.
pub struct Acceptor {
    name: &'static str,
    listener: TcpListener,
    repeats: Arc<Repeats>,
    reserve: Option<Reserve>,
}

/// Descriptors that are kept open for nothing else than to be closed when there are no others.
struct Reserve {
    open: Vec<File>,
    size: usize,
}

impl Acceptor {
    /// `name` is for the log.
    pub fn new(name: &'static str, listener: TcpListener, repeats: Arc<Repeats>) -> Self {
        Self { name, listener, repeats, reserve: None }
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
                    if let Some(left_out) = self.repeats.due(self.name) {
                        tracing::warn!(%error, listener = self.name, left_out, "a connection could not be accepted");
                    }
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
