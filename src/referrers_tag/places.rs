//! Places for those who read what referrers tags name: in all, and for one caller, so that none has all of them.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    shares::{Exhausted, Holder},
    upstream::CallerKey,
};

const IN_ALL: usize = 16;
/// Of one address: whoever makes up credentials leaves some to others.
const FOR_ADDRESS: usize = 12;
const FOR_ONE: usize = 4;

/// How long a place is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// A place for this caller at this address, until it is dropped; waited for up to [`PATIENCE`]. Who waits for the
    /// caller's own place holds none of the others'.
    pub(super) async fn take(&self, holder: Holder) -> Result<[OwnedSemaphorePermit; 3], Exhausted> {
        let own = self.each.get_with(holder.caller, async { Arc::new(Semaphore::new(FOR_ONE)) }).await;
        let near = self.each.get_with(holder.address, async { Arc::new(Semaphore::new(FOR_ADDRESS)) }).await;
        let place = async |places: Arc<Semaphore>| places.acquire_owned().await.map_err(|_| Exhausted);
        let places = async { Ok([place(own).await?, place(near).await?, place(self.all.clone()).await?]) };
        tokio::time::timeout(PATIENCE, places).await.map_err(|_| Exhausted)?
    }
}
