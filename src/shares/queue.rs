//! Who has how much, and who waits. The queue is fair: round robin over the addresses, at each address over its
//! callers, and of one caller in the order of asking. A caller who asks often delays nobody but that caller.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use super::holder::{Bounds, Holder};

type Key = [u8; 32];

/// The holders and waiters of one `Shares`. `W` is how a waiter is given its share.
pub(super) struct Queue<W> {
    bounds: Bounds,
    taken: usize,
    addresses: HashMap<Key, Address<W>>,
    round: RoundRobin,
    next_ticket: u64,
}

struct Address<W> {
    taken: usize,
    callers: HashMap<Key, Caller<W>>,
    round: RoundRobin,
}

struct Caller<W> {
    taken: usize,
    /// When one of its waiters was served last.
    served: Option<Instant>,
    waiting: BTreeMap<u64, (usize, W)>,
}

/// Callers or addresses that have waiters, in the order in which they are served next.
#[derive(Default)]
struct RoundRobin {
    order: BTreeMap<u64, Key>,
    of: HashMap<Key, u64>,
}

impl<W> Queue<W> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, taken: 0, addresses: HashMap::new(), round: RoundRobin::default(), next_ticket: 0 }
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.round.order.is_empty()
    }

    /// Takes `amount` if it is free, even while others wait.
    pub(super) fn try_take(&mut self, holder: Holder, amount: usize) -> bool {
        let address = self.addresses.get(&holder.address);
        let of_address = address.map_or(0, |address| address.taken);
        let of_caller = address.and_then(|address| address.callers.get(&holder.caller)).map_or(0, |one| one.taken);
        let is_free = of_caller + amount <= self.bounds.for_caller
            && of_address + amount <= self.bounds.for_address
            && self.taken + amount <= self.bounds.all;
        if is_free {
            self.count(holder, amount);
        }
        is_free
    }

    /// Gives back a part of what was taken.
    pub(super) fn give_back(&mut self, holder: Holder, amount: usize) {
        self.taken -= amount;
        if let Some(address) = self.addresses.get_mut(&holder.address) {
            address.taken -= amount;
            if let Some(caller) = address.callers.get_mut(&holder.caller) {
                caller.taken -= amount;
            }
        }
        self.tidy(holder);
    }

    /// Adds a waiter, behind those of the same caller. The ticket is for [`Queue::leave`].
    pub(super) fn wait(&mut self, holder: Holder, amount: usize, waiter: W) -> u64 {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        self.round.join(holder.address, ticket);
        let address = self.addresses.entry(holder.address).or_default();
        address.round.join(holder.caller, ticket);
        address.callers.entry(holder.caller).or_default().waiting.insert(ticket, (amount, waiter));
        ticket
    }

    /// Takes a waiter out. `false`: it was served before.
    pub(super) fn leave(&mut self, holder: Holder, ticket: u64) -> bool {
        let address = self.addresses.get_mut(&holder.address);
        let caller = address.and_then(|address| address.callers.get_mut(&holder.caller));
        let was_there = caller.is_some_and(|caller| caller.waiting.remove(&ticket).is_some());
        self.tidy(holder);
        was_there
    }

    /// When a waiter of that caller was served last; `None`: not since the caller has waiters.
    pub(super) fn served(&self, holder: Holder) -> Option<Instant> {
        self.addresses.get(&holder.address)?.callers.get(&holder.caller)?.served
    }

    /// The next waiter, if there is enough for it, which is counted as taken.
    pub(super) fn next(&mut self) -> Option<(Holder, usize, W)> {
        let holder = self.next_holder()?;
        let address = self.addresses.get_mut(&holder.address)?;
        let caller = address.callers.get_mut(&holder.caller)?;
        let (_, (amount, waiter)) = caller.waiting.pop_first()?;
        caller.served = Some(Instant::now());
        self.next_ticket += 1;
        // To the end: the other callers and addresses come before its next waiter.
        address.round.leave(&holder.caller);
        address.round.join(holder.caller, self.next_ticket);
        self.round.leave(&holder.address);
        self.round.join(holder.address, self.next_ticket);
        self.count(holder, amount);
        self.tidy(holder);
        Some((holder, amount, waiter))
    }

    /// Whose waiter is next: the first that stays within the bounds of its caller and its address. If there is not
    /// enough for that one, nobody is: a large share would never become free while smaller ones pass.
    fn next_holder(&self) -> Option<Holder> {
        for (key, address) in self.round.iter().filter_map(|key| self.addresses.get_key_value(key)) {
            let first = address.round.iter().find_map(|key| {
                let caller = address.callers.get(key)?;
                let (_, (amount, _)) = caller.waiting.first_key_value()?;
                (caller.taken + amount <= self.bounds.for_caller).then_some((*key, *amount))
            });
            let Some((caller, amount)) = first else { continue };
            if address.taken + amount <= self.bounds.for_address {
                return (self.taken + amount <= self.bounds.all).then_some(Holder { caller, address: *key });
            }
        }
        None
    }

    fn count(&mut self, holder: Holder, amount: usize) {
        let address = self.addresses.entry(holder.address).or_default();
        address.callers.entry(holder.caller).or_default().taken += amount;
        address.taken += amount;
        self.taken += amount;
    }

    /// Removes a caller and an address that hold nothing and have no waiters.
    fn tidy(&mut self, holder: Holder) {
        let Some(address) = self.addresses.get_mut(&holder.address) else { return };
        if let Some(caller) = address.callers.get(&holder.caller)
            && caller.waiting.is_empty()
        {
            address.round.leave(&holder.caller);
            if caller.taken == 0 {
                address.callers.remove(&holder.caller);
            }
        }
        if address.round.order.is_empty() {
            self.round.leave(&holder.address);
            if address.callers.is_empty() {
                self.addresses.remove(&holder.address);
            }
        }
    }
}

