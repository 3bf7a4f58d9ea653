//! The configuration: one file, `BACKREF_*` variables, flags; the later wins. Parsed whole, to the types that the
//! program uses, so that every mistake is reported at once.

mod artifact_types;
mod gate;
mod mistake;
mod parse;
mod postgres_url;
mod shown;
mod sources;
mod tls;
mod upstream;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderName;
use ipnet::IpNet;

pub use artifact_types::ArtifactTypes;
pub use gate::Gate;
pub use mistake::Mistake;
pub use parse::{Origin, StoreUrl};
pub use postgres_url::PostgresUrl;
pub use sources::{Shown, Sources};
pub use tls::Tls;
pub use upstream::Upstream;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "deploy/backref.example.toml says what each setting is, and a test keeps it whole")]
pub struct Config {
    pub listen: SocketAddr,
    pub admin: Admin,
    pub public_url: Option<Origin>,
    pub trusted_proxies: Vec<IpNet>,
    pub workers: usize,
    pub tls: Option<Tls>,
    pub upstream: Upstream,
    /// Where several are fronted.
    pub others: Vec<Upstream>,
    pub store: Store,
    pub limits: Limits,
    pub permit: Permit,
    pub referrers: Referrers,
    pub rewrite: Rewrite,
    pub subject: Subject,
    pub gates: Vec<Gate>,
    pub notifications: Option<PathBuf>,
    pub log: Log,
}

/// `[admin]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see Config")]
pub struct Admin {
    pub listen: SocketAddr,
    pub token_file: Option<PathBuf>,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see Config")]
pub struct Store {
    pub url: StoreUrl,
    pub connections: usize,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see Config")]
pub struct Limits {
    pub connections: usize,
    pub head: usize,
    pub buffered: usize,
    pub head_timeout: Duration,
    pub stall_timeout: Duration,
    pub drain_delay: Duration,
    pub drain_timeout: Duration,
}

/// `[permit]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see Config")]
pub struct Permit {
    pub ttl: Duration,
    pub entries: u64,
    pub ignore_headers: Vec<HeaderName>,
}

/// `[referrers]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see Config")]
pub struct Referrers {
    pub without_subject: bool,
    pub list: Form,
    pub tag: ReferrersTagMode,
    pub native: Native,
    pub artifact_type: ArtifactTypes,
    pub hide_tags: bool,
    pub recheck: Duration,
    pub digest_tags: DigestTags,
    pub cosign_tags: bool,
}

/// Whether a registry's own list of referrers is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// Where there is one.
    Auto,
    /// Never.
    Off,
}

/// What becomes of digest tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestTags {
    /// They are tags like any other.
    Off,
    /// A manifest that is pushed under one refers to what it names.
    Read,
    /// And each referrer is given one.
    Write,
}

/// `[rewrite]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see Config")]
pub struct Rewrite {
    pub mode: RewriteMode,
    pub tag: Form,
    pub remember: Duration,
    pub config_type: Option<String>,
}

/// Which manifests are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewriteMode {
    /// Artifact manifests that the upstream refuses.
    Auto,
    /// Artifact manifests.
    Always,
    /// None.
    Never,
}

/// What is done about the tags in which clients keep a subject's referrers where there is no API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferrersTagMode {
    /// They are read, and kept up to date.
    Write,
    /// They are clients' own business.
    Off,
}

/// Which form of a manifest that has two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it was pushed.
    Original,
    /// As the upstream holds it.
    Carrier,
}

/// `[subject]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see Config")]
pub struct Subject {
    pub must_exist: bool,
    pub on_delete: OnDelete,
}

/// What becomes of a deleted subject's referrers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// They stay.
    Keep,
    /// They go with it.
    Referrers,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see Config")]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
    pub access: f64,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, for machines elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

