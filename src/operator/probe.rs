//! Whether a registry, or backref in front of one, does for a client what it should: push, list, delete.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{error::OperatorError, native::list_of, tokens::Tokens, trial::send};
use crate::{
    carrier::{EMPTY_BLOB, EMPTY_DIGEST},
    error::Error,
    oci::{Algorithm, Digest, MediaType, Repository},
    referrers::ManifestKey,
    upstream::{Registry, Uploaded, manifest_uri},
};

/// What came of it.
#[derive(Debug, Default)]
pub struct Probe {
    /// An image was pushed.
    pub image: StatusCode,
    /// And what refers to it.
    pub referrer: StatusCode,
    /// It is listed; `None`: there is no such list.
    pub listed: Option<bool>,
    /// What could not be deleted again.
    pub left: Vec<String>,
}

/// Pushes, lists and deletes two manifests that nobody else has.
pub async fn probe(tokens: &Tokens, repository: &Repository) -> Result<Probe, OperatorError> {
    tokens.with(async |registry| probe_as(registry, repository).await).await
}

async fn probe_as(registry: &Registry, repository: &Repository) -> Result<Probe, Error> {
    let key = |digest: Digest| ManifestKey {
        upstream: registry.upstream().name.clone(),
        repository: repository.clone(),
        digest,
    };
    let empty = key(Digest::parse(EMPTY_DIGEST).map_err(|_| Error::Bug)?);
    match registry.upload(&empty, Bytes::from_static(EMPTY_BLOB)).await? {
        Uploaded::Held => {}
        Uploaded::Refused(answer) => return Ok(Probe { image: answer.status(), ..Probe::default() }),
        Uploaded::Unexpected(status) => return Ok(Probe { image: status, ..Probe::default() }),
        Uploaded::Elsewhere => return Err(Error::Incomplete),
    }
    let blob = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY_DIGEST, "size": 2});
    // Nobody else's manifest has these bytes, so nobody else's is deleted afterwards.
    let name = format!("{:016x}", crate::random::u64());
    let image = json!({
        "schemaVersion": 2, "mediaType": MediaType::IMAGE, "artifactType": "application/vnd.backref.probe", "config": blob,
        "layers": [blob], "annotations": {"io.backref.probe": name},
    });
    let (subject, image_status) = push(registry, &key, &image).await?;
    if !image_status.is_success() {
        return Ok(Probe { image: image_status, ..Probe::default() });
    }
    let mut refers = image.clone();
    refers["subject"] =
        json!({"mediaType": MediaType::IMAGE, "digest": subject.digest.as_str(), "size": image.to_string().len()});
    let (referrer, referrer_status) = push(registry, &key, &refers).await?;
    let list = if referrer_status.is_success() { list_of(registry, &subject).await? } else { None };
    let mut left = Vec::new();
    for pushed in [&referrer, &subject] {
        let status = send(registry, Method::DELETE, manifest_uri(pushed), None, "").await?.0;
        if !status.is_success() && status != StatusCode::NOT_FOUND {
            left.push(pushed.digest.to_string());
        }
    }
    let listed = list.map(|list| list.contains(&referrer.digest));
    Ok(Probe { image: image_status, referrer: referrer_status, listed, left })
}

async fn push(
    registry: &Registry,
    key: &impl Fn(Digest) -> ManifestKey,
    manifest: &Value,
) -> Result<(ManifestKey, StatusCode), Error> {
    let text = manifest.to_string();
    let key = key(Digest::of(Algorithm::Sha256, text.as_bytes()));
    let (status, _) = send(registry, Method::PUT, manifest_uri(&key), Some(MediaType::IMAGE), &text).await?;
    Ok((key, status))
}
