//! What a registry takes, found out by pushing: small manifests that refer to each other, taken away again.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;

use super::{error::OperatorError, native::list_of, repository::RepositorySession};
use crate::{
    carrier::{EMPTY_BLOB, EMPTY_DIGEST},
    error::Error,
    oci::{Algorithm, Digest, MediaType, ReferrersTag, header::OCI_SUBJECT},
    upstream::{Body, Refusal, Registry, Uploaded, manifest_uri, reference_uri},
};

/// What the registry said to each push of a trial.
#[derive(Debug, Default)]
pub struct Trial {
    /// An image manifest, to which the others refer; none of these was tried where it is refused.
    pub image: StatusCode,
    /// An image manifest with a subject.
    pub referrer: StatusCode,
    /// It said that it lists it (`OCI-Subject`).
    pub says_listed: bool,
    /// Its own list has it; `None`: it has no such list.
    pub listed: Option<bool>,
    /// An image index with a subject.
    pub index: StatusCode,
    /// An artifact manifest.
    pub artifact: StatusCode,
    /// The referrers tag, and the same once more with another index.
    pub tag: StatusCode,
    /// See [`Trial::tag`].
    pub tag_again: StatusCode,
    /// The delete of the last of them.
    pub delete: StatusCode,
    /// What could not be taken away again.
    pub left: Vec<Digest>,
}

/// One that is pushed.
struct Pushed {
    digest: Digest,
    status: StatusCode,
    subject: Option<String>,
}

impl RepositorySession {
    /// Pushes to this repository, and takes away what was pushed. Nothing of it is recorded.
    pub async fn try_pushes(&self) -> Result<Trial, OperatorError> {
        self.tokens.with(async |registry| self.try_as(registry).await).await
    }

    async fn try_as(&self, registry: &Registry) -> Result<Trial, Error> {
        let empty = Digest::parse(EMPTY_DIGEST).map_err(|_| Error::Bug)?;
        match registry.upload(&self.key(&empty), Bytes::from_static(EMPTY_BLOB)).await? {
            Uploaded::Held => {}
            Uploaded::Refused(answer) => return Ok(Trial { image: answer.status(), ..Trial::default() }),
            Uploaded::Unexpected(status) => return Ok(Trial { image: status, ..Trial::default() }),
            Uploaded::Elsewhere => return Err(Error::Incomplete),
        }
        let mut trial = Trial::default();
        let mut pushed = Vec::new();
        let tried = self.try_each(registry, &mut trial, &mut pushed).await;
        // What was pushed last refers to what came before.
        for digest in pushed.iter().rev() {
            trial.delete = send(registry, Method::DELETE, manifest_uri(&self.key(digest)), None, "").await?.0;
            if !trial.delete.is_success() && trial.delete != StatusCode::NOT_FOUND {
                trial.left.push(digest.clone());
            }
        }
        tried.map(|()| trial)
    }

    async fn try_each(&self, registry: &Registry, trial: &mut Trial, pushed: &mut Vec<Digest>) -> Result<(), Error> {
        let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY_DIGEST, "size": 2});
        // Nobody else's manifest has these bytes, so nobody else's is deleted afterwards.
        let name = format!("{:016x}", crate::random::u64());
        let annotations = json!({"io.backref.trial": name});
        let kind = "application/vnd.backref.trial";
        let image = json!({
            "schemaVersion": 2, "mediaType": MediaType::IMAGE, "artifactType": kind, "config": empty, "layers": [empty],
            "annotations": annotations,
        });
        let mut push = async |media_type, manifest: &serde_json::Value| {
            let one = self.try_push(registry, media_type, manifest).await?;
            if one.status.is_success() {
                pushed.push(one.digest.clone());
            }
            Ok::<_, Error>(one)
        };
        let held = push(MediaType::IMAGE, &image).await?;
        trial.image = held.status;
        if !held.status.is_success() {
            return Ok(());
        }
        let subject =
            json!({"mediaType": MediaType::IMAGE, "digest": held.digest.as_str(), "size": image.to_string().len()});
        let with = |mut manifest: serde_json::Value| {
            manifest["subject"] = subject.clone();
            manifest
        };
        let referrer = push(MediaType::IMAGE, &with(image.clone())).await?;
        trial.referrer = referrer.status;
        trial.says_listed = referrer.subject.as_deref() == Some(held.digest.as_str());
        let list = list_of(registry, &self.key(&held.digest)).await?;
        trial.listed = list.map(|list| list.contains(&referrer.digest));
        let index = json!({
            "schemaVersion": 2, "mediaType": MediaType::INDEX, "artifactType": kind, "manifests": [],
            "annotations": annotations,
        });
        trial.index = push(MediaType::INDEX, &with(index)).await?.status;
        let artifact = "application/vnd.oci.artifact.manifest.v1+json";
        let manifest = json!({"mediaType": artifact, "artifactType": kind, "blobs": [], "annotations": annotations});
        trial.artifact = push(artifact, &with(manifest)).await?.status;
        let tag = ReferrersTag::from(&held.digest);
        for (number, status) in [&mut trial.tag, &mut trial.tag_again].into_iter().enumerate() {
            let index = json!({
                "schemaVersion": 2, "mediaType": MediaType::INDEX, "manifests": [],
                "annotations": {"io.backref.trial": format!("{name}-{number}")},
            });
            let text = index.to_string();
            let uri = reference_uri(self.repository(), &tag);
            *status = send(registry, Method::PUT, uri, Some(MediaType::INDEX), &text).await?.0;
            if !status.is_success() {
                break;
            }
            pushed.push(Digest::of(Algorithm::Sha256, text.as_bytes()));
        }
        Ok(())
    }

    async fn try_push(
        &self,
        registry: &Registry,
        media_type: &'static str,
        manifest: &serde_json::Value,
    ) -> Result<Pushed, Error> {
        let text = manifest.to_string();
        let digest = Digest::of(Algorithm::Sha256, text.as_bytes());
        let uri = manifest_uri(&self.key(&digest));
        let (status, subject) = send(registry, Method::PUT, uri, Some(media_type), &text).await?;
        Ok(Pushed { digest, status, subject })
    }
}

/// The status of an answer, and its `OCI-Subject`.
pub(super) async fn send(
    registry: &Registry,
    method: Method,
    uri: http::Uri,
    media_type: Option<&'static str>,
    body: &str,
) -> Result<(StatusCode, Option<String>), Error> {
    let answer = registry.send(method, uri, media_type, Body::from(Bytes::from(body.to_owned()))).await?;
    let subject = answer.headers().get(OCI_SUBJECT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED {
        // Another login is tried.
        return Err(Refusal::of(status, answer.headers()).into());
    }
    Ok((status, subject))
}