impl Config {
    /// All registries that are fronted.
    pub fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        std::iter::once(&self.upstream).chain(&self.others)
    }

    /// Reads every setting from its sources. `Err` names every mistake.
    pub fn load(mut sources: Sources) -> Result<Self, Vec<Mistake>> {
        let config = Self::read(&mut sources);
        let mistakes = sources.finish();
        if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
    }

    fn read(s: &mut Sources) -> Self {
        use parse::{
            address, at_least_one, at_most, buffer_size, count, duration, flag, head_size, header_names, log_filter,
            networks, one_of, origin, path, share, text,
        };
        let minute = Duration::from_mins(1);
        let (upstream, others) = Upstream::read_all(s);
        let ignore_headers = s.or("permit.ignore_headers", header_names, Vec::new());
        let tls = Tls::read(s, &ignore_headers);
        Self {
            listen: s.or("listen", address, SocketAddr::from(([127, 0, 0, 1], 5080))),
            admin: Admin {
                listen: s.or("admin.listen", address, SocketAddr::from(([127, 0, 0, 1], 5081))),
                token_file: s.optional("admin.token_file", path),
            },
            public_url: s.optional("public_url", origin),
            trusted_proxies: s.or("trusted_proxies", networks, Vec::new()),
            workers: s.or("workers", count, 0),
            tls,
            upstream,
            others,
            store: Store::read(s),
            limits: Limits {
                connections: s.or("limits.connections", at_least_one, 10_000),
                head: s.or("limits.head", head_size, 32 << 10),
                buffered: s.or("limits.buffered", buffer_size, 32 << 20),
                head_timeout: s.or("limits.head_timeout", duration, minute),
                stall_timeout: s.or("limits.stall_timeout", duration, minute),
                drain_delay: s.or("limits.drain_delay", at_most(10 * minute), Duration::ZERO),
                drain_timeout: s.or("limits.drain_timeout", duration, minute / 2),
            },
            permit: Permit {
                ttl: s.or("permit.ttl", at_most(minute), minute),
                entries: s.or("permit.entries", count, 100_000) as u64,
                ignore_headers,
            },
            referrers: Referrers::read(s),
            rewrite: Rewrite {
                mode: s.or(
                    "rewrite.mode",
                    one_of(&[
                        ("auto", RewriteMode::Auto),
                        ("always", RewriteMode::Always),
                        ("never", RewriteMode::Never),
                    ]),
                    RewriteMode::Auto,
                ),
                tag: s.or(
                    "rewrite.tag",
                    one_of(&[("original", Form::Original), ("carrier", Form::Carrier)]),
                    Form::Original,
                ),
                remember: s.or("rewrite.remember", duration, 24 * 60 * minute),
                config_type: s.optional("rewrite.config_type", text),
            },
            subject: Subject {
                must_exist: s.or("subject.must_exist", flag, false),
                on_delete: s.or(
                    "subject.on_delete",
                    one_of(&[("keep", OnDelete::Keep), ("referrers", OnDelete::Referrers)]),
                    OnDelete::Keep,
                ),
            },
            gates: Gate::read(s),
            notifications: s.optional("notifications.token_file", path),
            log: Log {
                filter: s.or("log.filter", log_filter, "info".into()),
                format: s.or(
                    "log.format",
                    one_of(&[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)]),
                    LogFormat::Auto,
                ),
                access: s.or("log.access", share, 0.0),
            },
        }
    }
}

/// How many connections to a database a process has, unless it is told.
const CONNECTIONS: usize = 16;

impl Store {
    fn read(s: &mut Sources) -> Self {
        use parse::{at_least_one, path, store};
        let url = s.or("store.url", store, StoreUrl::Sqlite(PathBuf::from("backref.db")));
        let password_file = s.optional("store.password_file", path);
        Self { url, connections: s.or("store.connections", at_least_one, CONNECTIONS) }.with_password(password_file)
    }

    /// A store by its URL alone.
    pub fn parse(url: &str, password_file: Option<&Path>) -> Result<Self, String> {
        let url = parse::store(url)?;
        Ok(Self { url, connections: CONNECTIONS }.with_password(password_file.map(Path::to_owned)))
    }

    fn with_password(mut self, file: Option<PathBuf>) -> Self {
        if let StoreUrl::Postgres(url) = &mut self.url {
            url.password_file = file;
        }
        self
    }
}

impl Referrers {
    fn read(s: &mut Sources) -> Self {
        use parse::{duration, flag, one_of};
        Self {
            without_subject: s.or("referrers.without_subject", flag, false),
            list: s.or(
                "referrers.list",
                one_of(&[("carriers", Form::Carrier), ("originals", Form::Original)]),
                Form::Carrier,
            ),
            tag: s.or(
                "referrers.tag",
                one_of(&[("write", ReferrersTagMode::Write), ("off", ReferrersTagMode::Off)]),
                ReferrersTagMode::Write,
            ),
            native: s.or("referrers.native", one_of(&[("auto", Native::Auto), ("off", Native::Off)]), Native::Auto),
            artifact_type: s.or("referrers.artifact_type", ArtifactTypes::parse, ArtifactTypes::Any),
            hide_tags: s.or("referrers.hide_tags", flag, true),
            recheck: s.or("referrers.recheck", duration, Duration::from_mins(5)),
            digest_tags: s.or(
                "referrers.digest_tags",
                one_of(&[("off", DigestTags::Off), ("read", DigestTags::Read), ("write", DigestTags::Write)]),
                DigestTags::Read,
            ),
            cosign_tags: s.or("referrers.cosign_tags", flag, false),
        }
    }
}
