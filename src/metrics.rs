//! What is counted, in Prometheus' words.

mod format;
mod process;

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

pub use format::Format;

/// The counters; cheap to bump from any thread.
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    upstream_seconds: Family<UpstreamLabels, Histogram>,
    permits: Family<PermitLabels, Counter>,
    digest_tags: Family<TagLabels, Counter>,
    gates: Family<GateLabels, Counter>,
    cascade_deletes: Family<CascadeLabels, Counter>,
    /// Clients' connections that are open.
    pub connections: Gauge,
    upstream_up: Family<UpstreamLabels, Gauge>,
    store_up: Gauge,
    store_size: Gauge,
    referrers_tags_pending: Gauge,
    unresolved_writes: Gauge,
    detached_tasks: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    upstream: UpstreamName,
    route: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: UpstreamName,
}

/// The name of an upstream; empty: the request named none.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct UpstreamName(Arc<str>);

impl EncodeLabelValue for UpstreamName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(&self.0)
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    upstream: UpstreamName,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PermitLabels {
    outcome: PermitOutcome,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[allow(non_camel_case_types, missing_docs, reason = "label values are lower case, and say what they are")]
pub enum PermitOutcome {
    cached,
    allowed,
    absent,
    denied,
    unclear,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TagLabels {
    outcome: TagOutcome,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "label values are lower case")]
enum TagOutcome {
    written,
    refused,
    failed,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct GateLabels {
    outcome: GateOutcome,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "label values are lower case")]
enum GateOutcome {
    passed,
    denied,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CascadeLabels {
    outcome: CascadeOutcome,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "label values are lower case")]
enum CascadeOutcome {
    deleted,
    kept,
}

/// From a tenth of a millisecond to more than a minute.
const BUCKETS: [f64; 13] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 20.0, 80.0];

/// Of all names but those of the process.
const PREFIX: &str = "backref";

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::default();
        all.register_collector(Box::new(process::Process));
        let registry = all.sub_registry_with_prefix(PREFIX);
        let requests = Family::default();
        let seconds = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let upstream_seconds = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let permits = Family::default();
        let gates = Family::default();
        let cascade_deletes = Family::default();
        let [connections, referrers_tags_pending, unresolved_writes, detached_tasks, store_up, store_size]: [Gauge; 6] =
            Default::default();
        let upstream_up = Family::default();
        let digest_tags = Family::default();
        registry.register("requests", "Requests answered, by upstream, route and status", requests.clone());
        registry.register("request_duration_seconds", "Time to the head of the answer", seconds.clone());
        registry.register(
            "upstream_request_duration_seconds",
            "Time to the head of the registry's answer, of each request to it",
            upstream_seconds.clone(),
        );
        let build = [("version", env!("CARGO_PKG_VERSION")), ("commit", env!("BUILD_COMMIT"))];
        registry.register("build", "Which backref this is", Info::new(build));
        registry.register("access_checks", "Access checks of callers that read lists, by outcome", permits.clone());
        registry.register("digest_tags", "Digest tags written for referrers, by outcome", digest_tags.clone());
        registry.register("gates", "Pushes to tags that a gate covers, by outcome", gates.clone());
        registry.register(
            "cascade_deletes",
            "Referrers of deleted subjects, by what became of them",
            cascade_deletes.clone(),
        );
        registry.register(
            "referrers_tags_pending",
            "Referrers tags that lack a change in backref's database",
            referrers_tags_pending.clone(),
        );
        registry.register(
            "unresolved_writes",
            "Pushes and deletes whose outcome is unknown",
            unresolved_writes.clone(),
        );
        registry.register(
            "detached_tasks",
            "Pushes, deletes and reads that go on whether or not their client is there",
            detached_tasks.clone(),
        );
        registry.register(
            "upstream_up",
            "1 if the upstream answered when it was last asked, else 0",
            upstream_up.clone(),
        );
        registry.register("store_up", "1 if the database takes writes, else 0", store_up.clone());
        registry.register("store_size_bytes", "What the database takes where it is kept", store_size.clone());
        registry.register("connections", "Clients' connections that are open", connections.clone());
        Self {
            registry: Mutex::new(all),
            requests,
            seconds,
            upstream_seconds,
            permits,
            digest_tags,
            gates,
            cascade_deletes,
            connections,
            upstream_up,
            store_up,
            store_size,
            referrers_tags_pending,
            unresolved_writes,
            detached_tasks,
        }
    }
}

