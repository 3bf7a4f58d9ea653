//! All wiring: what the requests of all workers share, made from the configuration.

use std::sync::Arc;

use http::HeaderValue;

use crate::{
    budget::Budget,
    changes::Changes,
    config::{self, Config, Origin, StoreUrl},
    listing::Listing,
    locks::Locks,
    metrics::Metrics,
    policy::Policies,
    random,
    referrers_tag::ReferrersTags,
    repeats::Repeats,
    store::{OpenError, OpenFor, PostgresStore, SqliteStore, Store},
    tasks::Tasks,
    upstream::{Capabilities, Client, Connector, ConnectorError, Permits, Upstream, Upstreams},
};

/// What all requests share.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The registry that commands work on: the only one that is fronted, or the first.
    pub upstream: Arc<Upstream>,
    /// All that are fronted.
    pub upstreams: Upstreams,
    /// Who refers to whom.
    pub store: Arc<dyn Store>,
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// Work that goes on when its client has gone.
    pub tasks: Tasks,
    /// The referrers tags.
    pub tags: Arc<ReferrersTags>,
    /// Who may list, and the lists.
    pub listing: Arc<Listing>,
    /// Pushes and deletes.
    pub changes: Changes,
    /// What is asked of pushes and deletes.
    pub policies: Policies,
    /// That somebody who isn't trusted speaks for clients that use https is said once.
    pub untrusted_https: std::sync::Once,
    /// Lines that would come again and again.
    pub repeats: Arc<Repeats>,
    /// Scheme and host by which clients know backref, where they are configured.
    pub public_side: Option<(HeaderValue, HeaderValue)>,
}

/// Why backref can't start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// TLS to the upstream.
    #[error(transparent)]
    Tls(#[from] ConnectorError),
}

impl App {
    /// Opens the store, for that many threads that read; nothing is asked of the upstream yet.
    pub fn build(config: Config, purpose: OpenFor, readers: usize) -> Result<Arc<Self>, BuildError> {
        let store = open_store(&config.store, purpose, readers)?;
        let metrics = Arc::new(Metrics::default());
        let shared = Shared::new(&config, metrics.clone());
        let upstream = Arc::new(shared.upstream(&config, &config.upstream)?);
        let others = config.others.iter().map(|other| shared.upstream(&config, other).map(Arc::new));
        let upstreams = Upstreams::new(upstream.clone(), others.collect::<Result<_, _>>()?);
        // Each sends one request at a time, for a client that holds no connection any more.
        let to_upstreams = upstreams.iter().map(|one| one.settings.connections).sum();
        let most_tasks = config.limits.connections.min(to_upstreams);
        let tasks = Tasks::new(most_tasks, config.limits.stall_timeout);
        let tags = Arc::new(ReferrersTags::new(store.clone(), tasks.clone(), config.referrers.recheck));
        let listing = Arc::new(Listing::new(store.clone(), tags.clone(), metrics.clone(), tasks.clone()));
        let changes =
            Changes { store: store.clone(), tags: tags.clone(), metrics: metrics.clone(), tasks: tasks.clone() };
        let (gates, subject) = (config.gates.clone(), config.subject.clone());
        let policies = Policies::new(gates, subject, store.clone(), listing.clone(), metrics.clone());
        let public_side = public_side(config.public_url.as_ref());
        let (untrusted_https, repeats) = (std::sync::Once::new(), Arc::default());
        Ok(Arc::new(Self {
            config,
            upstream,
            upstreams,
            store,
            metrics,
            tasks,
            tags,
            listing,
            changes,
            policies,
            untrusted_https,
            repeats,
            public_side,
        }))
    }
}

/// Opens a store, for that many threads that read.
pub fn open_store(settings: &config::Store, purpose: OpenFor, readers: usize) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match &settings.url {
        StoreUrl::Sqlite(path) => Arc::new(SqliteStore::open(path, purpose, readers)?),
        StoreUrl::Postgres(url) => Arc::new(PostgresStore::open(url, purpose, settings.connections)?),
    })
}

/// What all upstreams share: what one caller may take is the same in front of each.
struct Shared {
    budget: Budget,
    callers: ring::hmac::Key,
    via: HeaderValue,
    metrics: Arc<Metrics>,
}

impl Shared {
    fn new(config: &Config, metrics: Arc<Metrics>) -> Self {
        let via = HeaderValue::from_str(&format!("1.1 backref-{:016x}", random::u64()));
        Self {
            budget: Budget::new(config.limits.buffered, config.limits.stall_timeout),
            callers: random::hash_key(),
            // Invariant: letters, digits, dots, dashes and a space.
            via: via.unwrap_or(HeaderValue::from_static("1.1 backref")),
            metrics,
        }
    }

    fn upstream(&self, config: &Config, settings: &config::Upstream) -> Result<Upstream, ConnectorError> {
        let seconds = self.metrics.upstream_seconds(&settings.name);
        let client = Client::new(Connector::new(settings)?, settings, &config.limits, seconds);
        Ok(Upstream {
            name: settings.name.clone(),
            // Invariant: an authority that parsed is made of visible ASCII.
            host: HeaderValue::from_str(settings.url.authority.as_str())
                .unwrap_or(HeaderValue::from_static("upstream")),
            via: self.via.clone(),
            client: Arc::new(client),
            permits: Permits::new(&config.permit, self.callers.clone()),
            capabilities: Capabilities::default(),
            uploads: Locks::default(),
            budget: self.budget.clone(),
            settings: settings.clone(),
            rewrite: config.rewrite.clone(),
            referrers: config.referrers.clone(),
            stall_timeout: config.limits.stall_timeout,
        })
    }
}

/// The registry that the settings name; nothing is asked of it yet.
pub fn upstream(config: &Config) -> Result<Upstream, ConnectorError> {
    Shared::new(config, Arc::default()).upstream(config, &config.upstream)
}

fn public_side(url: Option<&Origin>) -> Option<(HeaderValue, HeaderValue)> {
    // Invariant: both parsed as parts of a URL, so they are visible ASCII.
    let value = |text: &str| HeaderValue::from_str(text).ok();
    url.and_then(|url| Some((value(url.scheme.as_str())?, value(url.authority.as_str())?)))
}
