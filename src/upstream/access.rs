//! The delegated permission: backref answers from its store only to whom the upstream said yes, just now.
//! The sole maker of [`ReadPermit`].

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use moka::{Expiry, future::Cache, policy::EvictionPolicy};
use ring::hmac;

use super::{Client, UpstreamError, headers};
use crate::{
    config,
    oci::{Digest, ReferrersTag, Repository},
    referrers::ManifestKey,
};

/// The upstream lets this caller read this repository. No permit, no listing.
pub struct ReadPermit(());

/// Remembered permits, and the questions that are under way.
pub struct Permits {
    key: hmac::Key,
    ttl: Duration,
    granted: Cache<CallerKey, Duration>,
    /// Nothing is kept in it: it joins those who ask the same at the same time.
    flights: Cache<(CallerKey, Digest), ()>,
}

/// A keyed hash of everything by which the upstream could decide about a caller, with what it is about.
pub type CallerKey = [u8; 32];

/// Who asks: the headers as the upstream gets them.
pub struct Access<'a> {
    /// Remembered permits.
    pub permits: &'a Permits,
    /// Whom to ask.
    pub client: &'a Client,
    /// The caller's headers, as the upstream is to see them.
    pub caller: &'a HeaderMap,
}

/// How a permit came about, or why there is none.
pub enum Permission {
    /// From an earlier yes.
    Remembered(ReadPermit),
    /// The upstream was asked just now.
    Asked(Arc<Round>),
}

/// What the upstream said to a caller in one round.
pub struct Round {
    answer: Result<ReadPermit, Refusal>,
    /// What it said about referrers on record, in the order of asking: is it there?
    pub answers: Vec<(Digest, bool)>,
}

/// Why there is no permit.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// Nothing that was asked about is there, or not for this caller: an empty list, without a hint.
    Absent,
    /// 401 or 403, with what the upstream said.
    Denied(StatusCode, HeaderMap),
    /// The upstream can't say now.
    Unclear(StatusCode, HeaderMap),
    /// It didn't answer.
    Failed(UpstreamError),
    /// What is on record could not be read.
    NoRecord,
}

impl Permits {
    /// No permits yet.
    pub fn new(config: &config::Permit) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &crate::random::bytes::<32>()),
            ttl: config.ttl,
            granted: Cache::builder()
                .max_capacity(config.entries)
                .eviction_policy(EvictionPolicy::lru())
                .expire_after(Lifetime)
                .build(),
            flights: Cache::new(config.entries),
        }
    }

    fn caller_key(&self, caller: &HeaderMap, subject: &ManifestKey) -> CallerKey {
        self.hash(caller, &[subject.upstream.as_bytes(), subject.repository.as_str().as_bytes()])
    }

    /// Who asks, whatever it is about: what is bounded for each is counted by this.
    pub fn who(&self, caller: &HeaderMap) -> CallerKey {
        self.hash(caller, &[])
    }

    fn hash(&self, caller: &HeaderMap, about: &[&[u8]]) -> CallerKey {
        let mut hash = hmac::Context::with_key(&self.key);
        let mut part = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_ne_bytes());
            hash.update(bytes);
        };
        for text in about {
            part(text);
        }
        for (name, value) in caller.iter().filter(|(name, _)| decides(name)) {
            part(name.as_str().as_bytes());
            part(value.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(hash.sign().as_ref());
        key
    }
}

/// Whether an upstream could decide by this header who may read. All count but those known not to.
fn decides(name: &HeaderName) -> bool {
    !matches!(
        *name,
        header::ACCEPT
            | header::ACCEPT_ENCODING
            | header::ACCEPT_LANGUAGE
            | header::USER_AGENT
            | header::CACHE_CONTROL
            | header::PRAGMA
            | header::RANGE
            | header::CONTENT_LENGTH
            | header::CONTENT_TYPE
            | header::DATE
            | header::IF_MATCH
            | header::IF_NONE_MATCH
            | header::IF_MODIFIED_SINCE
            | header::IF_UNMODIFIED_SINCE
    ) && !matches!(name.as_str(), "traceparent" | "tracestate" | "x-request-id")
}

/// How long each permit stands.
struct Lifetime;

impl Expiry<CallerKey, Duration> for Lifetime {
    fn expire_after_create(&self, _: &CallerKey, lifetime: &Duration, _: Instant) -> Option<Duration> {
        Some(*lifetime)
    }
}

