//! Manifests, asked of the registry with the operator's credentials, as far as there are any: which digest a tag is on, and
//! what an index holds.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use serde::Deserialize;

use crate::{
    oci::{Algorithm, Digest, Repository},
    operator::{Connection, Tokens},
    upstream::{Refusal, Upstream, reference_uri},
};

/// How long a registry has: the page is there without it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many manifests of an index are shown.
pub(super) const MOST: usize = 100;

/// The registries, once somebody asked them. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Lookup {
    connections: Arc<Mutex<HashMap<Arc<str>, Arc<Connection>>>>,
}

/// A manifest that the registry holds.
pub(super) struct Manifest {
    pub(super) digest: Digest,
    /// Its length in bytes.
    pub(super) size: usize,
    pub(super) media_type: Option<String>,
    /// Of an index: what it holds, [`MOST`] of them.
    pub(super) entries: Vec<Entry>,
    /// It holds more.
    pub(super) has_more: bool,
}

/// One manifest of an index.
pub(super) struct Entry {
    pub(super) digest: Digest,
    /// `linux/amd64`, where it says so.
    pub(super) platform: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    media_type: Option<String>,
    #[serde(default)]
    manifests: Vec<ReadEntry>,
}

#[derive(Deserialize)]
struct ReadEntry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl Lookup {
    /// Asks for a manifest by its digest or a tag; `None`: the registry says that there is none. `Err` says why it is not
    /// known.
    pub(super) async fn manifest(
        &self,
        upstream: &Arc<Upstream>,
        repository: &Repository,
        reference: &str,
    ) -> Result<Option<Manifest>, String> {
        let connection = self.connection(upstream)?;
        let tokens = Tokens::new(connection, vec![format!("repository:{repository}:pull")]);
        let ask = tokens.with(async |registry| {
            let answer = registry.get(reference_uri(repository, &reference)).await?;
            match answer.status() {
                StatusCode::OK => Ok(Some(registry.manifest_bytes(answer).await?)),
                StatusCode::NOT_FOUND => Ok(None),
                status => Err(Refusal::of(status, answer.headers()).into()),
            }
        });
        let found = tokio::time::timeout(PATIENCE, ask).await;
        let found = found.map_err(|_| format!("the registry gave no answer within {PATIENCE:?}"))?;
        let Some(bytes) = found.map_err(|error| error.to_string())? else { return Ok(None) };
        let digest = Digest::parse(reference).unwrap_or_else(|_| Digest::of(Algorithm::Sha256, &bytes));
        let read: Option<Read> = serde_json::from_slice(&bytes).ok();
        let (media_type, listed) = read.map_or((None, Vec::new()), |read| (read.media_type, read.manifests));
        let has_more = listed.len() > MOST;
        let entries = listed.into_iter().take(MOST).filter_map(Entry::read).collect();
        Ok(Some(Manifest { digest, size: bytes.len(), media_type, entries, has_more }))
    }

    fn connection(&self, upstream: &Arc<Upstream>) -> Result<Arc<Connection>, String> {
        // Nothing that holds it can panic half-way.
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = connections.get(&upstream.name) {
            return Ok(known.clone());
        }
        let connection = Arc::new(Connection::new(upstream.clone()).map_err(|error| error.to_string())?);
        connections.insert(upstream.name.clone(), connection.clone());
        Ok(connection)
    }
}

impl Manifest {
    /// Of what it holds.
    pub(super) fn digests(&self) -> Vec<Digest> {
        self.entries.iter().map(|entry| entry.digest.clone()).collect()
    }
}

impl Entry {
    fn read(entry: ReadEntry) -> Option<Self> {
        let platform = entry.platform.map(|platform| {
            let parts = [Some(platform.os), Some(platform.architecture), platform.variant];
            parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
        });
        Some(Self { digest: Digest::parse(&entry.digest).ok()?, platform })
    }
}
