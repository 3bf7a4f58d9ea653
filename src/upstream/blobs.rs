//! Blobs, on behalf of a caller: what carriers are made of.

use bytes::Bytes;
use http::{Method, Response, StatusCode, Uri, header};

use super::{
    body::Body,
    error::UpstreamError,
    refusal::ReadError,
    registry::{Registry, length},
};
use crate::{oci::Digest, referrers::ManifestKey};

/// What the upstream has under a blob's digest.
pub enum Blob {
    /// Nothing that could be a manifest.
    Nothing,
    /// Something that can't be read: it stands behind a redirect, or this caller may not.
    Unreadable,
    /// These bytes, of that digest. They keep their reservation.
    Bytes(Bytes),
}

/// What became of an upload.
pub enum Uploaded {
    /// The upstream holds the blob.
    Held,
    /// It refused.
    Refused(Box<Response<Body>>),
    /// It wants the blob at another address, to which the caller's credentials must not go.
    Elsewhere,
    /// It answered with a success that isn't one of distribution-spec 1.1, "Pushing Blobs": the blob may not be there.
    Unexpected(StatusCode),
}

impl Registry {
    /// Reads a blob of up to `most` bytes that could be a manifest. No redirect is followed. Memory for it is not waited
    /// for: whoever asks may hold some already, and so may all that it would be waited for.
    pub async fn blob(&self, key: &ManifestKey, most: usize) -> Result<Blob, ReadError> {
        let ask = |method| self.send(method, blob_uri(key), None, Body::EMPTY);
        let head = ask(Method::HEAD).await?;
        let length = length(head.headers());
        match (head.status(), length) {
            (StatusCode::NOT_FOUND, _) => return Ok(Blob::Nothing),
            (StatusCode::OK, Some(length)) if length > most => return Ok(Blob::Nothing),
            (StatusCode::OK, _) => {}
            _ => return Ok(Blob::Unreadable),
        }
        let most = length.unwrap_or(most);
        let reservation = self.try_reserve(most)?;
        let answer = ask(Method::GET).await?;
        if answer.status() != StatusCode::OK {
            return Ok(Blob::Unreadable);
        }
        let Some(bytes) = self.collect_up_to(answer, most).await else { return Ok(Blob::Unreadable) };
        let is_it = key.digest.algorithm().is_some_and(|algorithm| Digest::of(algorithm, &bytes) == key.digest);
        Ok(if is_it { Blob::Bytes(reservation.hold(bytes)) } else { Blob::Unreadable })
    }

    /// Whether the upstream holds a blob; a redirect leads to where it is.
    pub async fn has_blob(&self, key: &ManifestKey) -> Result<bool, UpstreamError> {
        let status = self.send(Method::HEAD, blob_uri(key), None, Body::EMPTY).await?.status();
        Ok(status.is_success() || status.is_redirection())
    }

    /// Has the upstream hold a blob.
    pub async fn upload(&self, blob: &ManifestKey, bytes: Bytes) -> Result<Uploaded, UpstreamError> {
        const BYTES: Option<&str> = Some("application/octet-stream");
        if self.has_blob(blob).await? {
            return Ok(Uploaded::Held);
        }
        let _turn = self.upstream().uploads.lock(blob).await;
        if self.has_blob(blob).await? {
            return Ok(Uploaded::Held);
        }
        // Invariant: a name in its grammar holds no character that a path can't.
        let uploads = Uri::try_from(format!("/v2/{}/blobs/uploads/", blob.repository)).unwrap_or_default();
        let opened = self.send(Method::POST, uploads, None, Body::EMPTY).await?;
        if opened.status().is_success() && opened.status() != StatusCode::ACCEPTED {
            return Ok(Uploaded::Unexpected(opened.status()));
        }
        if opened.status() != StatusCode::ACCEPTED {
            return Ok(Uploaded::Refused(Box::new(self.answer_to_client(opened))));
        }
        let location = opened.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        // Credentials go nowhere else.
        let place = location.and_then(|location| self.upstream().addresses().path(location, self.caller().side()));
        let Some(place) = place else { return Ok(Uploaded::Elsewhere) };
        let and = if place.contains('?') { '&' } else { '?' };
        let Ok(place) = Uri::try_from(format!("{place}{and}digest={}", blob.digest)) else {
            return Ok(Uploaded::Elsewhere);
        };
        let put = self.send(Method::PUT, place, BYTES, Body::from(bytes)).await?;
        Ok(match put.status() {
            StatusCode::CREATED => Uploaded::Held,
            status if status.is_success() => Uploaded::Unexpected(status),
            _ => Uploaded::Refused(Box::new(self.answer_to_client(put))),
        })
    }

    fn answer_to_client(&self, mut answer: Response<Body>) -> Response<Body> {
        self.upstream().addresses().to_client(answer.headers_mut(), self.caller().side());
        answer
    }
}

/// `/v2/<name>/blobs/<digest>`
fn blob_uri(key: &ManifestKey) -> Uri {
    // Invariant: names and digests in their grammar hold no character that a path can't.
    Uri::try_from(format!("/v2/{}/blobs/{}", key.repository, key.digest)).unwrap_or_default()
}
