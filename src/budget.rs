//! A bound on what bodies that are held whole take of memory, all together, and each caller.

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

/// What is reserved for, each with a part of the budget of its own. Whoever has a reservation waits only for one of a part
/// that comes after it in this list, so that no two wait for each other.
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

/// Bytes of what is small. Nearly all manifests are.
pub const SMALL: usize = 64 << 10;

/// Bytes of the largest manifest: it fits into every caller's share.
const LARGEST: usize = 4 << 20;

impl Budget {
    /// A budget of that many bytes. `patience`: how long a reservation is waited for.
    pub fn new(bytes: usize, patience: Duration) -> Self {
        let small = |all: usize| Bounds { all, for_address: all / 2, for_caller: all / 4 };
        let large = |all: usize| {
            let one = LARGEST.min(all);
            Bounds { all, for_address: one.max(all / 4 * 3), for_caller: one.max(all / 2) }
        };
        let part = |bounds| Shares::new(bounds, patience);
        Self {
            small_bodies: part(small(bytes / 16)),
            bodies: part(large(bytes / 16 * 8)),
            small_reads: part(small(bytes / 16)),
            reads: part(large(bytes / 16 * 6)),
        }
    }

    /// A reservation of `bytes`, waited for. More than one caller may have counts as what one caller may have.
    pub async fn reserve(&self, part: Part, holder: Holder, bytes: usize) -> Result<Reservation, Exhausted> {
        Ok(Reservation(Some(self.shares(part).take(holder, bytes).await?)))
    }

    /// A reservation for what is read by someone who may have one in any part: without waiting, wherever there is room.
    pub fn try_reserve(&self, holder: Holder, bytes: usize) -> Result<Reservation, Exhausted> {
        let parts = [Part::Read, Part::Body].into_iter();
        let free = parts.map(|part| self.shares(part).try_take(holder, bytes)).find_map(Result::ok);
        free.map(|share| Reservation(Some(share))).ok_or(Exhausted)
    }

    /// How many bytes one caller may have.
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

/// A piece of the budget, until it is dropped.
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
    fn limits_budget_has_room_for_the_largest_manifest_however_small_it_is() {
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
    fn limits_budget_gives_what_is_read_room_where_there_is_some() {
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
