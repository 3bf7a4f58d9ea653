//! All connections to one upstream: unused ones, new ones, and the wait for one where all are in use.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thread_local::ThreadLocal;

use super::{
    connect::Connector,
    places::{Granted, Place, Places},
    pool::{Link, Pool},
    received::{Counted, Received},
};
use crate::{
    config::{Limits, Upstream},
    stall::WriteBound,
};

/// The connections of a process to one upstream. `B` is the body of its requests.
pub(in crate::upstream) struct Connections<B: Send> {
    connector: Connector,
    pools: ThreadLocal<Arc<Pool<B>>>,
    /// How many pools there are.
    threads: AtomicUsize,
    places: Arc<Places<Link<B>>>,
    /// How many unused ones a thread keeps, and for how long.
    most_idle: usize,
    keep_idle: Duration,
    /// How long is waited for a connection of others, and for one to open.
    connect_timeout: Duration,
    stall_timeout: Duration,
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoConnection {
    /// Down, refused, not found, no TLS.
    #[error("{0}")]
    Failed(String),
    /// As many as may be open are in use.
    #[error("all {0} that upstream.connections allows, or one caller's part of them, are in use")]
    AllInUse(usize),
}

/// Read at a time at most, and the bound of what one connection, to either side, holds of a body.
pub const BUFFER: usize = 128 << 10;

impl<B: Body + Send + 'static> Connections<B>
where
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(in crate::upstream) fn new(connector: Connector, upstream: &Upstream, limits: &Limits) -> Self {
        Self {
            connector,
            pools: ThreadLocal::new(),
            threads: AtomicUsize::new(0),
            places: Arc::new(Places::new(upstream.connections)),
            most_idle: upstream.idle_connections,
            keep_idle: upstream.idle_timeout,
            connect_timeout: upstream.connect_timeout,
            stall_timeout: limits.stall_timeout,
        }
    }

    /// The calling thread's unused connections.
    pub(in crate::upstream) fn pool(&self) -> &Arc<Pool<B>> {
        self.pools.get_or(|| {
            let number = self.threads.fetch_add(1, Ordering::Relaxed);
            Arc::new(Pool::new(number, self.most_idle, self.keep_idle, self.places.clone()))
        })
    }

    /// A connection that was used before, if there is one.
    pub(in crate::upstream) async fn used(&self, pool: &Pool<B>) -> Option<Link<B>> {
        while let Some(mut link) = pool.take() {
            if link.is_ready().await {
                return Some(link);
            }
        }
        None
    }

    /// A new connection, or where there may be no more, one that another request is just done with.
    pub(in crate::upstream) async fn new_or_next(&self, pool: &Pool<B>) -> Result<Link<B>, NoConnection> {
        let place = loop {
            match self.place_or_next(pool).await? {
                Granted::Place(place) => break place,
                Granted::Link(mut link) => {
                    if link.is_ready().await {
                        return Ok(link);
                    }
                }
            }
        };
        let open = tokio::time::timeout(self.connect_timeout, self.open(place)).await;
        open.map_err(|_| NoConnection::Failed(format!("none within {:?}", self.connect_timeout)))?
    }

    async fn place_or_next(&self, pool: &Pool<B>) -> Result<Granted<Link<B>>, NoConnection> {
        let granted = match self.places.take(pool.number()) {
            Ok(place) => return Ok(Granted::Place(place)),
            Err(granted) => granted,
        };
        if let Some(unused) = self.pools.iter().find_map(|pool| pool.take_oldest()) {
            self.places.promise();
            drop(unused);
        }
        let all_in_use = || NoConnection::AllInUse(self.places.most());
        let granted = tokio::time::timeout(self.connect_timeout, granted).await.map_err(|_| all_in_use())?;
        // Invariant: who waits is in the queue until it is given something.
        granted.map_err(|_| all_in_use())
    }

    async fn open(&self, place: Place<Link<B>>) -> Result<Link<B>, NoConnection> {
        let failed = |error: &dyn std::error::Error| NoConnection::Failed(error.to_string());
        let stream = self.connector.connect().await.map_err(|error| failed(&error))?;
        let received = Arc::<Received>::default();
        let stream = TokioIo::new(Counted::new(stream, received.clone()));
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .preserve_header_case(true)
            .handshake(WriteBound::new(stream, self.stall_timeout))
            .await
            .map_err(|error| failed(&error))?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                // Whoever used it was told as well, in the place where it matters.
                tracing::debug!(%error, "a connection to the upstream ended");
            }
            drop(place);
        });
        Ok(Link::new(sender, received))
    }
}
