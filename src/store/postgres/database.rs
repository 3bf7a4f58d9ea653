//! A store in a PostgreSQL database: how it is opened, read, and let go.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};

use deadpool::{
    Runtime,
    managed::{Pool, PoolError, Timeouts},
};
use tokio::sync::oneshot;
use tokio_postgres::Row;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    batch::{Batch, Value},
    connect::{Connect, ConnectError},
    errors::Fault,
    lease::Lease,
    process,
    rounds::retried,
};
use crate::{
    config::PostgresUrl,
    locks::Locks,
    oci::Repository,
    store::{OpenError, OpenFor, StoreError, aliased::Aliased},
    tls,
};

/// How long a connection is waited for while all are in use.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it takes at most to say that this process ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long `serve` waits for it at the start.
const START: Duration = Duration::from_secs(1);

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    shared: Arc<Shared>,
    pub(super) turns: Locks<(Box<str>, Repository)>,
    pub(super) aliased: Aliased,
    /// Ends the thread that drives the connections, once dropped.
    stop: Option<oneshot::Sender<()>>,
    driver: Option<JoinHandle<()>>,
}

/// What the thread of the store has of it.
struct Shared {
    pool: Pool<Connect>,
    owner: Arc<str>,
}

impl PostgresStore {
    /// Opens or makes what is in the database, by at most `connections` connections. What is not backref's, or a newer
    /// release's that this one may not use, is refused and left as it is. A database that is away is an error for a command;
    /// `serve` begins without it.
    pub fn open(url: &PostgresUrl, purpose: OpenFor, connections: usize) -> Result<Self, OpenError> {
        let refuse = |reason: String| OpenError::Database { url: url.to_string(), reason };
        let tls =
            url.is_encrypted().then(|| tls::client(tls::Trust::Authorities(url.ca_file.as_deref()), None)).transpose();
        let tls = tls.map_err(|error| refuse(error.to_string()))?.map(MakeRustlsConnect::new);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| refuse(error.to_string()))?;
        let owner: Arc<str> = purpose.owner().into();
        let connect = Connect::new(url.clone(), tls, owner.clone(), runtime.handle().clone());
        let timeouts = Timeouts { wait: Some(PATIENCE), create: None, recycle: None };
        let pool = Pool::builder(connect).max_size(connections).timeouts(timeouts).runtime(Runtime::Tokio1).build();
        let pool = pool.map_err(|error| refuse(error.to_string()))?;
        let shared = Arc::new(Shared { pool, owner });
        let (stop, stopped) = oneshot::channel();
        let (first, opened) = mpsc::channel();
        let here = shared.clone();
        let drive = move || {
            runtime.block_on(async {
                // Whoever opens waits for that, and may have given up.
                drop(first.send(here.connected().await.map(drop)));
                tokio::select! {
                    () = here.live() => {}
                    _ = stopped => {}
                }
                here.close().await;
            });
        };
        let driver = std::thread::Builder::new().name("store".into()).spawn(drive);
        let driver = driver.map_err(|error| refuse(error.to_string()))?;
        let store =
            Self { shared, turns: Locks::default(), aliased: Aliased::new(), stop: Some(stop), driver: Some(driver) };
        // `serve` passes on whatever needs no database, and doesn't wait for one that is slow to say no.
        let patience = if purpose == OpenFor::Serving { START } else { Duration::MAX };
        let why = match opened.recv_timeout(patience) {
            Ok(Ok(())) => return Ok(store),
            Ok(Err(ConnectError::Schema(error))) => return Err(refuse(error.to_string())),
            Ok(Err(ConnectError::Away(why))) => why,
            Err(RecvTimeoutError::Timeout) => "it doesn't answer".to_owned(),
            Err(RecvTimeoutError::Disconnected) => return Err(refuse("its thread ended".to_owned())),
        };
        if purpose != OpenFor::Serving {
            return Err(refuse(why));
        }
        tracing::warn!("the database {url} can't be used yet, and will be once it can: {why}");
        Ok(store)
    }

    /// How this process is named in attempts and leases.
    pub(super) fn owner(&self) -> &str {
        &self.shared.owner
    }

    /// A connection, for one caller.
    pub(super) async fn session(&self) -> Result<Lease, StoreError> {
        self.shared.connected().await.map_err(ConnectError::into_error)
    }

    /// The rows of one statement. A connection that turns out to be an old one is no failure: nothing was changed.
    pub(super) async fn read(
        &self,
        sql: impl Into<Cow<'static, str>>,
        values: Vec<Value<'_>>,
    ) -> Result<Vec<Row>, StoreError> {
        let batch = Batch::of(sql, values);
        Ok(retried!(self.read_once(&batch))?.into_iter().next().unwrap_or_default())
    }

    async fn read_once(&self, batch: &Batch<'_>) -> Result<Vec<Vec<Row>>, Fault> {
        self.session().await?.ask(&[batch]).await
    }
}

impl Shared {
    async fn connected(&self) -> Result<Lease, ConnectError> {
        let away = |why: String| Err(ConnectError::Away(why));
        match self.pool.get().await {
            Ok(session) => Ok(Lease::of(session)),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Timeout(_)) => {
                away(format!("all {} connections to it are in use (store.connections)", self.pool.status().max_size))
            }
            Err(_) => away("the store is closed".to_owned()),
        }
    }

    /// What the store does all the time, as long as it is there.
    async fn live(&self) {
        let mut away = false;
        loop {
            tokio::time::sleep(process::BEAT).await;
            let beaten = self.beat().await;
            match (&beaten, away) {
                (Err(error), false) => tracing::warn!(%error, "the database is away"),
                (Ok(()), true) => tracing::info!("the database is back"),
                _ => {}
            }
            away = beaten.is_err();
        }
    }

    /// Says that this process lives, and takes away what has expired.
    async fn beat(&self) -> Result<(), StoreError> {
        let session = self.connected().await.map_err(ConnectError::into_error)?;
        process::live(&session, &self.owner).await?;
        while process::sweep(&session).await? {}
        Ok(())
    }

    async fn close(&self) {
        self.pool.manager().close();
        // Where there is no connection, or no answer, nobody is told, and finds out a little later.
        let die = async {
            if let Ok(session) = self.connected().await {
                process::die(&session, &self.owner).await;
            }
        };
        if self.pool.status().size > 0 {
            drop(tokio::time::timeout(FAREWELL, die).await);
        }
        self.pool.close();
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_)) = self.driver.take().map(JoinHandle::join) {
            tracing::error!("the store's thread ended by a panic");
        }
    }
}
