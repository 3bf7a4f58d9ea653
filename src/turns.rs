//! Turns: in this process, one at a time writes or reads a subject's referrers tag. What whoever waits wants written is
//! mostly there when its turn comes, so that many pushes cost the upstream few writes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use moka::sync::Cache;
use tokio::{sync::OwnedMutexGuard, time::Instant};

use crate::{
    oci::{Digest, Repository},
    referrers::ManifestKey,
};

/// The turns of all subjects, and what was seen of their tags just now.
pub struct Turns {
    subjects: Arc<Subjects>,
    /// Tags that were written just now, or can't be: the next write of a long one waits for more to write.
    pub written: Cache<ManifestKey, Pace>,
    /// Subjects whose tag need not be read again yet: also those that have none.
    pub checked: Cache<ManifestKey, ()>,
    /// Indexes that referrers tags resolved to not long ago, and whose lists they were.
    pub lists: Cache<ManifestKey, Digest>,
    /// Repositories whose replaced indexes could not be deleted not long ago.
    pub keep_replaced: Cache<Repository, ()>,
}

type Subjects = Mutex<HashMap<ManifestKey, Weak<Turn>>>;

/// One subject's.
pub struct Turn {
    subjects: Arc<Subjects>,
    key: ManifestKey,
    lock: Arc<tokio::sync::Mutex<()>>,
    leaving: Mutex<Vec<Digest>>,
    pending: Mutex<Crowd>,
}

/// How many of those who pushed wait at most to write one subject's tag, with their credentials.
const PENDING: usize = 64;

/// How many subjects are remembered, of each kind.
const REMEMBERED: u64 = 100_000;

/// How a tag was written last, and what that means for the next time.
#[derive(Clone, Copy)]
pub struct Pace {
    /// Of which version all was tried that could be done about it.
    pub version: i64,
    /// How many entries it had.
    pub entries: usize,
    /// When the next one is due, whatever there is to write.
    pub again: Instant,
}

impl Pace {
    /// After a write that took that long, and is over now.
    pub fn now(version: i64, entries: usize, took: Duration) -> Self {
        Self { version, entries, again: Instant::now() + (SHARE * took).clamp(SPACING, LONGEST) }
    }

    /// After one that came to nothing, as it would with any other content, and any other caller's credentials.
    pub fn in_vain(version: i64, took: Duration) -> Self {
        Self::now(version, usize::MAX, took)
    }

    /// It was in vain, not long ago.
    pub fn is_in_vain(&self) -> bool {
        self.entries == usize::MAX && Instant::now() < self.again
    }

    /// Nothing more can be done about that version now.
    pub fn has_tried(&self, version: i64) -> bool {
        version <= self.version && Instant::now() < self.again
    }
}

/// How long the next write of a long list waits for more to write: at least so long, and so many times as long as the
/// last one took, which bounds the share of the upstream's time that one list can take.
const SPACING: Duration = Duration::from_secs(1);
const SHARE: u32 = 4;
/// But no longer than whoever pushed may be expected to stand by it: their credentials wait as well.
const LONGEST: Duration = Duration::from_secs(30);

/// How long an index counts as one that a tag had.
const LISTS: Duration = Duration::from_mins(10);

impl Turns {
    /// `recheck`: for how long a tag that was read need not be read again.
    pub fn new(recheck: Duration) -> Self {
        fn cache<K: std::hash::Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>(
            time: Duration,
        ) -> Cache<K, V> {
            Cache::builder().max_capacity(REMEMBERED).time_to_live(time).build()
        }
        Self {
            subjects: Arc::default(),
            written: cache(LISTS),
            checked: cache(recheck),
            lists: cache(LISTS),
            keep_replaced: cache(LISTS),
        }
    }

    /// The turn of a subject.
    pub fn of(&self, subject: &ManifestKey) -> Arc<Turn> {
        let mut subjects = lock(&self.subjects);
        if let Some(turn) = subjects.get(subject).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn {
            subjects: self.subjects.clone(),
            key: subject.clone(),
            lock: Arc::default(),
            leaving: Mutex::default(),
            pending: Mutex::default(),
        });
        subjects.insert(subject.clone(), Arc::downgrade(&turn));
        turn
    }
}

