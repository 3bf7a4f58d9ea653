//! The lock of a subject's referrers tag: in this process, one at a time reads or writes it. What whoever waits wants
//! written is mostly there when the lock is free, so that many pushes cost the upstream few writes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::OwnedMutexGuard;

use crate::{referrers::ManifestKey, upstream::CallerKey};

type Subjects = Mutex<HashMap<ManifestKey, Weak<TagLock>>>;

/// The locks of all subjects.
#[derive(Default)]
pub(super) struct TagLocks(Arc<Subjects>);

/// One subject's.
pub(super) struct TagLock {
    subjects: Arc<Subjects>,
    key: ManifestKey,
    lock: Arc<tokio::sync::Mutex<()>>,
    waiters: Mutex<Waiters>,
}

/// Holds the lock until it is dropped.
pub(super) type Locked = OwnedMutexGuard<()>;

/// How many of those who pushed wait at most to write one subject's tag, with their credentials.
const WAITERS: usize = 64;

impl TagLocks {
    /// The lock of a subject.
    pub(super) fn of(&self, subject: &ManifestKey) -> Arc<TagLock> {
        let mut subjects = lock(&self.0);
        if let Some(tag_lock) = subjects.get(subject).and_then(Weak::upgrade) {
            return tag_lock;
        }
        let tag_lock = Arc::new(TagLock {
            subjects: self.0.clone(),
            key: subject.clone(),
            lock: Arc::default(),
            waiters: Mutex::default(),
        });
        subjects.insert(subject.clone(), Arc::downgrade(&tag_lock));
        tag_lock
    }
}

impl TagLock {
    /// Waits for it; those who came first go first.
    pub(super) async fn acquire(&self) -> Locked {
        self.lock.clone().lock_owned().await
    }

    /// Joins those who will write the tag. `later`: whose credentials wait until that is due; one of each caller does.
    /// `None`: enough are there, and one of them writes for this one too.
    pub(super) fn wait(self: Arc<Self>, later: Option<CallerKey>) -> Option<Waiter> {
        let mut waiters = lock(&self.waiters);
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

impl Drop for TagLock {
    fn drop(&mut self) {
        let mut subjects = lock(&self.subjects);
        // Somebody may have made a new one since the last holder of this one let go.
        if subjects.get(&self.key).is_some_and(|tag_lock| tag_lock.strong_count() == 0) {
            subjects.remove(&self.key);
        }
    }
}

/// Those who will write a tag.
#[derive(Default)]
struct Waiters {
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
        let mut waiters = lock(&self.tag_lock.waiters);
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
            lock(&self.tag_lock.waiters).leave(self.later);
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

    #[tokio::test]
    async fn referrers_tag_has_one_lock_as_long_as_somebody_holds_it() {
        let locks = TagLocks::default();
        let tag_lock = locks.of(&subject());
        assert!(Arc::ptr_eq(&tag_lock, &locks.of(&subject())));
        let held = tag_lock.acquire().await;
        assert!(locks.of(&subject()).lock.try_lock().is_err());
        drop((held, tag_lock));
        assert!(lock(&locks.0).is_empty());
    }

    #[test]
    fn referrers_tag_lock_bounds_its_waiters_and_tells_them_of_work_left_to_them() {
        let tag_lock = TagLocks::default().of(&subject());
        let mut waiting: Vec<Waiter> = (0..WAITERS).filter_map(|_| tag_lock.clone().wait(None)).collect();
        assert!(tag_lock.clone().wait(None).is_none());
        let mut last = waiting.pop().unwrap();
        assert!(!last.is_done() && last.is_done());
        drop((last, waiting));
        assert_eq!(lock(&tag_lock.waiters).count, 0);
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
