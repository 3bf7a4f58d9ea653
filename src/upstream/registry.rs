//! Typed calls to the registry on behalf of a caller. Each reads status, type, digest, length and
//! body in the one way that holds for all.

use std::{fmt::Display, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::Body as _;

use super::{
    body::Body,
    caller::Caller,
    collect::{CollectError, Intake, collect_up_to},
    error::UpstreamError,
    fronted::Upstream,
    refusal::{ReadError, Refusal},
};
use crate::{
    budget::{Part, Reservation},
    oci::{
        Digest, MANIFEST_ACCEPT, MAX_MANIFEST, RawManifest, Reading, Repository,
        header::{content_digest, content_length, media_type},
    },
    referrers::ManifestKey,
    shares::{Exhausted, Holder},
};

/// The upstream as one caller may use it: each request goes with that caller's credentials. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    upstream: Arc<Upstream>,
    caller: Arc<Caller>,
}

/// The head of an answer.
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
}

impl Registry {
    /// The upstream, as `caller` may use it.
    pub fn new(upstream: Arc<Upstream>, caller: Caller) -> Self {
        Self { upstream, caller: Arc::new(caller) }
    }

    /// Which upstream.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Whose requests these are.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Sends the caller's own request.
    pub async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        self.upstream.forward(request, self.caller.side()).await
    }

    /// A request of backref's own in the caller's name, with a body or none.
    pub fn request(&self, method: Method, uri: Uri, body: Body) -> Request<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.caller.headers().clone();
        request
    }

    /// Sends such a request.
    pub async fn send(
        &self,
        method: Method,
        uri: Uri,
        media_type: Option<&'static str>,
        body: Body,
    ) -> Result<Response<Body>, UpstreamError> {
        let mut request = self.request(method, uri, body);
        if request.method() == Method::POST && request.body().is_end_stream() {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(media_type) = media_type {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        self.upstream.client.send(request, |_| self.holder()).await
    }

    /// Asks for a manifest with everything that one can be among the accepted types: distribution answers 404 for a
    /// manifest whose type is not named. Other requests have no `Accept` of backref's (Pulp answers 406 to them).
    async fn ask_for_manifest(&self, method: Method, uri: Uri) -> Result<Response<Body>, UpstreamError> {
        let mut headers = self.caller.headers().clone();
        headers.insert(header::ACCEPT, HeaderValue::from_static(MANIFEST_ACCEPT));
        // Read here, so in no coding.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        self.upstream.client.ask(method, uri, headers, |_| self.holder()).await
    }

    /// `HEAD` of a manifest by its digest.
    pub async fn head(&self, key: &ManifestKey) -> Result<Head, UpstreamError> {
        self.head_of(manifest_uri(key), Some(&key.digest)).await
    }

    /// `HEAD` of a manifest by a tag.
    pub async fn head_tag(&self, uri: Uri) -> Result<Head, UpstreamError> {
        self.head_of(uri, None).await
    }

    async fn head_of(&self, uri: Uri, digest: Option<&Digest>) -> Result<Head, UpstreamError> {
        let (head, _) = self.ask_for_manifest(Method::HEAD, uri).await?.into_parts();
        let mut head = Head { status: head.status, headers: head.headers };
        if head.status == StatusCode::OK && !head.is_of_manifest(digest) {
            // A page for people, say: it shows that somebody answers, not that the manifest is there for this caller.
            head.status = StatusCode::BAD_GATEWAY;
        }
        Ok(head)
    }

    /// `GET` of a manifest, whatever is answered.
    pub async fn get(&self, uri: Uri) -> Result<Response<Body>, UpstreamError> {
        self.ask_for_manifest(Method::GET, uri).await
    }

    /// A manifest by its digest, its bytes those of the digest; `None`: there is none. Its bytes keep their reservation.
    pub async fn manifest(&self, key: &ManifestKey) -> Result<Option<Reading>, ReadError> {
        let answer = self.get(manifest_uri(key)).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(ReadError::Refused(Refusal::of(status, answer.headers()))),
        }
        let reading = self.read_manifest(answer).await?;
        let raw = reading.raw();
        if key.digest.algorithm().is_none_or(|algorithm| raw.digest(algorithm) != key.digest) {
            return Err(ReadError::OtherBytes);
        }
        Ok(Some(reading))
    }

    /// The manifest in an answer.
    pub async fn read_manifest(&self, answer: Response<Body>) -> Result<Reading, ReadError> {
        let content_type = answer.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok().map(str::to_owned));
        Ok(RawManifest::read(self.manifest_bytes(answer).await?, content_type.as_deref()))
    }

    /// The bytes of the manifest in an answer, up to 4 MiB of them. They keep their reservation.
    pub async fn manifest_bytes(&self, answer: Response<Body>) -> Result<Bytes, ReadError> {
        self.read_whole(answer, || ReadError::Incomplete).await
    }

    /// The bytes of an answer that is read here, up to 4 MiB of them; `too_long`: what it is to be longer.
    pub(super) async fn read_whole(
        &self,
        answer: Response<Body>,
        too_long: impl FnOnce() -> ReadError,
    ) -> Result<Bytes, ReadError> {
        if is_coded(answer.headers()) {
            return Err(ReadError::Incomplete);
        }
        let body = answer.into_body();
        let (bytes, reservation) = match self.collect(body, Part::Read, MAX_MANIFEST, 1).await {
            Ok(collected) => collected,
            Err(CollectError::Busy(error)) => return Err(error.into()),
            Err(CollectError::TooLarge) => return Err(too_long()),
            Err(CollectError::Body(_)) => return Err(ReadError::Incomplete),
        };
        Ok(reservation.hold(bytes))
    }

    /// Whose share a reservation or a place for this caller's request is taken from.
    pub fn holder(&self) -> Holder {
        self.caller.holder(|headers, address| self.upstream.permits.holder(headers, address))
    }

    /// All of a body of up to `most` bytes, with a reservation for `copies` times its length.
    pub async fn collect(
        &self,
        body: Body,
        part: Part,
        most: usize,
        copies: usize,
    ) -> Result<(Bytes, Reservation), CollectError> {
        let (budget, time) = (&self.upstream.budget, self.upstream.stall_timeout);
        Intake { budget, holder: self.holder(), part, most, copies, time }.collect(body).await
    }

    /// A reservation, waited for in the queue. Nobody may wait for one who holds one in this part of the budget or in a part
    /// that [`Part`] lists after it.
    pub async fn reserve(&self, part: Part, bytes: usize) -> Result<Reservation, Exhausted> {
        self.upstream.budget.reserve(part.of_size(bytes), self.holder(), bytes).await
    }

    /// A reservation for a read, without waiting: whoever holds others may ask for it.
    pub fn try_reserve(&self, bytes: usize) -> Result<Reservation, Exhausted> {
        self.upstream.budget.try_reserve(self.holder(), bytes)
    }

    /// A body of up to `most` bytes. Nothing is reserved for it here.
    pub(super) async fn collect_up_to(&self, answer: Response<Body>, most: usize) -> Option<Bytes> {
        collect_up_to(answer.into_body(), most, self.upstream.stall_timeout).await
    }

    /// `GET` of a page of a list, of up to `most` bytes: its headers and its body.
    pub async fn page(&self, uri: Uri, most: usize) -> Result<(HeaderMap, Bytes), ReadError> {
        let answer = self.send(Method::GET, uri, None, Body::EMPTY).await?;
        if answer.status() != StatusCode::OK {
            return Err(ReadError::Refused(Refusal::of(answer.status(), answer.headers())));
        }
        let headers = answer.headers().clone();
        let body = self.collect_up_to(answer, most).await.ok_or(ReadError::Incomplete)?;
        Ok((headers, body))
    }

    /// A refusal as this client is to see it.
    pub fn to_client(&self, refusal: Refusal) -> Refusal {
        refusal.to_client(&self.upstream.addresses(), self.caller.side())
    }
}

