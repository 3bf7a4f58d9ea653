//! Small manifests, pushed to see what becomes of them, and taken away again.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    carrier::{EMPTY_BLOB, EMPTY_DIGEST},
    error::Error,
    oci::{Algorithm, Digest, MediaType, Repository, header::OCI_SUBJECT},
    referrers::ManifestKey,
    upstream::{Body, Refusal, Registry, Uploaded, manifest_uri},
};

/// A repository that is tried.
pub(super) struct Tried<'a> {
    pub(super) registry: &'a Registry,
    pub(super) repository: &'a Repository,
}

/// A manifest that was pushed, and what was answered.
pub(super) struct Pushed {
    pub(super) key: ManifestKey,
    /// In bytes.
    size: usize,
    pub(super) status: StatusCode,
    /// What the answer says that it was listed as a referrer of.
    pub(super) subject: Option<String>,
}

impl Tried<'_> {
    /// Uploads the blob that all of them have. `Some`: what it was refused with.
    pub(super) async fn upload_blob(&self) -> Result<Option<StatusCode>, Error> {
        let empty = self.key(Digest::parse(EMPTY_DIGEST).map_err(|_| Error::Bug)?);
        match self.registry.upload(&empty, Bytes::from_static(EMPTY_BLOB)).await? {
            Uploaded::Held => Ok(None),
            Uploaded::Refused(answer) => Ok(Some(answer.status())),
            Uploaded::Unexpected(status) => Ok(Some(status)),
            Uploaded::Elsewhere => Err(Error::Incomplete),
        }
    }

    /// Pushes a manifest by its digest.
    pub(super) async fn push(&self, media_type: &'static str, manifest: &Value) -> Result<Pushed, Error> {
        let text = manifest.to_string();
        let key = self.key(Digest::of(Algorithm::Sha256, text.as_bytes()));
        let (status, subject) = self.send(Method::PUT, manifest_uri(&key), Some(media_type), &text).await?;
        Ok(Pushed { key, size: text.len(), status, subject })
    }

    /// Deletes one. Whether it is gone, and the answer's status.
    pub(super) async fn delete(&self, digest: &Digest) -> Result<(bool, StatusCode), Error> {
        let uri = manifest_uri(&self.key(digest.clone()));
        let (status, _) = self.send(Method::DELETE, uri, None, "").await?;
        Ok((status.is_success() || status == StatusCode::NOT_FOUND, status))
    }

    /// The status of an answer, and its `OCI-Subject`.
    pub(super) async fn send(
        &self,
        method: Method,
        uri: http::Uri,
        media_type: Option<&'static str>,
        body: &str,
    ) -> Result<(StatusCode, Option<String>), Error> {
        let answer = self.registry.send(method, uri, media_type, Body::from(Bytes::from(body.to_owned()))).await?;
        let subject = answer.headers().get(OCI_SUBJECT).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            // Another login is tried.
            return Err(Refusal::of(status, answer.headers()).into());
        }
        Ok((status, subject))
    }

    fn key(&self, digest: Digest) -> ManifestKey {
        self.registry.upstream().key(self.repository.clone(), digest)
    }
}

/// An image manifest of [`Tried::upload_blob`]'s blob.
pub(super) fn image(artifact_type: &str, annotations: &Value) -> Value {
    let blob = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY_DIGEST, "size": 2});
    json!({
        "schemaVersion": 2, "mediaType": MediaType::IMAGE, "artifactType": artifact_type, "config": blob, "layers": [blob],
        "annotations": annotations,
    })
}

/// The same manifest, which refers to an `image` that was pushed.
pub(super) fn referring(mut manifest: Value, image: &Pushed) -> Value {
    let digest = image.key.digest.as_str();
    manifest["subject"] = json!({"mediaType": MediaType::IMAGE, "digest": digest, "size": image.size});
    manifest
}
