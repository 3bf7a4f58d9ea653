//! A bound on what buffered bodies hold in memory, all together.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of bytes, of which reservations are taken. Cheap to clone: all clones are one budget.
#[derive(Clone)]
pub struct Budget {
    kib: Arc<Semaphore>,
    all: u32,
}

/// Nothing was free for as long as it is waited for.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too many manifests are on their way; try again in a moment")]
pub struct Exhausted;

/// How long a reservation is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

impl Budget {
    /// A budget of that many bytes.
    pub fn new(bytes: usize) -> Self {
        let all = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).max(1);
        Self { kib: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// A reservation of `bytes`, waited for up to [`PATIENCE`]. More than there is at all counts as all.
    pub async fn reserve(&self, bytes: usize) -> Result<Reservation, Exhausted> {
        let taken = tokio::time::timeout(PATIENCE, self.kib.clone().acquire_many_owned(self.kib_of(bytes))).await;
        // Invariant: the semaphore is never closed.
        Ok(Reservation(taken.map_err(|_| Exhausted)?.map_err(|_| Exhausted)?))
    }

    /// The same, without waiting.
    pub fn try_reserve(&self, bytes: usize) -> Result<Reservation, Exhausted> {
        let taken = self.kib.clone().try_acquire_many_owned(self.kib_of(bytes));
        Ok(Reservation(taken.map_err(|_| Exhausted)?))
    }

    fn kib_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.all)
    }
}

/// A part of the budget, until it is dropped.
pub struct Reservation(OwnedSemaphorePermit);

impl Reservation {
    /// How many bytes it is for.
    pub fn bytes(&self) -> usize {
        self.0.num_permits() << 10
    }

    /// Adds another of the same budget.
    pub fn merge(&mut self, more: Self) {
        self.0.merge(more.0);
    }

    /// Bytes that keep the reservation until they are sent.
    pub fn hold(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        struct Held<T>(T, #[allow(dead_code, reason = "kept, not read")] Reservation);
        impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }
        Bytes::from_owner(Held(bytes, self))
    }
}
