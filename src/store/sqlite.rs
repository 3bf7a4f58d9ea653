//! The store in a SQLite file: one writer thread that commits what waits together, one reading connection a thread.

mod aliases;
mod changes;
mod known;
mod late;
mod open;
mod reads;
mod relation_tags;
mod tags;
mod writer;

use std::{
    cell::RefCell,
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;
use thread_local::ThreadLocal;

use super::{
    Applied, Attempt, AttemptId, Basis, Close, Finding, Holds, Known, OpenError, Orphan, Owed, Seen, Store, StoreError,
    TagEnd, TagSeen, TagState, TagVerdict, Verdict, now_micros,
};
use crate::{
    oci::{Digest, Listed, Repository},
    referrers::{Alias, ManifestKey, Page, Pushed, Query, RelationTag},
};
use writer::{Durability, Writer};

/// Who opens a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFor {
    /// `backref serve`: the only one on this file, so that every attempt it finds there is an orphan.
    Serving,
    /// A command, beside a running `serve` or alone.
    Command,
}

/// How often it is looked up whether a manifest has two forms by now, in microseconds.
const ALIASED: i64 = 1_000_000;

/// A store in a SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    /// Names this process in its attempts.
    owner: Arc<str>,
    readers: ThreadLocal<RefCell<Connection>>,
    writer: Writer,
    /// Whether any manifest ever had two forms: where none had, pulls need not ask.
    aliased: AtomicBool,
    /// When that was last looked up: a command beside a running `serve` may write the first.
    aliased_at: AtomicI64,
    /// Held, not read: the lock goes with it, last.
    _serving: Option<File>,
}

