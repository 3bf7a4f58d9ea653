//! Whether a registry, or backref in front of one, does for a client what it should: push, list, delete.

use http::StatusCode;
use serde_json::json;

use super::{
    error::OperatorError,
    native::list_of,
    tokens::Tokens,
    trial_push::{Tried, image, referring},
};
use crate::{
    error::Error,
    oci::{MediaType, Repository},
    upstream::Registry,
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
    let tried = Tried { registry, repository };
    if let Some(refused) = tried.upload_blob().await? {
        return Ok(Probe { image: refused, ..Probe::default() });
    }
    // Nobody else's manifest has these bytes, so nobody else's is deleted afterwards.
    let name = format!("{:016x}", crate::random::u64());
    let image = image("application/vnd.backref.probe", &json!({"io.backref.probe": name}));
    let subject = tried.push(MediaType::IMAGE, &image).await?;
    if !subject.status.is_success() {
        return Ok(Probe { image: subject.status, ..Probe::default() });
    }
    let referrer = tried.push(MediaType::IMAGE, &referring(image, &subject)).await?;
    let list = if referrer.status.is_success() { list_of(registry, &subject.key).await? } else { None };
    let mut left = Vec::new();
    for pushed in [&referrer, &subject] {
        if !tried.delete(&pushed.key.digest).await?.0 {
            left.push(pushed.key.digest.to_string());
        }
    }
    let listed = list.map(|list| list.contains(&referrer.key.digest));
    Ok(Probe { image: subject.status, referrer: referrer.status, listed, left })
}