impl Access<'_> {
    /// A permit to list the referrers of `subject`: remembered, or asked for now, together with whoever asks the
    /// same. `recorded` gives referrers on record, newest first, or `None` where that can't be read; it is awaited only
    /// when the subject itself is not there, and only by the one who asks. `by_tag`: the subject's referrers tag is
    /// asked for last.
    pub async fn read(
        &self,
        subject: &ManifestKey,
        recorded: impl Future<Output = Option<Vec<Digest>>>,
        by_tag: bool,
    ) -> Permission {
        let key = self.permits.caller_key(self.caller, subject);
        if self.permits.granted.get(&key).await.is_some() {
            return Permission::Remembered(ReadPermit(()));
        }
        let flight = async { Err(self.round(subject, recorded, by_tag).await) };
        let Err(round) = self.permits.flights.try_get_with((key, subject.digest.clone()), flight).await else {
            return Permission::Remembered(ReadPermit(())); // never kept, so never found
        };
        let lifetime = if round.answer.is_ok() { self.lifetime() } else { Duration::ZERO };
        if !lifetime.is_zero() {
            self.permits.granted.insert(key, lifetime).await;
        }
        Permission::Asked(round)
    }

    /// Asks the upstream about the subject, then about its referrers, until it says yes.
    async fn round(
        &self,
        subject: &ManifestKey,
        recorded: impl Future<Output = Option<Vec<Digest>>>,
        by_tag: bool,
    ) -> Round {
        let mut answers = Vec::new();
        let answer = async {
            if self.head(subject).await?.0 == StatusCode::OK {
                return Ok(ReadPermit(()));
            }
            let mut unclear = None;
            for digest in recorded.await.ok_or(Refusal::NoRecord)? {
                let (status, _) = self.head(&subject.sibling(digest.clone())).await?;
                match status {
                    StatusCode::OK | StatusCode::NOT_FOUND => answers.push((digest, status == StatusCode::OK)),
                    status => unclear = Some(status),
                }
                if status == StatusCode::OK {
                    return Ok(ReadPermit(()));
                }
            }
            let tag = || reference_uri(&subject.repository, &ReferrersTag::from(&subject.digest));
            if by_tag && self.ask(tag()).await?.0 == StatusCode::OK {
                return Ok(ReadPermit(()));
            }
            Err(unclear.map_or(Refusal::Absent, |status| Refusal::Unclear(status, HeaderMap::new())))
        };
        Round { answer: answer.await, answers }
    }

    /// What the upstream says to a HEAD: 200, 404, or what counts as one: 500, which distribution 2.8 gives for a digest
    /// that is only a blob, and 400, for an algorithm that an upstream doesn't know.
    pub async fn head(&self, key: &ManifestKey) -> Result<(StatusCode, HeaderMap), Refusal> {
        self.ask(manifest_uri(key)).await
    }

    async fn ask(&self, uri: Uri) -> Result<(StatusCode, HeaderMap), Refusal> {
        let ask = self.client.ask(Method::HEAD, uri, headers::on_behalf(self.caller));
        let mut answer = ask.await.map_err(Refusal::Failed)?;
        match answer.status() {
            status @ (StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::INTERNAL_SERVER_ERROR) => {
                Ok((status, std::mem::take(answer.headers_mut())))
            }
            StatusCode::BAD_REQUEST => Ok((StatusCode::NOT_FOUND, HeaderMap::new())),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(Refusal::Denied(status, headers::of_refusal(answer.headers())))
            }
            status => Err(Refusal::Unclear(status, headers::of_refusal(answer.headers()))),
        }
    }

    /// At most the configured time; a token's own end may come sooner. It is not verified, and only ever shortens.
    fn lifetime(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match token_end(self.caller) {
            Some(end) => self.permits.ttl.min(end.saturating_sub(now)),
            None => self.permits.ttl,
        }
    }
}

impl Permission {
    /// The permit, if the upstream said yes.
    pub fn permit(&self) -> Result<&ReadPermit, Refusal> {
        match self {
            Self::Remembered(permit) => Ok(permit),
            Self::Asked(round) => round.answer.as_ref().map_err(Clone::clone),
        }
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

/// `/v2/<name>/manifests/<reference>`: a digest or a tag.
pub fn reference_uri(repository: &Repository, reference: &impl Display) -> Uri {
    // Invariant: names, digests and tags in their grammar hold no character that a path can't.
    Uri::try_from(format!("/v2/{repository}/manifests/{reference}")).unwrap_or_default()
}

/// `/v2/<name>/manifests/<digest>`
pub fn manifest_uri(key: &ManifestKey) -> Uri {
    reference_uri(&key.repository, &key.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn permits() -> Permits {
        Permits::new(&config::Permit { ttl: Duration::from_mins(1), entries: 10 })
    }

    fn subject(repository: &str) -> ManifestKey {
        ManifestKey {
            upstream: "up".into(),
            repository: crate::oci::Repository::parse(repository).unwrap(),
            digest: Digest::parse("blake3:00").unwrap(),
        }
    }

    #[test]
    fn whatever_could_decide_tells_callers_apart() {
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
    fn only_a_token_with_an_end_shortens() {
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