impl SqliteStore {
    /// Opens or makes the file. What is no store of backref's, or a newer one's, is refused and left as it is.
    pub fn open(path: &Path, purpose: OpenFor) -> Result<Self, OpenError> {
        // First of all, so that nothing is left beside a file that is refused.
        open::inspect(path)?;
        let serving = (purpose == OpenFor::Serving).then(|| open::lock(path)).transpose()?;
        let connection = open::open(path, purpose)?;
        let aliased = aliases::any(&connection).map_err(|error| open::unusable(path, error))?;
        Ok(Self {
            aliased: AtomicBool::new(aliased),
            aliased_at: AtomicI64::new(now_micros()),
            path: path.to_owned(),
            owner: open::owner(purpose).into(),
            writer: Writer::start(connection, path)?,
            readers: ThreadLocal::new(),
            _serving: serving,
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let open = || {
            let reader = open::reader(&self.path)?;
            // Another file at the path is not what the others read.
            self.writer.check_file()?;
            Ok::<_, StoreError>(RefCell::new(reader))
        };
        let reader = self.readers.get_or_try(open)?;
        Ok(read(&reader.borrow())?)
    }

    /// The same, where nothing is found as long as no manifest has two forms.
    fn read_aliases<T: Default>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        if self.is_aliased() { self.read(read) } else { Ok(T::default()) }
    }

    /// What another process wrote is noticed within [`ALIASED`]: until then it is found in the upstream, as when the
    /// store is lost. To ask SQLite each time whether others wrote would cost every pull what is to be saved here.
    fn is_aliased(&self) -> bool {
        let known = self.aliased.load(Ordering::Relaxed);
        let now = now_micros();
        if known || now - self.aliased_at.load(Ordering::Relaxed) < ALIASED {
            return known;
        }
        self.aliased_at.store(now, Ordering::Relaxed);
        // What can't be read now is looked up again: pulls go on without the store.
        let any = self.read(aliases::any).unwrap_or_default();
        self.aliased.fetch_or(any, Ordering::Relaxed);
        any
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn prepare_thread(&self) -> Result<(), StoreError> {
        self.read(|_| Ok(()))
    }

    async fn begin(&self, attempt: &Attempt) -> Result<Seen, StoreError> {
        let (attempt, owner) = (attempt.clone(), self.owner.clone());
        let work = move |db: &Connection| changes::begin(db, &attempt, &owner, now_micros());
        self.writer.write(Durability::Process, work).await
    }

    async fn drop_attempt(&self, id: AttemptId) -> Result<(), StoreError> {
        self.writer.write(Durability::Process, move |db| changes::drop_attempt(db, id)).await
    }

    async fn release(&self, id: AttemptId) -> Result<(), StoreError> {
        self.writer.write(Durability::Process, move |db| changes::release(db, id)).await
    }

    async fn look(&self, key: &ManifestKey) -> Result<Seen, StoreError> {
        self.read(|db| reads::look(db, key, None))
    }

    async fn look_at_tag(&self, key: &ManifestKey, tag: &str) -> Result<TagSeen, StoreError> {
        self.read(|db| relation_tags::look(db, key, tag, None))
    }

    async fn apply(
        &self,
        key: &ManifestKey,
        verdict: Verdict,
        basis: Basis,
        close: Close,
    ) -> Result<Applied, StoreError> {
        if matches!(&verdict, Verdict::Held(relation) if relation.pushed.is_some()) {
            self.aliased.store(true, Ordering::Relaxed);
        }
        let key = key.clone();
        let work = move |db: &Connection| changes::apply(db, &key, &verdict, basis, close, now_micros());
        self.writer.write(Durability::Disk, work).await
    }

    async fn apply_all(&self, findings: Vec<Finding>) -> Result<Vec<Applied>, StoreError> {
        let aliased = |finding: &Finding| matches!(&finding.verdict, Verdict::Held(held) if held.pushed.is_some());
        if findings.iter().any(aliased) {
            self.aliased.store(true, Ordering::Relaxed);
        }
        let work = move |db: &Connection| {
            let now = now_micros();
            let apply = |one: &Finding| changes::apply(db, &one.key, &one.verdict, one.basis, Close::Nothing, now);
            findings.iter().map(apply).collect()
        };
        self.writer.write(Durability::Disk, work).await
    }

    async fn apply_tag(
        &self,
        key: &ManifestKey,
        tag: &RelationTag,
        verdict: TagVerdict,
        basis: Basis,
        close: Close,
    ) -> Result<Applied, StoreError> {
        if matches!(&verdict, TagVerdict::On(relation) if relation.pushed.is_some()) {
            self.aliased.store(true, Ordering::Relaxed);
        }
        let (key, tag) = (key.clone(), tag.clone());
        let work = move |db: &Connection| relation_tags::apply(db, &key, &tag, &verdict, basis, close, now_micros());
        self.writer.write(Durability::Disk, work).await
    }

    async fn keep(&self, carrier: &ManifestKey, pushed: Pushed) -> Result<(), StoreError> {
        self.aliased.store(true, Ordering::Relaxed);
        let key = carrier.clone();
        self.writer.write(Durability::Disk, move |db| aliases::keep(db, &key, &pushed)).await
    }

    async fn alias(&self, key: &ManifestKey) -> Result<Option<Alias>, StoreError> {
        self.read_aliases(|db| aliases::alias(db, key))
    }

    async fn original(&self, original: &ManifestKey) -> Result<Option<Bytes>, StoreError> {
        self.read_aliases(|db| aliases::original(db, original))
    }

    async fn has_aliases(&self, upstream: &str, repository: &Repository) -> Result<bool, StoreError> {
        self.read_aliases(|db| aliases::has_aliases(db, upstream, repository))
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.read(|db| reads::list(db, query))
    }

    async fn subjects(&self, referrer: &ManifestKey) -> Result<Vec<Digest>, StoreError> {
        self.read(|db| tags::subjects(db, referrer))
    }

    async fn is_listed(&self, subject: &[ManifestKey], referrer: &Digest) -> Result<bool, StoreError> {
        self.read(|db| subject.iter().try_fold(false, |found, form| Ok(found || tags::is_listed(db, form, referrer)?)))
    }

    async fn tag(&self, subject: &ManifestKey) -> Result<Option<TagState>, StoreError> {
        self.read(|db| tags::tag(db, subject))
    }

    async fn begin_tag(
        &self,
        subject: &ManifestKey,
        until: i64,
        may_lack: bool,
    ) -> Result<Option<TagState>, StoreError> {
        let (subject, owner) = (subject.clone(), self.owner.clone());
        let work = move |db: &Connection| tags::begin(db, &subject, &owner, (until, may_lack), now_micros());
        self.writer.write(Durability::Disk, work).await
    }

    async fn end_tag(&self, subject: &ManifestKey, end: TagEnd) -> Result<(), StoreError> {
        let (subject, owner) = (subject.clone(), self.owner.clone());
        let work = move |db: &Connection| tags::end(db, &subject, &end, &owner, now_micros());
        self.writer.write(Durability::Disk, work).await
    }

    async fn see_tag(&self, subject: &ManifestKey, holds: Holds) -> Result<(), StoreError> {
        let (subject, owner) = (subject.clone(), self.owner.clone());
        let work = move |db: &Connection| tags::see(db, &subject, &holds, &owner, now_micros());
        self.writer.write(Durability::Disk, work).await
    }

    async fn forget_tag(&self, subject: &ManifestKey) -> Result<(), StoreError> {
        let subject = subject.clone();
        self.writer.write(Durability::Disk, move |db| tags::forget(db, &subject)).await
    }

    async fn entries(
        &self,
        subject: &ManifestKey,
        alias: Option<&Digest>,
        without_subject: bool,
        max_bytes: usize,
    ) -> Result<Option<Vec<Listed>>, StoreError> {
        self.read(|db| tags::entries(db, subject, alias, without_subject, max_bytes))
    }

    async fn tagged(&self, index: &ManifestKey) -> Result<Option<Digest>, StoreError> {
        self.read(|db| tags::tagged(db, index))
    }

    async fn owed(&self, upstream: &str) -> Result<Owed, StoreError> {
        self.read(|db| tags::owed(db, upstream))
    }

    async fn repositories(&self, upstream: &str) -> Result<Vec<Repository>, StoreError> {
        self.read(|db| known::repositories(db, upstream))
    }

    async fn known(
        &self,
        upstream: &str,
        repository: &Repository,
        what: Known,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<Digest>, StoreError> {
        self.read(|db| known::known(db, upstream, repository, what, after, limit))
    }

    async fn recorded(&self, subject: &ManifestKey, limit: usize) -> Result<Vec<Digest>, StoreError> {
        self.read(|db| reads::recorded(db, subject, limit))
    }

    async fn stated(&self, subject: &ManifestKey, limit: usize) -> Result<Vec<Digest>, StoreError> {
        self.read(|db| reads::stated(db, subject, limit))
    }

    async fn orphans(&self, subject: &ManifestKey, limit: usize) -> Result<Vec<Orphan>, StoreError> {
        self.read(|db| reads::orphans(db, subject, limit, now_micros()))
    }

    async fn learned(&self, upstream: &str) -> Result<Option<String>, StoreError> {
        self.read(|db| reads::learned(db, upstream))
    }

    async fn learn(&self, upstream: &str, learned: String) -> Result<(), StoreError> {
        let upstream = upstream.to_owned();
        self.writer.write(Durability::Disk, move |db| changes::learn(db, &upstream, &learned)).await
    }

    async fn check(&self, upstream: &str) -> Result<(), StoreError> {
        let upstream = upstream.to_owned();
        self.writer.write(Durability::Process, move |db| changes::check(db, &upstream, now_micros())).await
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}
