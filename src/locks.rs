//! A lock for each key, which is there as long as somebody has it or waits for it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::sync::OwnedMutexGuard;

/// Locks by key, each with something beside it that is gone with the lock.
pub struct Locks<K: Hash + Eq, B = ()>(Arc<Keys<K, B>>);

type Keys<K, B> = Mutex<HashMap<K, Weak<KeyLock<K, B>>>>;

/// One key's lock.
pub struct KeyLock<K: Hash + Eq, B = ()> {
    keys: Arc<Keys<K, B>>,
    key: K,
    lock: Arc<tokio::sync::Mutex<()>>,
    /// What is kept beside it.
    pub beside: B,
}

/// Holds a lock until it is dropped.
pub struct Locked<K: Hash + Eq, B = ()> {
    _guard: OwnedMutexGuard<()>,
    /// Without it whoever comes next would find no lock, and make another.
    _lock: Arc<KeyLock<K, B>>,
}

impl<K: Hash + Eq, B> Default for Locks<K, B> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq + Clone, B: Default> Locks<K, B> {
    /// The lock of that key.
    pub fn of(&self, key: &K) -> Arc<KeyLock<K, B>> {
        let mut keys = lock(&self.0);
        if let Some(found) = keys.get(key).and_then(Weak::upgrade) {
            return found;
        }
        let made =
            Arc::new(KeyLock { keys: self.0.clone(), key: key.clone(), lock: Arc::default(), beside: B::default() });
        keys.insert(key.clone(), Arc::downgrade(&made));
        made
    }

    /// Waits for the lock of that key; those who came first go first.
    pub async fn lock(&self, key: &K) -> Locked<K, B> {
        let lock = self.of(key);
        let guard = lock.lock.clone().lock_owned().await;
        Locked { _guard: guard, _lock: lock }
    }
}

impl<K: Hash + Eq, B> Drop for KeyLock<K, B> {
    fn drop(&mut self) {
        let mut keys = lock(&self.keys);
        // Somebody may have made a new one since the last holder of this one let go.
        if keys.get(&self.key).is_some_and(|found| found.strong_count() == 0) {
            keys.remove(&self.key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds it can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn locks_are_one_for_a_key_and_gone_when_nobody_uses_them() {
        let locks: Locks<&str> = Locks::default();
        let held = locks.lock(&"a").await;
        let mut next = Box::pin(locks.lock(&"a"));
        assert!(poll!(&mut next).is_pending());
        assert!(poll!(Box::pin(locks.lock(&"b"))).is_ready());
        drop(held);
        let Poll::Ready(held) = poll!(&mut next) else { panic!("it is free") };
        assert!(poll!(Box::pin(locks.lock(&"a"))).is_pending());
        drop((held, next));
        assert!(lock(&locks.0).is_empty());
    }
}