impl Turn {
    /// Waits for it; those who came first go first.
    pub async fn take(&self) -> OwnedMutexGuard<()> {
        self.lock.clone().lock_owned().await
    }

    /// A place among those who will write the tag; `None`: enough are there, and whoever of them is through last writes for
    /// this one too.
    pub fn enlist(self: Arc<Self>) -> Option<Pending> {
        let mut crowd = lock(&self.pending);
        if crowd.count == PENDING {
            crowd.left_to_them = true;
            return None;
        }
        crowd.count += 1;
        drop(crowd);
        Some(Pending { turn: self, over: false })
    }

    /// Referrers that are being deleted: until that is over, the tag is written without them.
    pub fn leaving(&self) -> Vec<Digest> {
        lock(&self.leaving).clone()
    }

    /// Keeps a referrer out of the tag until what this gives is dropped.
    pub fn leave(self: Arc<Self>, referrer: Digest) -> Leaving {
        lock(&self.leaving).push(referrer.clone());
        Leaving { turn: self, referrer }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut subjects = lock(&self.subjects);
        // Somebody may have made a new one since the last holder of this one let go.
        if subjects.get(&self.key).is_some_and(|turn| turn.strong_count() == 0) {
            subjects.remove(&self.key);
        }
    }
}

/// Those who will write a tag.
#[derive(Default)]
struct Crowd {
    count: usize,
    /// Somebody found enough of them there.
    left_to_them: bool,
}

/// One of those who will write a tag.
pub struct Pending {
    turn: Arc<Turn>,
    over: bool,
}

impl Pending {
    /// Through with it, unless somebody left more to them meanwhile: both in one step, or the last could miss it.
    pub fn is_over(&mut self) -> bool {
        let mut crowd = lock(&self.turn.pending);
        if std::mem::take(&mut crowd.left_to_them) {
            return false;
        }
        crowd.count -= 1;
        self.over = true;
        true
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.over {
            lock(&self.turn.pending).count -= 1;
        }
    }
}

/// A referrer that stays out of its subject's tag as long as this is there.
pub struct Leaving {
    /// The subject's turn.
    pub turn: Arc<Turn>,
    referrer: Digest,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut leaving = lock(&self.turn.leaving);
        if let Some(at) = leaving.iter().position(|one| *one == self.referrer) {
            leaving.swap_remove(at);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> ManifestKey {
        let digest = Digest::parse("blake3:00").unwrap();
        ManifestKey { upstream: "up".into(), repository: Repository::parse("a").unwrap(), digest }
    }

    #[tokio::test]
    async fn a_subject_has_one_turn_as_long_as_somebody_holds_it() {
        let turns = Turns::new(Duration::from_secs(1));
        let turn = turns.of(&subject());
        assert!(Arc::ptr_eq(&turn, &turns.of(&subject())));
        let held = turn.take().await;
        assert!(turns.of(&subject()).lock.try_lock().is_err());
        drop((held, turn));
        assert!(lock(&turns.subjects).is_empty());
    }

    #[test]
    fn few_wait_and_the_last_of_them_hears_what_was_left_to_them() {
        let turn = Turns::new(Duration::from_secs(1)).of(&subject());
        let mut waiting: Vec<Pending> = (0..PENDING).filter_map(|_| turn.clone().enlist()).collect();
        assert!(turn.clone().enlist().is_none());
        let mut last = waiting.pop().unwrap();
        assert!(!last.is_over() && last.is_over());
        drop((last, waiting));
        assert_eq!(lock(&turn.pending).count, 0);
    }

    #[test]
    fn what_is_leaving_is_out_as_long_as_it_is() {
        let turns = Turns::new(Duration::from_secs(1));
        let turn = turns.of(&subject());
        let digest = subject().digest;
        let (one, two) = (turn.clone().leave(digest.clone()), turn.clone().leave(digest.clone()));
        drop(one);
        assert_eq!(turn.leaving(), [digest]);
        drop(two);
        assert!(turn.leaving().is_empty());
    }
}
