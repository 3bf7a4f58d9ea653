//! The referrers tag of a subject, kept up to date with the credentials of whoever pushes, so that clients that go around
//! backref see the same list, and so that the list can be made anew without the store. ARCHITECTURE.md's "The referrers
//! tag" has the rules.

mod absent;
mod absorb;
mod compare;
mod import;
mod leave;
mod read;
mod send;
mod write;

pub use compare::{Difference, What};
pub(super) use read::refusal;
use write::After;

use std::time::Duration;

use http::HeaderMap;
use tokio::{sync::oneshot, time::Instant};

use super::{evidence::micros, exchange::Hop};
use crate::{
    config,
    error::Error,
    oci::ReferrersTag,
    referrers::ManifestKey,
    store::{TagState, now_micros},
    upstream::{headers, reference_uri},
};

/// How long a push waits for its tags. After that it is answered: the tag is owed, and written all the same.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often another process's turn is asked about.
const POLL: Duration = Duration::from_millis(20);

/// Of a list that was written just now, the next write waits until this part of it has changed, or for a while: many
/// pushes to one subject would cost the upstream the square of their number.
const PART: usize = 32;

impl Hop {
    pub(super) fn keeps_tags(&self) -> bool {
        self.handler.app.config.referrers.tag == config::ReferrersTagMode::Write
    }

    /// Has the tags of a subject, in both its forms, say what is on record. What can't be written now is owed: the store
    /// says so.
    pub(super) async fn maintain(&self, caller: &HeaderMap, subject: &ManifestKey) {
        if !self.keeps_tags() {
            return;
        }
        let mut owed = Vec::new();
        for subject in self.forms(subject).await {
            // What can't be read now is found owed by the next push.
            if let Ok(Some(state)) = self.handler.app.store.tag(&subject).await {
                owed.push((subject, state));
            }
        }
        if owed.is_empty() {
            return;
        }
        // The turns of both are held at once: in one order for all, or two would wait for each other.
        owed.sort_by(|(one, _), (other, _)| one.digest.cmp(&other.digest));
        let waits_until = owed.iter().map(|(subject, state)| self.due(subject, state)).min().flatten();
        let Some(mut pending) = self.handler.app.turns.of(&owed[0].0).enlist() else { return };
        let mut owed: Vec<_> = owed.into_iter().map(|(subject, state)| (subject, state.version)).collect();
        let (done, wait) = oneshot::channel::<()>();
        let (hop, caller) = (self.clone(), headers::on_behalf(caller));
        self.handler.app.tasks.spawn(async move {
            if let Some(due) = waits_until {
                tokio::time::sleep_until(due).await;
            }
            let mut done = Some(done);
            loop {
                let mut paid = Vec::new();
                for (subject, version) in &owed {
                    match hop.pay(&caller, subject, *version).await {
                        Ok(after) => paid.extend(after),
                        Err(error) => {
                            let (repository, digest) = (&subject.repository, &subject.digest);
                            tracing::info!(%error, %repository, subject = %digest, "its referrers tag is owed");
                        }
                    }
                }
                // The tags have it: who pushed need not wait for what is left to do.
                drop(done.take());
                for after in paid {
                    after.finish(&hop, &caller).await;
                }
                if pending.is_over() {
                    break;
                }
                for (subject, version) in &mut owed {
                    if let Ok(Some(state)) = hop.handler.app.store.tag(subject).await {
                        *version = state.version;
                    }
                }
            }
        });
        if waits_until.is_none() {
            // Done, or given up: whoever wrote has said why. Or late: it goes on.
            drop(tokio::time::timeout(PATIENCE, wait).await);
        }
    }

    /// When the tag is to be written; `None`: at once. A long one that was written just now waits, and one that can't be.
    fn due(&self, subject: &ManifestKey, state: &TagState) -> Option<Instant> {
        let written = self.handler.app.turns.written.get(subject)?;
        // Not since `tag_version`: that stands still while the tag can't have all of a version.
        let changed = usize::try_from(state.version - written.version).unwrap_or_default().max(1);
        Some(written.again).filter(|again| changed <= written.entries / PART && Instant::now() < *again)
    }

    /// Writes the tag if it is owed, all of it, and waits for that. `false`: it was written, but something that was sent
    /// earlier may still change it. The error says why it is owed still.
    pub(super) async fn pay_now(&self, caller: &HeaderMap, subject: &ManifestKey) -> Result<bool, Error> {
        let store = &self.handler.app.store;
        let Some(before) = store.tag(subject).await? else { return Ok(true) };
        let paid = self.pay(caller, subject, before.version).await;
        let busy = matches!(paid, Err(Error::TagBusy));
        match paid {
            Ok(Some(after)) => after.finish(self, caller).await,
            Ok(None) | Err(Error::TagBusy) => {}
            Err(error) => return Err(error),
        }
        let has_it = store.tag(subject).await?.is_none_or(|state| state.tag_version >= before.version);
        // Whoever had the turn may have written all of it.
        if busy && !has_it { Err(Error::TagBusy) } else { Ok(has_it) }
    }

    /// Writes the tag, unless it has all of that version by now. The error says why it is still owed.
    async fn pay(&self, caller: &HeaderMap, subject: &ManifestKey, version: i64) -> Result<Option<After>, Error> {
        let turn = self.handler.app.turns.of(subject);
        let taken = turn.take().await;
        // Whoever had the turn before found that there is no more to be done: those who waited needn't find out again.
        if self.handler.app.turns.written.get(subject).is_some_and(|pace| pace.has_tried(version)) {
            return Ok(None);
        }
        match self.handler.app.store.tag(subject).await? {
            Some(state) if state.tag_version < version => self.write(caller, subject, &turn, taken).await,
            _ => Ok(None),
        }
    }

    /// Takes the turn from other processes as well: commands write tags beside `serve`.
    async fn begin_tag(&self, subject: &ManifestKey, until: i64, may_lack: bool) -> Result<TagState, Error> {
        let waiting = async {
            loop {
                if let Some(state) = self.handler.app.store.begin_tag(subject, until, may_lack).await? {
                    return Ok(state);
                }
                // Another process gives no sign when it is done.
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or(Err(Error::TagBusy))
    }

    /// A manifest under each of its digests.
    pub(super) async fn forms(&self, key: &ManifestKey) -> Vec<ManifestKey> {
        // What can't be read now is asked for again by the next push; the tag of this form is written.
        self.forms_on_record(key).await.unwrap_or_else(|_| vec![key.clone()])
    }

    /// Until when what is sent now may still be carried out.
    fn settled_after(&self) -> i64 {
        now_micros() + micros(self.longest())
    }
}

fn tag_uri(subject: &ManifestKey) -> http::Uri {
    reference_uri(&subject.repository, &ReferrersTag::from(&subject.digest))
}
