//! What shares are taken of, and a share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    holder::{Bounds, Holder},
    queue::Queue,
};

/// Nothing was free for as long as it is waited for.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too much is under way; try again in a moment")]
pub struct Exhausted;

/// What shares are taken of. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Shares(Arc<Inner>);

struct Inner {
    bounds: Bounds,
    patience: Duration,
    queue: Mutex<Queue<oneshot::Sender<Share>>>,
}

/// A share, until it is dropped.
pub struct Share {
    of: Shares,
    holder: Holder,
    amount: usize,
}

impl Shares {
    /// `patience`: how long a share is waited for.
    pub fn new(bounds: Bounds, patience: Duration) -> Self {
        Self(Arc::new(Inner { bounds, patience, queue: Mutex::new(Queue::new(bounds)) }))
    }

    /// How much may be taken at a time.
    pub fn bounds(&self) -> Bounds {
        self.0.bounds
    }

    /// A share of `amount`, waited for in turn. More than one caller may have counts as what one caller may have.
    pub async fn take(&self, holder: Holder, amount: usize) -> Result<Share, Exhausted> {
        let mut waiting = match self.take_or_wait(holder, amount) {
            Ok(share) => return Ok(share),
            Err(waiting) => waiting,
        };
        match tokio::time::timeout(self.0.patience, &mut waiting.granted).await {
            Ok(Ok(share)) => Ok(share),
            _ => Err(Exhausted),
        }
    }

    /// The same without waiting, before anybody who waits.
    pub fn try_take(&self, holder: Holder, amount: usize) -> Result<Share, Exhausted> {
        let amount = self.amount(amount);
        if self.lock().try_take(holder, amount) { Ok(self.share(holder, amount)) } else { Err(Exhausted) }
    }

    fn take_or_wait(&self, holder: Holder, amount: usize) -> Result<Share, Waiting> {
        let amount = self.amount(amount);
        let mut queue = self.lock();
        if queue.is_empty() && queue.try_take(holder, amount) {
            return Ok(self.share(holder, amount));
        }
        let (give, granted) = oneshot::channel();
        let ticket = queue.wait(holder, amount, give);
        // Those who wait may all have their shares already.
        self.serve(queue);
        Err(Waiting { of: self.clone(), holder, ticket, granted })
    }

    /// Gives out what is free to those whose turn it is.
    fn serve(&self, mut queue: MutexGuard<'_, Queue<oneshot::Sender<Share>>>) {
        let mut granted = Vec::new();
        while let Some((holder, amount, give)) = queue.next() {
            granted.push((give, self.share(holder, amount)));
        }
        drop(queue);
        for (give, share) in granted {
            // To one who left just now: what comes back is dropped, and goes to the next.
            drop(give.send(share));
        }
    }

    fn amount(&self, asked: usize) -> usize {
        asked.clamp(1, self.0.bounds.for_caller)
    }

    fn share(&self, holder: Holder, amount: usize) -> Share {
        Share { of: self.clone(), holder, amount }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<oneshot::Sender<Share>>> {
        // Nothing that holds it can panic half-way.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// How much it is.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Gives back all but `amount`.
    pub fn shrink_to(&mut self, amount: usize) {
        let Some(less) = self.amount.checked_sub(amount).filter(|less| *less > 0) else { return };
        self.amount = amount;
        let mut queue = self.of.lock();
        queue.give_back(self.holder, less);
        self.of.serve(queue);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// A turn in the queue, given up when it is dropped.
struct Waiting {
    of: Shares,
    holder: Holder,
    ticket: u64,
    granted: oneshot::Receiver<Share>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut queue = self.of.lock();
        if queue.leave(self.holder, self.ticket) {
            // Others may have waited behind it.
            self.of.serve(queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(address: u8, caller: u8) -> Holder {
        Holder { caller: [caller; 32], address: [address; 32] }
    }

    fn shares(patience: Duration) -> Shares {
        Shares::new(Bounds { all: 4, for_address: 3, for_caller: 2 }, patience)
    }

    fn wait(shares: &Shares, holder: Holder, amount: usize) -> Waiting {
        shares.take_or_wait(holder, amount).err().expect("it has to wait")
    }

    #[test]
    fn limits_shares_leave_something_to_other_callers_and_addresses() {
        let shares = shares(Duration::from_secs(1));
        let _one = shares.try_take(holder(1, 1), 9).expect("as much as one may have");
        assert!(shares.try_take(holder(1, 1), 1).is_err());
        let _other = shares.try_take(holder(1, 2), 1).expect("what is left for the address");
        assert!(shares.try_take(holder(1, 3), 1).is_err());
        let mut waiting = wait(&shares, holder(1, 3), 1);
        let _elsewhere = shares.take_or_wait(holder(2, 4), 1).err().expect("given in turn").granted.try_recv().unwrap();
        assert!(shares.try_take(holder(3, 5), 1).is_err() && waiting.granted.try_recv().is_err());
    }

    #[test]
    fn limits_shares_that_shrink_or_end_go_to_who_waits() {
        let shares = shares(Duration::from_secs(1));
        let mut one = shares.try_take(holder(1, 1), 2).unwrap();
        let (mut first, mut second) = (wait(&shares, holder(1, 1), 1), wait(&shares, holder(1, 1), 1));
        one.shrink_to(1);
        assert_eq!((one.amount(), first.granted.try_recv().unwrap().amount()), (1, 1));
        assert!(second.granted.try_recv().is_ok(), "the first was dropped at once");
    }

    #[test]
    fn limits_shares_given_to_one_who_leaves_go_to_the_next() {
        let shares = shares(Duration::from_secs(1));
        let _other = shares.try_take(holder(2, 2), 2).unwrap();
        let one = shares.try_take(holder(1, 1), 2).unwrap();
        let (large, mut small) = (wait(&shares, holder(3, 3), 2), wait(&shares, holder(4, 4), 1));
        drop(one);
        assert!(small.granted.try_recv().is_err(), "the large one comes first");
        drop(large);
        assert!(small.granted.try_recv().is_ok());
    }

    #[tokio::test]
    async fn limits_shares_are_waited_for_so_long() {
        let shares = shares(Duration::from_millis(20));
        let one = shares.take(holder(1, 1), 2).await.unwrap();
        assert!(shares.take(holder(1, 1), 2).await.is_err());
        let (taken, ()) = tokio::join!(shares.take(holder(1, 1), 2), async { drop(one) });
        assert!(taken.is_ok() && shares.lock().is_empty());
    }
}