impl<W> Default for Address<W> {
    fn default() -> Self {
        Self { taken: 0, callers: HashMap::new(), round: RoundRobin::default() }
    }
}

impl<W> Default for Caller<W> {
    fn default() -> Self {
        Self { taken: 0, served: None, waiting: BTreeMap::new() }
    }
}

impl RoundRobin {
    /// Adds `key` at the end, unless it is there. `number` grows with each call.
    fn join(&mut self, key: Key, number: u64) {
        if let std::collections::hash_map::Entry::Vacant(free) = self.of.entry(key) {
            free.insert(number);
            self.order.insert(number, key);
        }
    }

    fn leave(&mut self, key: &Key) {
        if let Some(number) = self.of.remove(key) {
            self.order.remove(&number);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Key> {
        self.order.values()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holder(address: u8, caller: u8) -> Holder {
        Holder { caller: [caller; 32], address: [address; 32] }
    }

    const BOUNDS: Bounds = Bounds { all: 8, for_address: 6, for_caller: 4 };

    /// Everybody who can be served, in order, each done before the next.
    fn serve(queue: &mut Queue<char>) -> String {
        let mut served = String::new();
        while let Some((holder, amount, name)) = queue.next() {
            queue.give_back(holder, amount);
            served.push(name);
        }
        served
    }

    #[test]
    fn limits_queue_goes_round_addresses_and_callers() {
        let mut queue = Queue::new(BOUNDS);
        assert!(queue.try_take(holder(9, 9), 4) && queue.try_take(holder(8, 8), 4));
        for (address, caller, name) in
            [(1, 1, 'a'), (1, 1, 'b'), (1, 1, 'c'), (1, 2, 'd'), (1, 3, 'e'), (2, 4, 'f'), (2, 4, 'g')]
        {
            queue.wait(holder(address, caller), 1, name);
        }
        assert_eq!(serve(&mut queue), "");
        queue.give_back(holder(9, 9), 4);
        assert_eq!(serve(&mut queue), "afdgebc");
        assert!(queue.is_empty() && queue.addresses.len() == 1);
    }

    #[test]
    fn limits_queue_is_passed_by_others_only_where_a_share_is_used_up() {
        let mut queue = Queue::new(BOUNDS);
        assert!(queue.try_take(holder(1, 1), 4));
        queue.wait(holder(1, 1), 1, 'a');
        queue.wait(holder(1, 2), 3, 'b');
        queue.wait(holder(2, 3), 1, 'c');
        assert_eq!(
            serve(&mut queue),
            "c",
            "the first has all of its share, the second would have too much at its address"
        );
        let other = holder(3, 4);
        assert!(queue.try_take(other, 3));
        queue.wait(holder(2, 3), 2, 'd');
        queue.wait(holder(4, 5), 1, 'e');
        assert_eq!(serve(&mut queue), "", "nobody passes the one that is next");
        queue.give_back(other, 1);
        assert_eq!(serve(&mut queue), "de");
        queue.give_back(holder(1, 1), 1);
        assert_eq!(serve(&mut queue), "ab");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Take(Holder, usize),
        Wait(Holder, usize),
        Leave(usize),
        Give(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let holder = || (0..3u8, 0..4u8).prop_map(|(address, caller)| holder(address, caller));
        let step = prop_oneof![
            (holder(), 1..=4usize).prop_map(|(holder, amount)| Step::Take(holder, amount)),
            (holder(), 1..=4usize).prop_map(|(holder, amount)| Step::Wait(holder, amount)),
            any::<usize>().prop_map(Step::Leave),
            any::<usize>().prop_map(Step::Give),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        #[test]
        fn limits_queue_never_gives_too_much_and_forgets_nobody(steps in steps()) {
            let mut queue = Queue::new(BOUNDS);
            let mut held: Vec<(Holder, usize)> = Vec::new();
            let mut waiting: Vec<(Holder, u64)> = Vec::new();
            let mut number = 0;
            for step in steps {
                match step {
                    Step::Take(holder, amount) if queue.try_take(holder, amount) => held.push((holder, amount)),
                    Step::Wait(holder, amount) => {
                        number += 1;
                        let ticket = queue.wait(holder, amount, number);
                        waiting.push((holder, ticket));
                    }
                    Step::Leave(at) if !waiting.is_empty() => {
                        let (holder, ticket) = waiting.remove(at % waiting.len());
                        queue.leave(holder, ticket);
                    }
                    Step::Give(at) if !held.is_empty() => {
                        let (holder, amount) = held.remove(at % held.len());
                        queue.give_back(holder, amount);
                    }
                    _ => {}
                }
                while let Some((holder, amount, _)) = queue.next() {
                    held.push((holder, amount));
                }
                let sum = |of: &dyn Fn(&Holder) -> bool| {
                    held.iter().filter(|(holder, _)| of(holder)).map(|(_, amount)| amount).sum::<usize>()
                };
                prop_assert!(sum(&|_| true) <= BOUNDS.all);
                for (holder, _) in &held {
                    prop_assert!(sum(&|other| other.address == holder.address) <= BOUNDS.for_address);
                    prop_assert!(sum(&|other| other == holder) <= BOUNDS.for_caller);
                }
            }
            // Whoever still waits is served once the others are done.
            while let Some((holder, amount)) = held.pop() {
                queue.give_back(holder, amount);
                while let Some((holder, amount, _)) = queue.next() {
                    held.push((holder, amount));
                }
            }
            prop_assert!(queue.is_empty() && queue.addresses.is_empty() && queue.taken == 0);
        }
    }
}
