//! How a connection is made, and what is asked of each.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use tokio::{runtime::Handle, sync::OnceCell};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    errors::in_words,
    process,
    schema::{self, SchemaError},
    session::Session,
};
use crate::{config::PostgresUrl, store::StoreError};

/// A statement that takes longer is ended by the server, one that waits so long for another's lock too, and so is whoever
/// began a change and has gone since: nobody else waits for it longer.
const LIMITS: &str =
    "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '5s'";

/// Every statement of a request goes along an index, however small the tables were when it was prepared, and is planned once.
/// A server that knows no such setting goes on without.
const PLANS: [&str; 5] = [
    "SET plan_cache_mode = force_generic_plan",
    "SET enable_seqscan = off",
    "SET enable_bitmapscan = off",
    "SET enable_hashjoin = off",
    "SET jit = off",
];

/// How long it takes at most until somebody answers.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long after one failure nobody tries again; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Makes connections, for the pool.
pub(super) struct Connect {
    url: PostgresUrl,
    tls: Option<MakeRustlsConnect>,
    owner: Arc<str>,
    /// Connections are driven there, whoever uses them.
    driver: Handle,
    /// The schema was looked at, and is as this release needs it.
    ready: OnceCell<()>,
    failures: Mutex<Failures>,
    closing: AtomicBool,
}

/// What happened last.
#[derive(Default)]
struct Failures {
    pause: Duration,
    until: Option<Instant>,
    why: String,
}

/// Why there is no connection.
#[derive(Clone, Debug)]
pub(super) enum ConnectError {
    /// Later there may be one.
    Away(String),
    /// What is there can't be used.
    Schema(SchemaError),
}

impl Connect {
    pub(super) fn new(url: PostgresUrl, tls: Option<MakeRustlsConnect>, owner: Arc<str>, driver: Handle) -> Self {
        let (ready, failures) = (OnceCell::new(), Mutex::default());
        Self { url, tls, owner, driver, ready, failures, closing: AtomicBool::new(false) }
    }

    /// Nobody connects any more.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    async fn connect(&self) -> Result<Session, ConnectError> {
        let (mut config, tls) = (self.url.connect.clone(), self.tls.clone());
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(PATIENCE);
        }
        // A link that swallows everything is found out.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(3 * PATIENCE);
        }
        config.application_name("backref");
        let password_file = self.url.password_file.clone();
        let connecting = async move {
            if let Some(path) = password_file {
                let password =
                    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                config.password(password.trim_end_matches(['\r', '\n']));
            }
            connect(&config, tls).await.map_err(|error| in_words(&error))
        };
        let connected = tokio::time::timeout(2 * PATIENCE, self.driver.spawn(connecting)).await;
        let client = match connected {
            Ok(Ok(client)) => client.map_err(ConnectError::Away)?,
            Ok(Err(_)) => return Err(ConnectError::Away("the store is closed".to_owned())),
            Err(_) => return Err(ConnectError::Away(format!("nobody answered within {:?}", 2 * PATIENCE))),
        };
        let session = Session::new(client);
        self.prepare(&session).await?;
        Ok(session)
    }

    async fn prepare(&self, session: &Session) -> Result<(), ConnectError> {
        let away = |error: tokio_postgres::Error| ConnectError::Away(in_words(&error));
        session.batch_execute(LIMITS).await.map_err(away)?;
        for plan in PLANS {
            if let Err(error) = session.batch_execute(plan).await
                && error.as_db_error().is_none()
            {
                return Err(away(error));
            }
        }
        self.ready.get_or_try_init(|| schema::migrate(session)).await?;
        // Before anything is noted in its name.
        process::live(session, &self.owner).await.map_err(|error| ConnectError::Away(error.to_string()))
    }

    /// Whether nobody should try just now, and why.
    fn paused(&self) -> Option<String> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.until.filter(|until| Instant::now() < *until).map(|_| failures.why.clone())
    }

    fn note(&self, result: &Result<Session, ConnectError>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) | Err(ConnectError::Schema(_)) => *failures = Failures::default(),
            Err(ConnectError::Away(why)) => {
                failures.pause = (2 * failures.pause).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                failures.until = Some(Instant::now() + failures.pause);
                failures.why.clone_from(why);
            }
        }
    }
}

/// Connects; the connection is driven by a task of its own.
async fn connect(config: &Config, tls: Option<MakeRustlsConnect>) -> Result<Client, tokio_postgres::Error> {
    if let Some(tls) = tls {
        let (client, connection) = config.connect(tls).await?;
        tokio::spawn(connection);
        return Ok(client);
    }
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl Manager for Connect {
    type Type = Session;
    type Error = ConnectError;

    async fn create(&self) -> Result<Session, ConnectError> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(ConnectError::Away("the store is closed".to_owned()));
        }
        if let Some(why) = self.paused() {
            return Err(ConnectError::Away(why));
        }
        // Large, and rare.
        let session = Box::pin(self.connect()).await;
        self.note(&session);
        session
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<ConnectError> {
        if session.is_usable() { Ok(()) } else { Err(RecycleError::message("it is not usable any more")) }
    }
}

impl From<SchemaError> for ConnectError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Failed(why) => Self::Away(why),
            error => Self::Schema(error),
        }
    }
}

impl ConnectError {
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::Away(why) => StoreError::Unusable(why),
            Self::Schema(error) => StoreError::Unusable(error.to_string()),
        }
    }
}
