//! A manifest PUT, from top to bottom: read, parse, judge by the policies, push, answer.

use bytes::Bytes;
use http::{
    Request, Response, StatusCode,
    header::{CONTENT_TYPE, EXPECT},
    request,
};
use hyper::body::Incoming;

use super::exchange::Exchange;
use crate::{
    app::App,
    budget::{Part, Reservation},
    carrier::{self, Artifact},
    changes::Change,
    error::Error,
    oci::{
        Algorithm, Digest, ErrorCode, MAX_MANIFEST, Manifest, RawManifest, Reference, ReferrersList, ReferrersTag,
        Repository, header,
    },
    policy,
    referrers::{Claim, ManifestKey},
    relations,
    upstream::{Body, ClientBody, CollectError, Registry, Upstream},
};

/// Answers `PUT /v2/<name>/manifests/<reference>`.
pub(super) async fn put(
    app: &App,
    exchange: Exchange,
    repository: Repository,
    reference: Reference,
) -> Result<Response<Body>, Error> {
    let registry = exchange.registry();
    let Exchange { mut head, body, upstream, .. } = exchange;
    let (bytes, reservation) = read(&registry, &head, body).await?;
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (raw, manifest) = RawManifest::parse(bytes, content_type)?;
    let by_digest = reference.digest().is_some();
    let list = list_of(&upstream, &reference, &raw, &manifest);
    let tags = relations::set_by(&reference, head.uri.query());
    let key = upstream.key(repository, digest_of(&raw, &manifest, reference)?);
    head.headers.remove(EXPECT); // all of it is here

    let pushed = policy::Pushed { key: &key, raw: &raw, manifest: &manifest };
    app.policies.judge(&registry, &tags, &pushed).await?;
    let taggings = relations::taggings(&upstream.referrers, tags, &key, &raw, &manifest)?;
    let kind = Kind::of(list, &key, &raw, manifest)?;
    if matches!(kind, Kind::Plain) && taggings.is_empty() {
        return push_as_it_is(&mut app.changes.begin(&registry), head, &key, raw, None).await;
    }
    // A client that leaves changes nothing from here on.
    let place = app.tasks.place_for_change(registry.holder()).await?;
    let changes = app.changes.clone();
    let pushing = app.tasks.detached(place.clone(), async move {
        let _reservation = reservation;
        let mut change = changes.begin(&registry);
        let noted = relations::note_tags(change.registry, change.store, &key, taggings).await?;
        let answer = Box::pin(push(&mut change, head, by_digest, &key, raw, kind)).await;
        let answer = change.conclude_tags(&key, noted, answer).await;
        change.finish(&place, answer).await
    });
    pushing.await.ok_or(Error::Bug)?
}

/// What a pushed manifest is, as far as referrers go.
enum Kind {
    /// The index under this subject's referrers tag.
    List(ManifestKey, ReferrersList),
    Artifact(Box<Artifact>),
    /// One that names its subject.
    Referrer(Claim),
    /// Nothing, unless its tag says so.
    Plain,
}

impl Kind {
    fn of(
        list: Option<(Digest, ReferrersList)>,
        key: &ManifestKey,
        raw: &RawManifest,
        manifest: Manifest,
    ) -> Result<Self, Error> {
        Ok(if let Some((subject, list)) = list {
            Self::List(key.sibling(subject), list)
        } else if raw.media_type.is_artifact() {
            Self::Artifact(Box::new(Artifact::parse(key.clone(), raw, manifest)?))
        } else {
            // All that is said of it is in the claim, and its bytes are in the request: nothing is held twice.
            Claim::of(key.clone(), raw, &manifest).map_or(Self::Plain, Self::Referrer)
        })
    }
}

async fn push(
    change: &mut Change<'_>,
    head: request::Parts,
    by_digest: bool,
    key: &ManifestKey,
    raw: RawManifest,
    kind: Kind,
) -> Result<Response<Body>, Error> {
    match kind {
        Kind::List(subject, list) => {
            let request = Request::from_parts(head, Body::from(raw.bytes));
            Box::pin(change.tags.adopt(change.registry, request, &subject, Some(&list))).await
        }
        Kind::Artifact(artifact) => Box::pin(change.push_artifact(head, by_digest, *artifact)).await,
        Kind::Referrer(claim) => {
            let claim = Box::pin(carrier::with_original(change.registry, change.store, claim, &raw)).await;
            push_as_it_is(change, head, key, raw, Some(claim)).await
        }
        Kind::Plain => push_as_it_is(change, head, key, raw, None).await,
    }
}

/// Pushes a manifest in the form that it has.
async fn push_as_it_is(
    change: &mut Change<'_>,
    head: request::Parts,
    key: &ManifestKey,
    raw: RawManifest,
    claim: Option<Claim>,
) -> Result<Response<Body>, Error> {
    if raw.media_type.is_index() {
        return Box::pin(change.push_index(head, key, raw, claim)).await;
    }
    change.push(Request::from_parts(head, Body::from(raw.bytes)), claim).await
}

/// Reads the whole body: at most [`MAX_MANIFEST`] bytes, within the budget. An artifact manifest may be held twice, as
/// it is and as its carrier: both are reserved for at once.
async fn read(registry: &Registry, head: &request::Parts, body: Incoming) -> Result<(Bytes, Reservation), Error> {
    let upstream = registry.upstream();
    let may_be_artifact = || header::media_type(&head.headers).is_none_or(|kind| kind.is_artifact());
    let copies = if upstream.rewrites() && may_be_artifact() { 2 } else { 1 };
    let body = Body::Client(ClientBody::new(body, &head.extensions, upstream.stall_timeout, false));
    registry.collect(body, Part::Body, MAX_MANIFEST, copies).await.map_err(|error| match error {
        CollectError::Busy(error) => error.into(),
        CollectError::TooLarge => too_large(),
        CollectError::Body(error) => error.into(),
    })
}

fn too_large() -> Error {
    let message = format!("a manifest may have {MAX_MANIFEST} bytes");
    Error::Request(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid, message)
}

/// Whose referrers tag a push replaces, and what the client's list says.
fn list_of(
    upstream: &Upstream,
    reference: &Reference,
    raw: &RawManifest,
    manifest: &Manifest,
) -> Option<(Digest, ReferrersList)> {
    let Reference::Tag(tag) = reference else { return None };
    let may_be = manifest.subject.is_none() && upstream.keeps_tags() && raw.media_type.is_index();
    let subject = ReferrersTag::parse(tag).filter(|_| may_be)?;
    let list = ReferrersList::parse(&raw.bytes, &subject)?;
    Some((subject, list))
}

/// The digest under which the manifest is pushed, checked against its bytes.
fn digest_of(raw: &RawManifest, manifest: &Manifest, reference: Reference) -> Result<Digest, Error> {
    let Reference::Digest(digest) = reference else { return Ok(raw.digest(Algorithm::Sha256)) };
    match digest.algorithm() {
        Some(algorithm) => {
            let actual = raw.digest(algorithm);
            if actual == digest {
                return Ok(digest);
            }
            let message = format!("the manifest's digest is {actual}, but it was pushed as {digest}");
            Err(Error::bad(ErrorCode::DigestInvalid, message))
        }
        // Nothing here rests on it, and the upstream may know the algorithm.
        None if manifest.subject.is_none() && !raw.media_type.is_artifact() => Ok(digest),
        None => {
            let message =
                format!("{digest} can't be verified: push artifacts, and what has a subject, by sha256 or sha512");
            Err(Error::bad(ErrorCode::DigestInvalid, message))
        }
    }
}
