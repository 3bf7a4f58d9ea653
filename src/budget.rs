//! The memory budget: a bound on what bodies that are held whole take of memory, in all and for each caller.

use std::time::Duration;

use bytes::Bytes;

use crate::shares::{Bounds, Exhausted, Holder, Share, Shares};

/// A number of bytes, of which reservations are taken. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Budget {
    small_bodies: Shares,
    bodies: Shares,
    small_reads: Shares,
    reads: Shares,
}

/// What memory is reserved for. Each has a part of the budget of its own. Whoever holds a reservation may wait only for
/// one in a part that stands further down in this list, so that no two can wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A client's body, or an answer to it, of up to [`SMALL`] bytes.
    SmallBody,
    /// A larger one.
    Body,
    /// What is read of the upstream to do what a client asked for, up to [`SMALL`] bytes.
    SmallRead,
    /// More of that.
    Read,
}

/// How many bytes count as small. Nearly all manifests have fewer.
pub const SMALL: usize = 64 << 10;

/// The largest manifest, in bytes: one caller may have that much, however small the budget is.
const LARGEST: usize = 4 << 20;

/// How long a reservation for a read is waited for at most: the upstream's answer waits as well.
const READ_PATIENCE: Duration = Duration::from_secs(20);

impl Budget {
    /// A budget of that many bytes. `patience`: how long a reservation for a body is waited for.
    pub fn new(bytes: usize, patience: Duration) -> Self {
        let small = |all: usize| Bounds { all, for_address: all / 2, for_caller: all / 4 };
        let large = |all: usize, for_address: usize, for_caller: usize| {
            let one = LARGEST.min(all);
            Bounds { all, for_address: one.max(for_address), for_caller: one.max(for_caller) }
        };
        let sixteenth = bytes / 16;
        let part = |bounds| Shares::new(bounds, patience);
        let reads = |bounds| Shares::new(bounds, patience.min(READ_PATIENCE));
        Self {
            small_bodies: part(small(sixteenth)),
            bodies: part(large(10 * sixteenth, 8 * sixteenth, 4 * sixteenth)),
            small_reads: reads(small(sixteenth)),
            reads: reads(large(4 * sixteenth, 3 * sixteenth, 2 * sixteenth)),
        }
    }

    /// A reservation of `bytes`, waited for in the queue. More than the bound for one caller counts as that bound.
    pub async fn reserve(&self, part: Part, holder: Holder, bytes: usize) -> Result<Reservation, Exhausted> {
        Ok(Reservation(Some(self.shares(part).take(holder, bytes).await?)))
    }

    /// A reservation for a read, in whatever part has so much free. It isn't waited for, so that whoever holds one in
    /// any part may ask for it.
    pub fn try_reserve(&self, holder: Holder, bytes: usize) -> Result<Reservation, Exhausted> {
        let parts = [Part::Read, Part::Body].into_iter();
        let free = parts.map(|part| self.shares(part).try_take(holder, bytes)).find_map(Result::ok);
        free.map(|share| Reservation(Some(share))).ok_or(Exhausted)
    }

    /// The bound for one caller, in bytes.
    pub fn for_caller(&self, part: Part) -> usize {
        self.shares(part).bounds().for_caller
    }

    fn shares(&self, part: Part) -> &Shares {
        match part {
            Part::SmallBody => &self.small_bodies,
            Part::Body => &self.bodies,
            Part::SmallRead => &self.small_reads,
            Part::Read => &self.reads,
        }
    }
}

impl Part {
    /// The part for what has that many bytes.
    #[must_use]
    pub fn of_size(self, bytes: usize) -> Self {
        match (self, bytes <= SMALL) {
            (Self::SmallBody | Self::Body, true) => Self::SmallBody,
            (Self::SmallBody | Self::Body, false) => Self::Body,
            (Self::SmallRead | Self::Read, true) => Self::SmallRead,
            (Self::SmallRead | Self::Read, false) => Self::Read,
        }
    }
}

/// A number of bytes that was granted. Dropped, they go to whoever waits. The default: none.
#[derive(Default)]
pub struct Reservation(Option<Share>);

impl Reservation {
    /// Gives back all but so many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        if let Some(share) = &mut self.0 {
            share.shrink_to(bytes);
        }
    }

    /// Bytes that keep the reservation until they are dropped.
    pub fn hold(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        struct Held<T> {
            bytes: T,
            _reservation: Reservation,
        }
        impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
            fn as_ref(&self) -> &[u8] {
                self.bytes.as_ref()
            }
        }
        Bytes::from_owner(Held { bytes, _reservation: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(caller: u8) -> Holder {
        Holder { caller: [caller; 32], address: [caller; 32] }
    }

    #[test]
    fn limits_budget_has_a_reservation_for_the_largest_manifest_however_small_it_is() {
        for mib in [8, 9, 32, 1000] {
            let budget = Budget::new(mib << 20, Duration::from_secs(1));
            assert!(budget.for_caller(Part::Body) >= LARGEST && budget.for_caller(Part::SmallBody) >= SMALL);
            let all = [Part::SmallBody, Part::Body, Part::SmallRead, Part::Read].map(|part| {
                let bounds = budget.shares(part).bounds();
                assert!(bounds.for_caller <= bounds.for_address && bounds.for_address <= bounds.all);
                bounds.all
            });
            assert!(all.into_iter().sum::<usize>() <= mib << 20);
        }
    }

    #[test]
    fn limits_budget_gives_a_read_what_any_part_has_free() {
        let budget = Budget::new(8 << 20, Duration::from_secs(1));
        let first = budget.try_reserve(holder(1), LARGEST);
        let second = budget.try_reserve(holder(1), LARGEST);
        assert!(first.is_ok() && second.is_ok() && budget.try_reserve(holder(1), 1).is_err());
        drop(second);
        assert!(budget.try_reserve(holder(1), 1).is_ok());
    }

    #[test]
    fn limits_budget_takes_back_what_is_not_needed() {
        let budget = Budget::new(32 << 20, Duration::from_secs(1));
        let all = budget.for_caller(Part::Read);
        let mut held = budget.try_reserve(holder(1), all).unwrap();
        held.shrink_to(10);
        let rest = budget.try_reserve(holder(1), all - 10);
        assert!(rest.is_ok());
        drop(held.hold("0123456789"));
        drop(rest);
        assert_eq!(budget.try_reserve(holder(1), all).unwrap().0.unwrap().amount(), all);
    }
}
