//! A lock for each key, kept for as long as somebody uses it and a while longer.

use std::{hash::Hash, sync::Arc, time::Duration};

use moka::future::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Locks by key.
pub struct Locks<K>(Cache<K, Arc<Mutex<()>>>);

/// How many keys are remembered, and for how long after a lock was taken last.
const KEYS: u64 = 10_000;
const KEPT: Duration = Duration::from_mins(10);

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Default for Locks<K> {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(KEYS).time_to_idle(KEPT).build())
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Locks<K> {
    /// The lock of that key, until the guard is dropped.
    pub async fn lock(&self, key: &K) -> OwnedMutexGuard<()> {
        self.0.get_with_by_ref(key, async { Arc::default() }).await.lock_owned().await
    }
}
