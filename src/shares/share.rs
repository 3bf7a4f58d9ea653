//! Taking a share, waiting for one, giving it back.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    holder::{Bounds, Holder},
    queue::Queue,
};

/// Nothing became free for this caller within the time for which it is waited.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too much is under way; try again in a moment")]
pub struct Exhausted;

/// An amount of which shares are taken. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Shares(Arc<Inner>);

struct Inner {
    bounds: Bounds,
    patience: Duration,
    queue: Mutex<Queue<oneshot::Sender<Share>>>,
}

/// A share. Dropped, it goes to whoever waits.
pub struct Share {
    of: Shares,
    holder: Holder,
    amount: usize,
}

impl Shares {
    /// `patience`: how long a share is waited for while nothing is given to the same caller.
    pub fn new(bounds: Bounds, patience: Duration) -> Self {
        Self(Arc::new(Inner { bounds, patience, queue: Mutex::new(Queue::new(bounds)) }))
    }

    /// How much may be taken at a time.
    pub fn bounds(&self) -> Bounds {
        self.0.bounds
    }

    /// A share of `amount`, waited for in the queue. More than the bound for one caller counts as that bound.
    pub async fn take(&self, holder: Holder, amount: usize) -> Result<Share, Exhausted> {
        let mut waiting = match self.take_or_wait(holder, amount) {
            Ok(share) => return Ok(share),
            Err(waiting) => waiting,
        };
        let mut until = Instant::now() + self.0.patience;
        loop {
            if let Ok(granted) = timeout_at(until, &mut waiting.granted).await {
                // Invariant: whoever waits is in the queue until it is given something.
                return granted.map_err(|_| Exhausted);
            }
            let served = self.lock().served(holder).map(|at| at + self.0.patience);
            until = served.filter(|until| *until > Instant::now()).ok_or(Exhausted)?;
        }
    }

    /// The same without waiting, even while others wait.
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
        // All others in the queue may have reached their own bounds.
        self.serve(queue);
        Err(Waiting { of: self.clone(), holder, ticket, granted })
    }

    /// Gives what is free to those who wait.
    fn serve(&self, mut queue: MutexGuard<'_, Queue<oneshot::Sender<Share>>>) {
        let mut granted = Vec::new();
        while let Some((holder, amount, give)) = queue.next() {
            granted.push((give, self.share(holder, amount)));
        }
        drop(queue);
        for (give, share) in granted {
            // Whoever left just now can't take it: it is dropped here, and given to the next.
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

/// An entry of the queue. Dropped, it is taken out.
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
            // It may have been the one that the others waited behind.
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

    #[tokio::test(start_paused = true)]
    async fn limits_shares_are_waited_for_so_long() {
        let shares = shares(Duration::from_millis(20));
        let one = shares.take(holder(1, 1), 2).await.unwrap();
        assert!(shares.take(holder(1, 1), 2).await.is_err());
        let (taken, ()) = tokio::join!(shares.take(holder(1, 1), 2), async { drop(one) });
        assert!(taken.is_ok() && shares.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn limits_shares_are_waited_for_as_long_as_the_queue_moves() {
        const STEP: Duration = Duration::from_millis(100);
        let shares = shares(2 * STEP);
        let mut held = shares.take(holder(1, 1), 2).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..5 {
            let shares = shares.clone();
            waiting.push(tokio::spawn(async move { shares.take(holder(1, 1), 2).await }));
        }
        // Five steps: longer than any would wait by itself.
        for next in waiting {
            tokio::time::sleep(STEP).await;
            drop(held);
            held = next.await.unwrap().unwrap();
        }
    }
}