impl Metrics {
    /// Counts a request that was answered. `upstream`: the name of the registry that it asked for; empty: of none.
    pub fn request(&self, upstream: Arc<str>, route: &'static str, status: StatusCode, elapsed: Duration) {
        let upstream = UpstreamName(upstream);
        let labels = RequestLabels { upstream: upstream.clone(), route, status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.seconds.get_or_create(&RouteLabels { upstream, route }).observe(elapsed.as_secs_f64());
    }

    /// What counts how long an upstream takes to answer, in seconds.
    pub fn upstream_seconds(&self, upstream: &Arc<str>) -> Histogram {
        let labels = UpstreamLabels { upstream: UpstreamName(upstream.clone()) };
        self.upstream_seconds.get_or_create_owned(&labels)
    }

    /// Counts an access check.
    pub fn permit(&self, outcome: PermitOutcome) {
        self.permits.get_or_create(&PermitLabels { outcome }).inc();
    }

    /// Counts a push that a gate judged.
    pub fn gate(&self, passed: bool) {
        let outcome = if passed { GateOutcome::passed } else { GateOutcome::denied };
        self.gates.get_or_create(&GateLabels { outcome }).inc();
    }

    /// Counts what became of a deleted subject's referrers.
    pub fn cascade_deletes(&self, deleted: usize, kept: usize) {
        for (outcome, count) in [(CascadeOutcome::deleted, deleted), (CascadeOutcome::kept, kept)] {
            self.cascade_deletes.get_or_create(&CascadeLabels { outcome }).inc_by(count as u64);
        }
    }

    /// Notes whether an upstream answers, by its name.
    pub fn upstream_up(&self, upstream: &Arc<str>, up: bool) {
        self.upstream_up.get_or_create(&UpstreamLabels { upstream: UpstreamName(upstream.clone()) }).set(i64::from(up));
    }

    /// The gauge of when the certificate ends that clients are shown; it is there from then on.
    pub fn certificate_end(&self) -> Gauge {
        let gauge = Gauge::default();
        let help = "When the certificate that clients are shown ends, in seconds since 1970";
        // Nothing that holds it can panic half-way.
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.sub_registry_with_prefix(PREFIX).register("certificate_expiry_timestamp_seconds", help, gauge.clone());
        gauge
    }

    /// Notes whether the store takes writes.
    pub fn store_up(&self, up: bool) {
        self.store_up.set(i64::from(up));
    }

    /// Notes how many bytes the store takes.
    pub fn store_size(&self, bytes: i64) {
        self.store_size.set(bytes);
    }

    /// Notes how much is pending, just before it is rendered.
    pub fn pending(&self, referrers_tags: i64, writes: i64) {
        self.referrers_tags_pending.set(referrers_tags);
        self.unresolved_writes.set(writes);
    }

    /// Notes how much detached work is under way, just before it is rendered.
    pub fn detached(&self, tasks: usize) {
        self.detached_tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
    }

    /// Counts a digest tag that was to be written, by the registry's answer.
    pub fn digest_tag(&self, answer: Option<StatusCode>) {
        let outcome = match answer {
            Some(status) if status.is_success() => TagOutcome::written,
            Some(_) => TagOutcome::refused,
            None => TagOutcome::failed,
        };
        self.digest_tags.get_or_create(&TagLabels { outcome }).inc();
    }

    /// All of it as text.
    pub fn render(&self, format: Format) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = String::new();
        if text::encode(&mut page, &registry).is_err() {
            tracing::error!("metrics could not be rendered");
        }
        format.of(page)
    }
}
