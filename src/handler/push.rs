//! A manifest PUT, from top to bottom: read, parse, note, forward, record, answer.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Extensions, HeaderName, HeaderValue, Request, Response, StatusCode, header, request};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use super::{
    carrier::artifact::Artifact,
    evidence::closing,
    exchange::{Exchange, Hop},
    tags::set_by,
};
use crate::{
    app::Room,
    error::Error,
    oci::{Algorithm, Digest, ErrorCode, Manifest, RawManifest, Reference, ReferrersList, Repository},
    referrers::{Claim, ManifestKey},
    stall::Stalled,
    step::step,
    store::{AttemptKind, Verdict},
    upstream::{Body, BodyError, ClientBody},
};

/// The most that registries have to take (distribution-spec 1.1, "Pushing Manifests").
pub(super) const MAX_MANIFEST: usize = 4 << 20;

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

impl Exchange {
    pub(super) async fn push(self, repository: Repository, reference: Reference) -> Result<Response<Body>, Error> {
        let Self { mut head, body, hop } = self;
        let (bytes, room) = read(&hop, body, &head.extensions).await?;
        let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let (raw, manifest) = RawManifest::parse(bytes, content_type)?;
        let by_digest = reference.digest().is_some();
        let list = if manifest.subject.is_none() { hop.list_of(&reference, &raw) } else { None };
        let tags = set_by(&reference, head.uri.query());
        let digest = digest_of(&raw, &manifest, reference)?;

        head.headers.remove(header::EXPECT); // all of it is here
        let key = hop.key(repository, digest);
        hop.pass_gates(&head.headers, &key, &tags, &raw, &manifest).await?;
        let taggings = hop.taggings(tags, &key, &raw, &manifest)?;
        hop.look_for_subject(&head.headers, &key, &manifest).await?;
        let what = What::of(list, &key, &raw, manifest)?;
        if matches!(what, What::Plain) && taggings.is_empty() {
            return hop.push_as_it_is(head, &key, raw, None).await;
        }
        let tasks = hop.handler.app.tasks.clone();
        // A client that leaves changes nothing from here on.
        let task = tasks.spawn(async move {
            let _room = room;
            let caller = head.headers.clone();
            let push = Box::pin(hop.push_what(head, by_digest, &key, raw, what));
            hop.with_tags(&caller, &key, taggings, push).await
        });
        task.await.map_err(|_| Error::Bug)?
    }
}

/// What a pushed manifest is, as far as referrers go.
enum What {
    /// A referrers tag's, of this subject.
    List(ManifestKey, ReferrersList),
    Artifact(Box<Artifact>),
    /// One that names its subject.
    Referrer(Claim),
    /// Nothing, unless its tag says so.
    Plain,
}

impl What {
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

impl Hop {
    async fn push_what(
        &self,
        head: request::Parts,
        by_digest: bool,
        key: &ManifestKey,
        raw: RawManifest,
        what: What,
    ) -> Result<Response<Body>, Error> {
        match what {
            What::List(subject, list) => {
                self.absorb(Request::from_parts(head, Body::from(raw.bytes)), &subject, Some(&list)).await
            }
            What::Artifact(artifact) => self.push_artifact(head, by_digest, *artifact).await,
            What::Referrer(claim) => {
                let claim = self.with_original(&head.headers, claim, &raw).await;
                self.push_as_it_is(head, key, raw, Some(claim)).await
            }
            What::Plain => self.push_as_it_is(head, key, raw, None).await,
        }
    }
}

/// Room in the budget is taken as bytes come, this much at a time: an announcement alone takes none.
const PIECE: usize = 64 << 10;

/// Takes the whole body: at most [`MAX_MANIFEST`], within the budget, within `limits.stall_timeout`.
async fn read(hop: &Hop, body: Incoming, extensions: &Extensions) -> Result<(Bytes, Room), Error> {
    let stall_timeout = hop.handler.app.config.limits.stall_timeout;
    if body.size_hint().lower() > MAX_MANIFEST as u64 {
        return Err(too_large());
    }
    let mut body = Body::Client(ClientBody::new(body, extensions, stall_timeout, false));
    let reading = async {
        let mut bytes = BytesMut::new();
        let mut room = hop.handler.app.budget.take(PIECE).await?;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(Error::from)?.into_data() else { continue };
            if bytes.len() + data.len() > MAX_MANIFEST {
                return Err(too_large());
            }
            while bytes.len() + data.len() > room.bytes() {
                room.merge(hop.handler.app.budget.take(PIECE).await?);
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.freeze(), room))
    };
    let late = |_| Error::from(BodyError::from(Stalled(stall_timeout)));
    tokio::time::timeout(stall_timeout, reading).await.map_err(late)?
}

fn too_large() -> Error {
    let message = format!("a manifest may have {MAX_MANIFEST} bytes");
    Error::Request(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid, message)
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

impl Hop {
    /// Forwards a push. One that claims a subject: from the noted attempt to the answer.
    pub(super) async fn submit(&self, request: Request<Body>, claim: Option<Claim>) -> Result<Response<Body>, Error> {
        let Some(claim) = claim else {
            let mut answer = self.forward(request).await?;
            answer.headers_mut().remove(OCI_SUBJECT);
            return Ok(answer);
        };
        let caller = request.headers().clone();
        let referrer = claim.referrer().clone();
        let copy = self.digest_tag(&request, &claim);
        let attempt = self.attempt(AttemptKind::Push, &referrer, Some(claim.subject().clone()));
        let seen = self.handler.app.store.begin(&attempt).await?;
        step("push-noted");

        let mut answer = self.forward_attempt(request, attempt.id).await?;
        step("push-answered");
        let Some(relation) = claim.held(answer.status()) else {
            self.end_unsuccessful(attempt.id, &answer).await;
            return Ok(answer);
        };
        let subject = relation.subject.clone();
        let close = closing(attempt.id, &answer);
        self.conclude(&caller, &referrer, Verdict::Held(Arc::new(relation)), seen, close).await?;
        step("push-recorded");
        let written = async {
            if let Some(copy) = copy {
                self.write_digest_tag(copy).await;
            }
        };
        let kept = referrer.sibling(subject.clone());
        tokio::join!(self.maintain(&caller, &kept), written);
        step("push-maintained");
        created(&mut answer, &referrer.digest, Some(subject.as_str()));
        Ok(answer)
    }
}

/// What a client is told of the manifest that it pushed.
pub(super) fn created(answer: &mut Response<Body>, digest: &Digest, subject: Option<&str>) {
    *answer.status_mut() = StatusCode::CREATED;
    for (name, digest) in [(CONTENT_DIGEST, Some(digest.as_str())), (OCI_SUBJECT, subject)] {
        // Invariant: digests in their grammar are visible ASCII.
        if let Some(Ok(value)) = digest.map(HeaderValue::from_str) {
            answer.headers_mut().insert(name, value);
        }
    }
}
