//! Cached permits, by who asks: a keyed hash of everything by which the upstream could decide.

use std::{
    net::Ipv6Addr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use moka::{Expiry, future::Cache, policy::EvictionPolicy};
use ring::hmac;

use crate::{config, oci::Digest, referrers::ManifestKey, shares::Holder};

/// Cached permits, and the questions that are under way.
pub struct Permits {
    key: hmac::Key,
    ttl: Duration,
    /// Headers that the settings say no upstream decides by.
    ignored: Vec<HeaderName>,
    granted: Cache<CallerKey, Granted>,
    /// Nothing is kept in it: it joins those who ask the same at the same time.
    pub(super) flights: Cache<(CallerKey, Digest), ()>,
}

/// A cached yes.
#[derive(Clone)]
struct Granted {
    lifetime: Duration,
    cors: Cors,
}

/// The `Access-Control-*` headers of an answer (Fetch, 3.2.3): what browsers may do with it. Mostly there are none.
#[derive(Clone, Debug, Default)]
pub struct Cors(Option<Arc<[(HeaderName, HeaderValue)]>>);

impl Cors {
    /// Those among an answer's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let is_one = |(name, _): &(&HeaderName, &HeaderValue)| name.as_str().starts_with("access-control-");
        let found: Vec<_> = headers.iter().filter(is_one).map(|(name, value)| (name.clone(), value.clone())).collect();
        Self(if found.is_empty() { None } else { Some(found.into()) })
    }

    /// Puts them into another answer's, which says that it depends on who asks where it does (Fetch, 3.2.5).
    pub fn put(&self, headers: &mut HeaderMap) {
        for (name, value) in self.0.iter().flat_map(|all| all.iter()) {
            headers.append(name, value.clone());
            if name == header::ACCESS_CONTROL_ALLOW_ORIGIN && value != "*" {
                headers.append(header::VARY, HeaderValue::from_static("Origin"));
            }
        }
    }
}

/// A keyed hash of everything by which the upstream could decide about a caller, with what it is about.
pub type CallerKey = [u8; 32];

impl Permits {
    /// No permits yet. `key`: the process's, so that a caller is the same in front of each upstream.
    pub fn new(config: &config::Permit, key: hmac::Key) -> Self {
        Self {
            key,
            ttl: config.ttl,
            ignored: config.ignore_headers.clone(),
            granted: Cache::builder()
                .max_capacity(config.entries)
                .eviction_policy(EvictionPolicy::lru())
                .expire_after(Lifetime)
                .build(),
            flights: Cache::new(config.entries),
        }
    }

    /// Who asks about the subject's repository.
    pub(super) fn caller_key(&self, caller: &HeaderMap, subject: &ManifestKey) -> CallerKey {
        self.hash(caller, &[subject.upstream.as_bytes(), subject.repository.as_str().as_bytes()])
    }

    /// Who asks, whatever it is about: by credentials and address alone, so that no made-up header makes another caller.
    pub(super) fn holder(&self, caller: &HeaderMap, address: &HeaderValue) -> Holder {
        let credentials = [header::AUTHORIZATION, header::COOKIE];
        let given = credentials.iter().flat_map(|name| caller.get_all(name)).map(HeaderValue::as_bytes);
        let network = Network::of(address);
        Holder {
            caller: self.key_of(given.chain([network.as_bytes(), b"caller"])),
            address: self.key_of([network.as_bytes(), b"address"]),
        }
    }

    /// If the upstream said yes not long ago: what browsers may do.
    pub(super) async fn cached(&self, key: &CallerKey) -> Option<Cors> {
        Some(self.granted.get(key).await?.cors)
    }

    /// Keeps a yes: at most for the configured time; a token's own end may come sooner. It is not verified, and only ever
    /// shortens.
    pub(super) async fn cache(&self, key: CallerKey, caller: &HeaderMap, cors: Cors) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let lifetime = match token_end(caller) {
            Some(end) => self.ttl.min(end.saturating_sub(now)),
            None => self.ttl,
        };
        if !lifetime.is_zero() {
            self.granted.insert(key, Granted { lifetime, cors }).await;
        }
    }

    /// Of everything by which an upstream could decide about this caller.
    fn hash(&self, caller: &HeaderMap, about: &[&[u8]]) -> CallerKey {
        // In one order, whatever the map's is: it changes when a header is removed.
        let mut deciding: Vec<_> = caller.iter().filter(|(name, _)| self.decides(name)).collect();
        deciding.sort_by_key(|(name, _)| name.as_str());
        let headers = deciding.into_iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        self.key_of(about.iter().copied().chain(headers))
    }

    fn key_of<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> CallerKey {
        let mut hash = hmac::Context::with_key(&self.key);
        for part in parts {
            hash.update(&(part.len() as u64).to_ne_bytes());
            hash.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(hash.sign().as_ref());
        key
    }

    /// Whether an upstream could decide by this header who may read. All count but those known not to, and those that
    /// the settings name.
    fn decides(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        !(UNDECIDING.contains(name)
            || TRACES.contains(&text)
            || TRACE_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
            || self.ignored.contains(name))
    }
}

