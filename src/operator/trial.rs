//! What a registry takes, found out by pushing: small manifests that refer to each other, taken away again.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    error::OperatorError,
    native::list_of,
    repository::RepositorySession,
    trial_push::{Tried, image, referring},
};
use crate::{
    error::Error,
    oci::{Algorithm, Digest, MediaType, ReferrersTag},
    upstream::{Registry, reference_uri},
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

impl RepositorySession {
    /// Pushes to this repository, and takes away what was pushed. Nothing of it is recorded.
    pub async fn try_pushes(&self) -> Result<Trial, OperatorError> {
        self.tokens.with(async |registry| self.try_as(registry).await).await
    }

    async fn try_as(&self, registry: &Registry) -> Result<Trial, Error> {
        let tried = Tried { registry, repository: self.repository() };
        if let Some(refused) = tried.upload_blob().await? {
            return Ok(Trial { image: refused, ..Trial::default() });
        }
        let mut trial = Trial::default();
        let mut pushed = Vec::new();
        let outcome = try_each(&tried, &mut trial, &mut pushed).await;
        // What was pushed last refers to what came before.
        for digest in pushed.iter().rev() {
            let is_gone;
            (is_gone, trial.delete) = tried.delete(digest).await?;
            if !is_gone {
                trial.left.push(digest.clone());
            }
        }
        outcome.map(|()| trial)
    }
}

async fn try_each(tried: &Tried<'_>, trial: &mut Trial, pushed: &mut Vec<Digest>) -> Result<(), Error> {
    // Nobody else's manifest has these bytes, so nobody else's is deleted afterwards.
    let name = format!("{:016x}", crate::random::u64());
    let annotations = json!({"io.backref.trial": name});
    let kind = "application/vnd.backref.trial";
    let mut push = async |media_type, manifest: &Value| {
        let one = tried.push(media_type, manifest).await?;
        if one.status.is_success() {
            pushed.push(one.key.digest.clone());
        }
        Ok::<_, Error>(one)
    };
    let image = image(kind, &annotations);
    let held = push(MediaType::IMAGE, &image).await?;
    trial.image = held.status;
    if !held.status.is_success() {
        return Ok(());
    }
    let referrer = push(MediaType::IMAGE, &referring(image, &held)).await?;
    trial.referrer = referrer.status;
    trial.says_listed = referrer.subject.as_deref() == Some(held.key.digest.as_str());
    let list = list_of(tried.registry, &held.key).await?;
    trial.listed = list.map(|list| list.contains(&referrer.key.digest));
    let index = json!({
        "schemaVersion": 2, "mediaType": MediaType::INDEX, "artifactType": kind, "manifests": [],
        "annotations": annotations,
    });
    trial.index = push(MediaType::INDEX, &referring(index, &held)).await?.status;
    let artifact = "application/vnd.oci.artifact.manifest.v1+json";
    let manifest = json!({"mediaType": artifact, "artifactType": kind, "blobs": [], "annotations": annotations});
    trial.artifact = push(artifact, &referring(manifest, &held)).await?.status;
    let tag = ReferrersTag::from(&held.key.digest);
    for (number, status) in [&mut trial.tag, &mut trial.tag_again].into_iter().enumerate() {
        let index = json!({
            "schemaVersion": 2, "mediaType": MediaType::INDEX, "manifests": [],
            "annotations": {"io.backref.trial": format!("{name}-{number}")},
        });
        let text = index.to_string();
        let uri = reference_uri(tried.repository, &tag);
        *status = tried.send(Method::PUT, uri, Some(MediaType::INDEX), &text).await?.0;
        if !status.is_success() {
            break;
        }
        pushed.push(Digest::of(Algorithm::Sha256, text.as_bytes()));
    }
    Ok(())
}
