//! The one thread that writes. It takes all that waits into one transaction: many pushes, one sync.

use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{clock::now, files::OpenFiles};
use crate::{
    step::step,
    store::{StoreError, StoreTime},
};

/// What a change has to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Durability {
    /// The end of this process.
    Process,
    /// A power cut.
    Disk,
}

/// How many changes one transaction takes at most, and how many may wait; beyond, callers wait to hand theirs over.
const GROUP: usize = 128;

type Run = Box<dyn FnOnce(Option<&Connection>) -> (bool, Finish) + Send>;
type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

struct Job {
    durability: Durability,
    /// Runs inside the transaction, if there is one; says whether it went well, and gives what to call with the
    /// commit's outcome.
    run: Run,
}

/// Hands changes to the writing thread. Dropped, it waits until that has done what it was given and closed the file.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(db: Connection, files: OpenFiles) -> std::io::Result<Self> {
        let (sender, jobs) = mpsc::channel(GROUP);
        let writing = Writing { db, files, synced: None };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writing.run(jobs))?;
        Ok(Self { jobs: Some(sender), thread: Some(thread) })
    }

    /// Runs `work` in a transaction, at the time that it is given; answers once that is committed as `durability` asks.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection, StoreTime) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let run = move |db: Option<&Connection>| {
            let result = db.map(|db| work(db, now()));
            let well = matches!(result, Some(Ok(_)));
            let finish = move |commit: Result<(), StoreError>| {
                let answer = commit.and_then(|()| result.map_or(Err(StoreError::Closed), |result| Ok(result?)));
                // Whoever asked may have gone; the change stands all the same.
                drop(reply.send(answer));
            };
            (well, Box::new(finish) as Finish)
        };
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(Job { durability, run: Box::new(run) }).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the store's thread ended by a panic");
        }
    }
}

struct Writing {
    db: Connection,
    files: OpenFiles,
    synced: Option<Durability>,
}

impl Writing {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
            let durability = group.iter().map(|job| job.durability).max().unwrap_or(Durability::Disk);
            let mut finishes = Vec::with_capacity(group.len());
            let outcome = self.transact(durability, group.drain(..), &mut finishes);
            for finish in finishes {
                finish(outcome.clone());
            }
        }
    }

    /// One transaction over the group. A job that fails is undone alone; an error here undoes them all.
    fn transact(
        &mut self,
        durability: Durability,
        group: impl Iterator<Item = Job>,
        finishes: &mut Vec<Finish>,
    ) -> Result<(), StoreError> {
        let mut outcome = self.begin(durability);
        for job in group {
            outcome = outcome.and_then(|()| self.batch("SAVEPOINT job"));
            let (well, finish) = (job.run)(outcome.is_ok().then_some(&self.db));
            let end = if well { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
            outcome = outcome.and_then(|()| self.batch(end));
            finishes.push(finish);
        }
        let outcome = outcome.and_then(|()| self.commit());
        if outcome.is_err() && !self.db.is_autocommit() {
            // Nothing to do about a rollback that fails: the next BEGIN says so.
            drop(self.batch("ROLLBACK"));
        }
        outcome
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        Ok(self.db.execute_batch(sql)?)
    }

    fn begin(&mut self, durability: Durability) -> Result<(), StoreError> {
        if self.synced != Some(durability) {
            let level = if durability == Durability::Disk { "FULL" } else { "NORMAL" };
            self.db.pragma_update(None, "synchronous", level)?;
            self.synced = Some(durability);
        }
        self.batch("BEGIN IMMEDIATE")
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.files.check()?;
        step("commit-due");
        self.batch("COMMIT")?;
        step("committed");
        Ok(())
    }
}
