//! All wiring: what the requests of all workers share, made from the configuration.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderValue;
use moka::future::Cache;
use tokio::sync::{AcquireError, Mutex, OnceCell, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin::Metrics,
    config::{Config, Origin},
    error::Error,
    learned::Learned,
    referrers::ManifestKey,
    store::{OpenError, OpenFor, SqliteStore, Store, StoreError},
    turns::Turns,
    upstream::{CallerKey, Connector, Permits, TlsError},
};

/// What all requests share.
pub struct App {
    /// The settings.
    pub config: Config,
    /// Who refers to whom.
    pub store: Arc<dyn Store>,
    /// Who may read.
    pub permits: Permits,
    /// What was counted.
    pub metrics: Metrics,
    /// What manifests on their way and large pages may take, all together.
    pub budget: Budget,
    /// What the upstream is known to refuse.
    learned: OnceCell<Learned>,
    /// Open attempts, of a manifest and perhaps a tag, that a caller's query just asked the upstream about: not again for a
    /// while.
    pub asked: Cache<(ManifestKey, Option<Box<str>>), ()>,
    /// Who writes which referrers tag now.
    pub turns: Turns,
    /// Places for those who read what a referrers tag names.
    pub imports: Imports,
    /// Who uploads what backref makes itself.
    pub uploads: Uploads,
    /// Pushes and deletes on their way: they go on when their client has gone, and a drain waits for them.
    pub tasks: TaskTracker,
    /// Cancelled when draining begins: what only waits for a better moment stops waiting.
    pub stop: CancellationToken,
    /// How to reach the upstream.
    pub connector: Connector,
    /// The upstream's `Host`.
    pub upstream_host: HeaderValue,
    /// Scheme and host by which clients know backref, where they are configured.
    pub public_side: Option<(HeaderValue, HeaderValue)>,
}

/// How many open attempts are remembered as just asked about, and for how long.
const ASKED: u64 = 10_000;
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// For how long after it was taken last a turn to upload is remembered.
const TURN_KEPT: Duration = Duration::from_mins(10);

/// Why backref can't start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// TLS to the upstream.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl App {
    /// Opens the store; nothing is asked of the upstream yet.
    pub fn build(config: Config, purpose: OpenFor) -> Result<Arc<Self>, BuildError> {
        let authority = config.upstream.url.authority.as_str();
        Ok(Arc::new(Self {
            connector: Connector::new(&config.upstream)?,
            store: Arc::new(SqliteStore::open(&config.store, purpose)?),
            permits: Permits::new(&config.permit),
            metrics: Metrics::default(),
            budget: Budget::new(config.limits.buffered),
            asked: Cache::builder().max_capacity(ASKED).time_to_live(ASK_AGAIN).build(),
            turns: Turns::new(config.referrers.recheck),
            imports: Imports::default(),
            uploads: Uploads(Cache::builder().max_capacity(ASKED).time_to_idle(TURN_KEPT).build()),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            // Invariant: an authority that parsed is made of visible ASCII.
            upstream_host: HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static("upstream")),
            public_side: public_side(config.public_url.as_ref()),
            learned: OnceCell::new(),
            config,
        }))
    }

    /// What the upstream is known to refuse, read from the store the first time.
    pub async fn learned(&self) -> Result<&Learned, StoreError> {
        let read = || async {
            let learned = self.store.learned(&self.config.upstream.name).await?;
            Ok(Learned::parse(learned.as_deref().unwrap_or("{}")))
        };
        self.learned.get_or_try_init(read).await
    }
}

fn public_side(url: Option<&Origin>) -> Option<(HeaderValue, HeaderValue)> {
    // Invariant: both parsed as parts of a URL, so they are visible ASCII.
    let value = |text: &str| HeaderValue::from_str(text).ok();
    url.and_then(|url| Some((value(url.scheme.as_str())?, value(url.authority.as_str())?)))
}

/// Turns to upload, by digest: distribution says of a blob or manifest that is there already that it is not, while another
/// uploads the same once more.
pub struct Uploads(Cache<ManifestKey, Arc<Mutex<()>>>);

impl Uploads {
    /// The turn, until it is dropped.
    pub async fn turn(&self, key: &ManifestKey) -> OwnedMutexGuard<()> {
        self.0.get_with_by_ref(key, async { Arc::default() }).await.lock_owned().await
    }
}

/// How many referrers tags are read at a time: in all, and for one caller, so that none has all the places.
const IMPORTS: usize = 16;
const IMPORTS_EACH: usize = 4;

/// Places for those who read what a referrers tag names.
pub struct Imports {
    all: Arc<Semaphore>,
    each: Cache<CallerKey, Arc<Semaphore>>,
}

impl Default for Imports {
    fn default() -> Self {
        let each = Cache::builder().max_capacity(ASKED).time_to_idle(Duration::from_mins(1)).build();
        Self { all: Arc::new(Semaphore::new(IMPORTS)), each }
    }
}

impl Imports {
    /// A place for this caller, until it is dropped. [`Error::Busy`] where there is none for a while.
    pub async fn take(&self, caller: CallerKey) -> Result<[OwnedSemaphorePermit; 2], Error> {
        let each = self.each.get_with(caller, async { Arc::new(Semaphore::new(IMPORTS_EACH)) }).await;
        let places =
            async { Ok::<_, AcquireError>([each.acquire_owned().await?, self.all.clone().acquire_owned().await?]) };
        // Invariant: the semaphores are never closed.
        tokio::time::timeout(PATIENCE, places).await.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)
    }
}

/// A bound on what is held in memory at a time.
pub struct Budget {
    kib: Arc<Semaphore>,
    all: u32,
}

/// How long a place, or room in the budget, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

impl Budget {
    fn new(bytes: usize) -> Self {
        let all = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1);
        Self { kib: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Room for `bytes`, until it is dropped. [`Error::Busy`] where there is none for a while.
    pub async fn take(&self, bytes: usize) -> Result<Room, Error> {
        let room = tokio::time::timeout(PATIENCE, self.kib.clone().acquire_many_owned(self.kib_of(bytes))).await;
        // Invariant: the semaphore is never closed.
        Ok(Room(room.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?))
    }

    /// The same, without waiting.
    pub fn take_now(&self, bytes: usize) -> Result<Room, Error> {
        let room = self.kib.clone().try_acquire_many_owned(self.kib_of(bytes));
        Ok(Room(room.map_err(|_| Error::Busy)?))
    }

    fn kib_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.all)
    }
}

/// A part of the budget, until it is dropped.
pub struct Room(OwnedSemaphorePermit);

impl Room {
    /// How much.
    pub fn bytes(&self) -> usize {
        self.0.num_permits() << 10
    }

    /// Adds more of the same budget's.
    pub fn merge(&mut self, more: Self) {
        self.0.merge(more.0);
    }

    /// Bytes that keep their place in the budget until they are sent.
    pub fn hold(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        struct Held<T>(T, #[allow(dead_code, reason = "kept, not read")] Room);
        impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }
        Bytes::from_owner(Held(bytes, self))
    }
}
