//! How much is under way to one upstream, and for whom. While fewer than half of its connections are in use, nobody looks who asks;
//! of the other half, one caller has a part, so that nobody can take all connections from all others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::shares::{Bounds, Exhausted, Holder, Share, Shares};

/// With fewer connections there are no parts to speak of.
const ENOUGH: usize = 16;

/// Cheap to clone: all clones are one.
#[derive(Clone)]
pub(super) struct Load(Arc<Inner>);

struct Inner {
    under_way: AtomicUsize,
    /// So many may be under way before anybody looks.
    free: usize,
    /// Of all that goes beyond.
    parts: Shares,
}

/// A request, until its answer has ended.
pub(super) struct UnderWay {
    _counted: Counted,
    _part: Option<Share>,
}

/// One that is under way, or waits to be.
struct Counted(Load);

impl Load {
    /// Of an upstream with so many connections. `patience`: how long one caller's part is waited for.
    pub(super) fn new(connections: usize, patience: Duration) -> Self {
        let free = if connections < ENOUGH { usize::MAX } else { connections / 2 };
        let all = connections.saturating_sub(free).max(1);
        let bounds = Bounds { all, for_address: (all / 2).max(1), for_caller: (all / 4).max(1) };
        Self(Arc::new(Inner { under_way: AtomicUsize::new(0), free, parts: Shares::new(bounds, patience) }))
    }

    /// One more is under way, for the holder that is asked for where it matters.
    pub(super) async fn begin(&self, holder: impl FnOnce() -> Holder) -> Result<UnderWay, Exhausted> {
        let before = self.0.under_way.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(self.clone());
        let part = if before < self.0.free { None } else { Some(self.0.parts.take(holder(), 1).await?) };
        Ok(UnderWay { _counted: counted, _part: part })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(caller: u8, address: u8) -> Holder {
        Holder { caller: [caller; 32], address: [address; 32] }
    }

    #[tokio::test(start_paused = true)]
    async fn limits_connections_to_the_upstream_are_shared_once_half_of_them_are_in_use() {
        let load = Load::new(32, Duration::from_secs(1));
        let mut taken = Vec::new();
        // Anybody's, whoever it is.
        for _ in 0..16 {
            taken.push(load.begin(|| unreachable!("nobody looks")).await.unwrap());
        }
        // Then a quarter for one caller, half for an address.
        for _ in 0..4 {
            taken.push(load.begin(|| holder(1, 1)).await.unwrap());
        }
        assert!(load.begin(|| holder(1, 1)).await.is_err());
        for _ in 0..4 {
            taken.push(load.begin(|| holder(2, 1)).await.unwrap());
        }
        assert!(load.begin(|| holder(3, 1)).await.is_err());
        let other = load.begin(|| holder(4, 2)).await.unwrap();
        drop((taken, other));
        // All of it is given back.
        for _ in 0..16 {
            drop(load.begin(|| unreachable!("nobody looks")).await.unwrap());
        }
        assert_eq!(load.0.under_way.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn limits_few_connections_to_the_upstream_have_no_parts() {
        let load = Load::new(2, Duration::from_secs(1));
        for _ in 0..5 {
            drop(load.begin(|| unreachable!("nobody looks")).await.unwrap());
        }
    }
}