impl Head {
    /// The digest that the upstream says.
    pub fn digest(&self) -> Option<Digest> {
        content_digest(&self.headers)
    }

    /// The length that it says, in bytes.
    pub fn length(&self) -> Option<usize> {
        length(&self.headers)
    }

    /// Whether it can be a manifest's: of the right digest where it says one, and of a type that a manifest can have. One
    /// that says the right digest may have any type that is for machines.
    fn is_of_manifest(&self, asked: Option<&Digest>) -> bool {
        let Some(kind) = media_type(&self.headers) else { return asked.is_some() && self.digest().as_ref() == asked };
        match (asked, self.digest()) {
            (Some(asked), Some(said)) => {
                *asked == said && (kind.is_manifest() || kind.as_str().starts_with("application/"))
            }
            _ => kind.is_manifest(),
        }
    }

    /// What else than yes and "not there" it said.
    pub fn refusal(&self) -> Refusal {
        Refusal::of(self.status, &self.headers)
    }
}

/// Whether a body is in another coding than was asked for (RFC 9110, 8.4).
fn is_coded(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// `Content-Length`, in bytes of what can be held in memory.
pub(super) fn length(headers: &HeaderMap) -> Option<usize> {
    content_length(headers).and_then(|length| usize::try_from(length).ok())
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
