//! The lock of a subject's referrers tag: in this process, one at a time reads or writes it. What whoever waits wants
//! written is mostly there when the lock is free, so that many pushes cost the upstream few writes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    locks::{self, KeyLock, Locks},
    referrers::ManifestKey,
    upstream::CallerKey,
};

/// The locks of all subjects, each with those who will write its tag.
pub(super) type TagLocks = Locks<ManifestKey, Mutex<Waiters>>;

/// One subject's.
pub(super) type TagLock = KeyLock<ManifestKey, Mutex<Waiters>>;

/// Holds the lock until it is dropped.
pub(super) type Locked = locks::Locked<ManifestKey, Mutex<Waiters>>;

/// How many of those who pushed wait at most to write one subject's tag, with their credentials.
const WAITERS: usize = 64;

impl TagLock {
    /// Joins those who will write the tag. `later`: whose credentials wait until that is due; one of each caller does.
    /// `None`: enough are there, and one of them writes for this one too.
    pub(super) fn wait(self: Arc<Self>, later: Option<CallerKey>) -> Option<Waiter> {
        let mut waiters = lock(&self.beside);
        if let Some(more_came) = later.and_then(|caller| waiters.later.get_mut(&caller)) {
            *more_came = true;
            return None;
        }
        if waiters.count == WAITERS {
            waiters.more_came = true;
            return None;
        }
        waiters.count += 1;
        waiters.later.extend(later.map(|caller| (caller, false)));
        drop(waiters);
        Some(Waiter { tag_lock: self, later, done: false })
    }
}

/// Those who will write a tag.
#[derive(Default)]
pub(super) struct Waiters {
    count: usize,
    /// Somebody found enough of them there, and left the writing to them.
    more_came: bool,
    /// Who of them writes later, and whether more came of the same caller.
    later: HashMap<CallerKey, bool>,
}

/// One of those who will write a tag.
pub(super) struct Waiter {
    tag_lock: Arc<TagLock>,
    later: Option<CallerKey>,
    done: bool,
}

impl Waiter {
    /// Through with it, unless somebody left more to this one meanwhile: both in one step, or it could be missed.
    pub(super) fn is_done(&mut self) -> bool {
        let mut waiters = lock(&self.tag_lock.beside);
        let more_of_same = self.later.and_then(|caller| waiters.later.get_mut(&caller)).is_some_and(std::mem::take);
        if std::mem::take(&mut waiters.more_came) || more_of_same {
            return false;
        }
        waiters.leave(self.later);
        self.done = true;
        true
    }
}

impl Waiters {
    fn leave(&mut self, later: Option<CallerKey>) {
        self.count -= 1;
        if let Some(caller) = later {
            self.later.remove(&caller);
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if !self.done {
            lock(&self.tag_lock.beside).leave(self.later);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds it can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Digest, Repository};

    fn subject() -> ManifestKey {
        let digest = Digest::parse("blake3:00").unwrap();
        ManifestKey { upstream: "up".into(), repository: Repository::parse("a").unwrap(), digest }
    }

    #[test]
    fn referrers_tag_lock_bounds_its_waiters_and_tells_them_of_work_left_to_them() {
        let tag_lock = TagLocks::default().of(&subject());
        let mut waiting: Vec<Waiter> = (0..WAITERS).filter_map(|_| tag_lock.clone().wait(None)).collect();
        assert!(tag_lock.clone().wait(None).is_none());
        let mut last = waiting.pop().unwrap();
        assert!(!last.is_done() && last.is_done());
        drop((last, waiting));
        assert_eq!(lock(&tag_lock.beside).count, 0);
    }

    #[test]
    fn referrers_tag_lock_has_one_of_each_caller_wait_until_a_write_is_due() {
        let tag_lock = TagLocks::default().of(&subject());
        let [one, other] = [Some([1; 32]), Some([2; 32])];
        let mut first = tag_lock.clone().wait(one).unwrap();
        let mut others = tag_lock.clone().wait(other).unwrap();
        assert!(tag_lock.clone().wait(one).is_none());
        assert!(tag_lock.clone().wait(None).is_some(), "who writes at once waits for nobody");
        assert!(others.is_done(), "what was left to one caller is not for another's credentials");
        assert!(!first.is_done() && first.is_done());
        drop((first, others));
        assert!(tag_lock.wait(one).is_some());
    }
}
