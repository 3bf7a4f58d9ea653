//! Whose changes the upstream refused just now: of those, few are sent at a time. Whoever floods a registry with what it
//! refuses would have most of its time, since each of these requests costs it as much as one that it carries out.

use std::time::Duration;

use http::StatusCode;
use moka::sync::Cache;

use crate::shares::{Bounds, Exhausted, Holder, Share, Shares};

/// Who was refused, and who wasn't.
pub struct Throttle {
    /// Callers whose last change was refused.
    callers: Cache<[u8; 32], ()>,
    /// How many changes were refused at an address since it was last quiet: credentials can be made up for each.
    addresses: Cache<[u8; 32], u32>,
    /// Callers whose last change was carried out.
    trusted: Cache<[u8; 32], ()>,
    places: Shares,
}

/// How many changes of one such caller are sent at a time, and of all at one address.
const FOR_CALLER: usize = 2;
const FOR_ADDRESS: usize = 8;

/// After so many refusals at an address, those count as refused there of whom no change was carried out lately.
const MANY: u32 = 64;

/// For how long a refusal, and a success, is remembered.
const REFUSED: Duration = Duration::from_secs(5);
const TRUSTED: Duration = Duration::from_mins(10);

/// How many callers and addresses are remembered, of each kind.
const REMEMBERED: u64 = 10_000;

impl Throttle {
    /// `patience`: how long a place is waited for while nothing is given to the same caller.
    pub fn new(patience: Duration) -> Self {
        fn cache<V: Clone + Send + Sync + 'static>(time: Duration) -> Cache<[u8; 32], V> {
            Cache::builder().max_capacity(REMEMBERED).time_to_live(time).build()
        }
        let bounds = Bounds { all: usize::MAX, for_address: FOR_ADDRESS, for_caller: FOR_CALLER };
        Self {
            callers: cache(REFUSED),
            addresses: cache(REFUSED),
            trusted: cache(TRUSTED),
            places: Shares::new(bounds, patience),
        }
    }

    /// A place for a change of somebody who was refused one just now, waited for in the queue; `None`: they were not.
    pub async fn place(&self, holder: Holder) -> Result<Option<Share>, Exhausted> {
        if self.is_doubted(holder) { self.places.take(holder, 1).await.map(Some) } else { Ok(None) }
    }

    fn is_doubted(&self, holder: Holder) -> bool {
        self.callers.contains_key(&holder.caller)
            || (self.addresses.get(&holder.address).is_some_and(|count| count >= MANY)
                && !self.trusted.contains_key(&holder.caller))
    }

    /// The upstream answered a change of a caller's. A 404 is a refusal of whom it hides from: whoever was carried out a
    /// change deletes what isn't there.
    pub fn answered(&self, holder: Holder, status: StatusCode) {
        let is_hidden = status == StatusCode::NOT_FOUND && !self.trusted.contains_key(&holder.caller);
        if is_hidden || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.callers.insert(holder.caller, ());
            self.trusted.invalidate(&holder.caller);
            self.addresses
                .entry(holder.address)
                .and_upsert_with(|count| count.map_or(1, |count| count.into_value().saturating_add(1)));
        } else if status.is_success() && (self.is_doubted(holder) || !self.trusted.contains_key(&holder.caller)) {
            // Looking costs each push less than writing.
            self.callers.invalidate(&holder.caller);
            self.trusted.insert(holder.caller, ());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(caller: u8, address: u8) -> Holder {
        Holder { caller: [caller; 32], address: [address; 32] }
    }

    async fn places(throttle: &Throttle, holder: Holder) -> Vec<Share> {
        let mut places = Vec::new();
        while let Ok(Some(place)) = throttle.place(holder).await {
            places.push(place);
        }
        places
    }

    #[tokio::test(start_paused = true)]
    async fn limits_changes_of_whoever_was_refused_one() {
        let throttle = Throttle::new(Duration::from_secs(1));
        let [stranger, owner] = [holder(1, 1), holder(2, 1)];
        assert!(throttle.place(stranger).await.unwrap().is_none());
        throttle.answered(stranger, StatusCode::UNAUTHORIZED);
        assert!(throttle.place(owner).await.unwrap().is_none());
        let taken = places(&throttle, stranger).await;
        assert_eq!(taken.len(), FOR_CALLER);
        throttle.answered(stranger, StatusCode::CREATED);
        assert!(throttle.place(stranger).await.unwrap().is_none(), "they may by now");
        throttle.answered(stranger, StatusCode::NOT_FOUND);
        assert!(throttle.place(stranger).await.unwrap().is_none(), "what they may delete isn't there");
        throttle.answered(stranger, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(throttle.place(stranger).await.unwrap().is_none(), "that says nothing of them");
    }

    #[tokio::test(start_paused = true)]
    async fn limits_changes_with_credentials_that_are_made_up() {
        let throttle = Throttle::new(Duration::from_secs(1));
        let (owner, elsewhere) = (holder(255, 1), holder(254, 2));
        throttle.answered(owner, StatusCode::CREATED);
        for caller in 0..64 {
            throttle.answered(holder(caller, 1), StatusCode::FORBIDDEN);
        }
        let mut taken = Vec::new();
        for caller in 64..128 {
            match throttle.place(holder(caller, 1)).await {
                Ok(place) => taken.push(place.expect("nobody knows them")),
                Err(Exhausted) => break,
            }
        }
        assert_eq!(taken.len(), FOR_ADDRESS);
        assert!(throttle.place(owner).await.unwrap().is_none());
        assert!(throttle.place(elsewhere).await.unwrap().is_none());
    }
}
