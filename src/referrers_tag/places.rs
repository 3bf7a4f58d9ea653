//! Places for those who read what referrers tags name: in all, and for one caller, so that none has all of them.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    budget::{Exhausted, PATIENCE},
    upstream::CallerKey,
};

const IN_ALL: usize = 16;
const FOR_ONE: usize = 4;

/// How many callers are told apart.
const CALLERS: u64 = 10_000;

pub(super) struct Places {
    all: Arc<Semaphore>,
    each: Cache<CallerKey, Arc<Semaphore>>,
}

impl Default for Places {
    fn default() -> Self {
        let each = Cache::builder().max_capacity(CALLERS).time_to_idle(Duration::from_mins(1)).build();
        Self { all: Arc::new(Semaphore::new(IN_ALL)), each }
    }
}

impl Places {
    /// A place for this caller, until it is dropped; waited for up to [`PATIENCE`]. Nobody waits for one of all while
    /// another of the same caller's could be used.
    pub(super) async fn take(&self, caller: CallerKey) -> Result<[OwnedSemaphorePermit; 2], Exhausted> {
        let each = self.each.get_with(caller, async { Arc::new(Semaphore::new(FOR_ONE)) }).await;
        let places = async {
            let own = each.acquire_owned().await.map_err(|_| Exhausted)?;
            Ok([own, self.all.clone().acquire_owned().await.map_err(|_| Exhausted)?])
        };
        tokio::time::timeout(PATIENCE, places).await.map_err(|_| Exhausted)?
    }
}
