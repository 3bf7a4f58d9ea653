//! Blobs of backref's own making, with the caller's credentials: what a carrier is made of.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};

use crate::{
    error::Error,
    handler::exchange::Hop,
    oci::{Digest, ErrorCode},
    referrers::ManifestKey,
    upstream::{Body, headers},
};

/// What the upstream has under a blob's digest.
pub(in crate::handler) enum Blob {
    /// Nothing that could be a manifest.
    Nothing,
    /// Something that can't be read: it stands behind a redirect, or this caller may not.
    Unreadable,
    /// These bytes, of that digest. They keep their place in the budget.
    Bytes(Bytes),
}

impl Hop {
    /// Reads a blob of up to `most` bytes that could be a manifest. No redirect is followed. Room for it is not waited
    /// for: whoever asks may hold some already, and so may all that it would be waited for.
    pub(in crate::handler) async fn blob(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        most: usize,
    ) -> Result<Blob, Error> {
        let ask = |method| self.handler.upstream.ask(method, blob_uri(key), headers::on_behalf(caller));
        let head = ask(Method::HEAD).await?;
        let length = head.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        match (head.status(), length) {
            (StatusCode::NOT_FOUND, _) => return Ok(Blob::Nothing),
            (StatusCode::OK, Some(length)) if length > most => return Ok(Blob::Nothing),
            (StatusCode::OK, _) => {}
            _ => return Ok(Blob::Unreadable),
        }
        let room = self.handler.app.budget.take_now(length.unwrap_or(most))?;
        let answer = ask(Method::GET).await?;
        if answer.status() != StatusCode::OK {
            return Ok(Blob::Unreadable);
        }
        let Some(bytes) = self.collect(answer, room.bytes()).await else { return Ok(Blob::Unreadable) };
        let is_it = key.digest.algorithm().is_some_and(|algorithm| Digest::of(algorithm, &bytes) == key.digest);
        Ok(if is_it { Blob::Bytes(room.hold(bytes)) } else { Blob::Unreadable })
    }

    /// Whether the upstream holds a blob; a redirect leads to where it is.
    pub(in crate::handler) async fn has_blob(&self, caller: &HeaderMap, key: &ManifestKey) -> Result<bool, Error> {
        let head = self.handler.upstream.ask(Method::HEAD, blob_uri(key), headers::on_behalf(caller)).await?;
        Ok(head.status().is_success() || head.status().is_redirection())
    }

    /// A body of at most `most` bytes. What holds room for it holds it no longer than for one that a client pushes.
    pub(in crate::handler) async fn collect(&self, answer: Response<Body>, most: usize) -> Option<Bytes> {
        let body = Limited::new(answer.into_body(), most).collect();
        let body = tokio::time::timeout(self.handler.app.config.limits.stall_timeout, body).await;
        body.ok()?.ok().map(http_body_util::Collected::to_bytes)
    }

    /// Has the upstream hold a blob. Its refusal, where it won't.
    pub(in crate::handler) async fn ensure_blob(
        &self,
        caller: &HeaderMap,
        blob: &ManifestKey,
        bytes: Bytes,
    ) -> Result<Option<Response<Body>>, Error> {
        if self.has_blob(caller, blob).await? {
            return Ok(None);
        }
        let _turn = self.handler.app.uploads.turn(blob).await;
        if self.has_blob(caller, blob).await? {
            return Ok(None);
        }
        let headers = headers::on_behalf(caller);
        let open = format!("/v2/{}/blobs/uploads/", blob.repository);
        let open = self.send(Method::POST, &open, headers.clone(), Bytes::new()).await?;
        if open.status() != StatusCode::ACCEPTED {
            return Ok(Some(self.for_client(open)));
        }
        let location = open.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let Some(place) = location.and_then(|location| self.path_of(location)) else {
            let message = "the registry wants blobs at another address, where backref can't put them for you";
            return Err(Error::Request(StatusCode::BAD_GATEWAY, ErrorCode::Unsupported, message.to_owned()));
        };
        let and = if place.contains('?') { '&' } else { '?' };
        let put = self.send(Method::PUT, &format!("{place}{and}digest={}", blob.digest), headers, bytes).await?;
        Ok((put.status() != StatusCode::CREATED).then(|| self.for_client(put)))
    }

    async fn send(&self, method: Method, uri: &str, headers: HeaderMap, bytes: Bytes) -> Result<Response<Body>, Error> {
        let mut request = Request::new(Body::from(bytes));
        *request.method_mut() = method;
        let refuse = |_| Error::bad(ErrorCode::Unsupported, "the registry gave an address that can't be read");
        *request.uri_mut() = Uri::try_from(uri).map_err(refuse)?;
        *request.headers_mut() = headers;
        if request.method() == Method::PUT {
            let kind = HeaderValue::from_static("application/octet-stream");
            request.headers_mut().insert(header::CONTENT_TYPE, kind);
        } else {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(self.handler.upstream.send(request).await?)
    }

    fn for_client(&self, mut answer: Response<Body>) -> Response<Body> {
        self.to_client(answer.headers_mut());
        answer
    }
}

/// `/v2/<name>/blobs/<digest>`
fn blob_uri(key: &ManifestKey) -> Uri {
    // Invariant: names and digests in their grammar hold no character that a path can't.
    Uri::try_from(format!("/v2/{}/blobs/{}", key.repository, key.digest)).unwrap_or_default()
}