/// What counts as one address: of IPv6 the first half, since whoever has one has all others of its network.
enum Network<'a> {
    Address(&'a HeaderValue),
    V6([u8; 8]),
}

impl<'a> Network<'a> {
    fn of(address: &'a HeaderValue) -> Self {
        let is_v6 = address.as_bytes().contains(&b':');
        let parsed = is_v6.then(|| address.to_str().ok()?.parse::<Ipv6Addr>().ok()).flatten();
        match parsed.and_then(|address| address.octets().first_chunk().copied()) {
            Some(half) => Self::V6(half),
            None => Self::Address(address),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Address(address) => address.as_bytes(),
            Self::V6(half) => half,
        }
    }
}

/// What says how to answer, not to whom.
const UNDECIDING: [HeaderName; 14] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::USER_AGENT,
    header::CACHE_CONTROL,
    header::PRAGMA,
    header::RANGE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// By which requests are followed through systems: another value with each request, made by clients, load balancers and
/// meshes.
const TRACES: [&str; 16] = [
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "uber-trace-id",
    "sentry-trace",
    "x-request-id",
    "x-correlation-id",
    "x-request-start",
    "x-amzn-trace-id",
    "x-amz-cf-id",
    "x-cloud-trace-context",
    "x-ot-span-context",
    "x-client-trace-id",
    "cf-ray",
    "via",
];
const TRACE_PREFIXES: [&str; 3] = ["x-b3-", "x-datadog-", "x-envoy-"];

/// How long each permit stands.
struct Lifetime;

impl Expiry<CallerKey, Granted> for Lifetime {
    fn expire_after_create(&self, _: &CallerKey, granted: &Granted, _: Instant) -> Option<Duration> {
        Some(granted.lifetime)
    }
}

/// The `exp` of a bearer token that is a JWT (RFC 7519, 4.1.4), since 1970.
fn token_end(caller: &HeaderMap) -> Option<Duration> {
    #[derive(serde::Deserialize)]
    struct Claims {
        exp: f64,
    }
    let value = caller.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let payload = token.trim().split('.').nth(1).filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    Duration::try_from_secs_f64(claims.exp).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn permits() -> Permits {
        let config = config::Permit { ttl: Duration::from_mins(1), entries: 10, ignore_headers: Vec::new() };
        Permits::new(&config, crate::random::hash_key())
    }

    fn subject(repository: &str) -> ManifestKey {
        ManifestKey {
            upstream: "up".into(),
            repository: crate::oci::Repository::parse(repository).unwrap(),
            digest: Digest::parse("blake3:00").unwrap(),
        }
    }

    #[test]
    fn permit_key_differs_for_callers_whom_the_upstream_could_tell_apart() {
        let permits = permits();
        let key = |name: &'static str, value: &'static str, repository| {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            permits.caller_key(&headers, &subject(repository))
        };
        let one = key("authorization", "Bearer a", "r");
        assert_eq!(one, key("authorization", "Bearer a", "r"));
        assert_ne!(one, key("authorization", "Bearer b", "r"));
        assert_ne!(one, key("authorization", "Bearer a", "s"));
        assert_ne!(key("cookie", "a", "r"), key("x-jfrog-art-api", "a", "r"));
        assert_eq!(key("user-agent", "a", "r"), key("user-agent", "b", "r"));
    }

    #[test]
    fn limits_whoever_has_one_ipv6_address_has_those_of_its_network() {
        let permits = permits();
        let of = |address: &'static str| permits.holder(&HeaderMap::new(), &HeaderValue::from_static(address));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:2"));
        assert_ne!(of("2001:db8::1").address, of("2001:db8:0:1::1").address);
        assert_ne!(of("192.0.2.1").address, of("192.0.2.2").address);
        assert_ne!(of("192.0.2.1").caller, of("192.0.2.1").address);
    }

    #[test]
    fn permit_is_shortened_only_by_a_token_that_has_an_end() {
        let end = |value: &str| {
            token_end(&HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())]))
        };
        let payload = URL_SAFE_NO_PAD.encode(br#"{"exp":1700000000}"#);
        assert_eq!(end(&format!("Bearer x.{payload}.y")), Some(Duration::from_secs(1_700_000_000)));
        assert_eq!(end(&format!("Basic x.{payload}.y")), None);
        assert_eq!(end("Bearer opaque"), None);
        assert_eq!(end("Bearer a.b.c"), None);
        let negative = URL_SAFE_NO_PAD.encode(br#"{"exp":-1}"#);
        assert_eq!(end(&format!("Bearer x.{negative}.y")), None);
    }
}
