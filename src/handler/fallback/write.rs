//! Writing a referrers tag: one `HEAD` and one `PUT`, and a look at what is there when somebody else wrote it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::{sync::OwnedMutexGuard, time::Instant};

use super::{PART, read::Found, send::Answer};
use crate::{
    error::Error,
    handler::{exchange::Hop, push::MAX_MANIFEST},
    oci::{Digest, Listed, ReferrersList},
    referrers::ManifestKey,
    step::step,
    store::{Holds, TagEnd, TagState, now_micros},
    turns::{Pace, Turn},
};

/// What became of the tag.
enum Written {
    /// It holds the list of this version, or less if something is left out of it for now.
    /// `judged`: of each of its entries the upstream said whether it is one.
    Holds { version: i64, tag: Option<Digest>, marked: bool, judged: bool, replaced: Option<Digest> },
    /// As it was: the upstream said no, for this reason.
    Refused(Error),
    /// Sent, without a definite answer.
    Unknown(Error),
}

/// What is left to do once the tag is written: the turn is over after that.
pub(super) struct After {
    subject: ManifestKey,
    replaced: Digest,
    until: i64,
    _turn: OwnedMutexGuard<()>,
}

impl Hop {
    /// Writes the tag in this turn. The error says why it is owed still.
    pub(super) async fn write(
        &self,
        caller: &HeaderMap,
        subject: &ManifestKey,
        turn: &Turn,
        taken: OwnedMutexGuard<()>,
    ) -> Result<Option<After>, Error> {
        let store = &self.handler.app.store;
        let (began, started) = (now_micros(), Instant::now());
        let leaving = turn.leaving();
        // What is leaving is on record until its delete has come through: a write without it is owed from before it is
        // sent, so that it is put back whatever becomes of both.
        let before = self.begin_tag(subject, self.settled_after(), !leaving.is_empty()).await?;
        step("tag-begun");
        if !leaving.is_empty() {
            // What was tried of this version no longer says that nothing is left to do for it.
            self.handler.app.turns.written.invalidate(subject);
        }
        // Sent earlier, it may still land after what is written now.
        let standing = before.unsettled_until.filter(|until| *until > began);
        let end = |holds, unsettled_until, over| TagEnd { holds, unsettled_until, over };
        match self.write_found(caller, subject, &before, &leaving).await {
            Ok(Written::Holds { version, tag, marked, judged, replaced }) => {
                let all = leaving.is_empty() && standing.is_none() && judged;
                // Known by its digest, it would not be read again, and the next write would leave out what isn't on record.
                let tag = tag.filter(|_| judged);
                let version = if all { version } else { before.tag_version.min(version - 1) };
                let replaced = replaced.filter(|_| standing.is_none() && self.deletes_replaced(subject));
                let holds = Some(Holds { version, tag, marked });
                let until = self.settled_after();
                let unsettled = if replaced.is_some() { Some(until) } else { standing };
                store.end_tag(subject, end(holds, unsettled, replaced.is_none())).await?;
                step("tag-recorded");
                let subject = subject.clone();
                Ok(replaced.map(|replaced| After { subject, replaced, until, _turn: taken }))
            }
            Ok(Written::Unknown(error)) => {
                store.end_tag(subject, end(None, Some(self.settled_after()), true)).await?;
                Err(error)
            }
            Ok(Written::Refused(error)) | Err(error) => {
                store.end_tag(subject, end(None, standing, true)).await?;
                self.tried_in_vain(subject, &error, !leaving.is_empty(), started).await;
                Err(error)
            }
        }
    }

    /// What would come to nothing for whoever comes next isn't tried again by each push: it costs as much as the list is long.
    async fn tried_in_vain(&self, subject: &ManifestKey, error: &Error, without_leaving: bool, started: Instant) {
        let app = &self.handler.app;
        let always = matches!(error, Error::TagForeign | Error::TagTooLarge);
        if always && let Ok(Some(state)) = app.store.tag(subject).await {
            let version = state.version - i64::from(without_leaving);
            app.turns.written.insert(subject.clone(), Pace::in_vain(version, started.elapsed()));
        }
    }

    /// An error is one of before anything was sent.
    async fn write_found(
        &self,
        caller: &HeaderMap,
        subject: &ManifestKey,
        before: &TagState,
        leaving: &[Digest],
    ) -> Result<Written, Error> {
        let found = self.find(caller, subject, before.tag.as_ref()).await?;
        let known = if let Found::Known(digest) = &found { Some(digest.clone()) } else { None };
        let mut undecided = Vec::new();
        let (current, marked) = match found {
            Found::Nothing => (None, false),
            Found::Known(digest) => (Some(digest), before.marked),
            Found::List(digest, list) => {
                let checked = self.check(caller, subject, &list).await?;
                if checked.is_foreign(&list) {
                    return Err(Error::TagForeign);
                }
                undecided = checked.undecided;
                // That took its time: the turn, and the time until which it is unsettled, begin anew.
                self.begin_tag(subject, self.settled_after(), !leaving.is_empty()).await?;
                (Some(digest), list.marked)
            }
            Found::Foreign => return Err(Error::TagForeign),
        };
        step("tag-found");
        let mut may_miss = true;
        loop {
            let (version, entries) = self.content(subject, leaving, &undecided).await?;
            if known.is_some() && self.handler.app.store.tag(subject).await?.and_then(|state| state.tag) != known {
                // Forgotten since: it names somebody who is being deleted, and whom nobody else might know of by then.
                return Ok(Written::Refused(Error::TagBusy));
            }
            let judged = undecided.is_empty();
            let holds = |tag, marked, replaced| Written::Holds { version, tag, marked, judged, replaced };
            let descriptors = entries.iter().map(|entry| &*entry.descriptor);
            let (digest, list) =
                ReferrersList::render(&subject.digest, descriptors, MAX_MANIFEST).ok_or(Error::TagTooLarge)?;
            if current.as_ref() == Some(&digest) {
                return Ok(holds(Some(digest), true, None));
            }
            if entries.is_empty() {
                let Some(current) = current else { return Ok(holds(None, false, None)) };
                return Ok(match self.remove(caller, subject, (&current, marked), (&digest, list)).await {
                    Ok(tag) => holds(tag, true, None),
                    Err(written) => written,
                });
            }
            let sent = Instant::now();
            // Those that are leaving may come back without another change.
            let tried = version - i64::from(!leaving.is_empty());
            let answer = self.put(caller, subject, list).await;
            step("tag-written");
            match answer {
                Answer::Done => {
                    let turns = &self.handler.app.turns;
                    turns.written.insert(subject.clone(), Pace::now(tried, entries.len(), sent.elapsed()));
                    turns.lists.insert(subject.sibling(digest.clone()), subject.digest.clone());
                    return Ok(holds(Some(digest), true, current.filter(|_| marked)));
                }
                Answer::No(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, said) if may_miss => {
                    may_miss = false;
                    if !self.miss(caller, subject, &entries, &mut undecided, &said).await? {
                        if entries.len() > PART {
                            // That may have been a question for each of them.
                            let pace = Pace::now(tried, entries.len(), sent.elapsed());
                            self.handler.app.turns.written.insert(subject.clone(), pace);
                        }
                        return Ok(Written::Refused(Error::TagRefused(StatusCode::BAD_REQUEST)));
                    }
                    // That took its time as well.
                    self.begin_tag(subject, self.settled_after(), !leaving.is_empty()).await?;
                }
                Answer::No(status, _) => return Ok(Written::Refused(Error::TagRefused(status))),
                Answer::Unknown(error) => return Ok(Written::Unknown(error)),
            }
        }
    }

    /// What the tag should hold, and of which version that is.
    pub(super) async fn content(
        &self,
        subject: &ManifestKey,
        leaving: &[Digest],
        undecided: &[Listed],
    ) -> Result<(i64, Vec<Listed>), Error> {
        let app = &self.handler.app;
        // The version first: what comes in between makes the tag newer than is written down, never older.
        let version = app.store.tag(subject).await?.map_or(0, |state| state.version);
        let alias = self.forms(subject).await.into_iter().nth(1).map(|form| form.digest);
        let without_subject = app.config.referrers.without_subject;
        let entries = app.store.entries(subject, alias.as_ref(), without_subject, MAX_LIST).await?;
        let mut entries = entries.ok_or(Error::TagTooLarge)?;
        let more = undecided.iter().filter(|one| entries.iter().all(|entry| entry.digest != one.digest));
        let more: Vec<Listed> = more.cloned().collect();
        entries.extend(more);
        entries.retain(|entry| !leaving.contains(&entry.digest));
        Ok((version, entries))
    }

    /// Nobody refers to the subject any more: the tag goes with its index, which is this subject's alone if it has the
    /// mark. Where nothing may be deleted, an empty list stays. Gives what the tag resolves to.
    async fn remove(
        &self,
        caller: &HeaderMap,
        subject: &ManifestKey,
        (current, marked): (&Digest, bool),
        (empty, list): (&Digest, Bytes),
    ) -> Result<Option<Digest>, Written> {
        if marked {
            let answer = self.delete_index(caller, &subject.sibling(current.clone())).await;
            step("tag-removed");
            match answer {
                Answer::Done => return Ok(None),
                Answer::No(..) => {}
                Answer::Unknown(error) => return Err(Written::Unknown(error)),
            }
        }
        match self.put(caller, subject, list).await {
            Answer::Done if marked => return Ok(Some(empty.clone())),
            Answer::Done => {}
            Answer::No(status, _) => return Err(Written::Refused(Error::TagRefused(status))),
            Answer::Unknown(error) => return Err(Written::Unknown(error)),
        }
        match self.delete_index(caller, &subject.sibling(empty.clone())).await {
            Answer::Done => Ok(None),
            Answer::No(..) => Ok(Some(empty.clone())),
            Answer::Unknown(error) => Err(Written::Unknown(error)),
        }
    }

    fn deletes_replaced(&self, subject: &ManifestKey) -> bool {
        !self.handler.app.turns.keep_replaced.contains_key(&subject.repository)
    }
}

/// More than what an index of 4 MiB is made from, if it can be made at all.
const MAX_LIST: usize = 16 << 20;

impl After {
    /// Deletes the index that was replaced, if these credentials may: every push would leave one behind.
    pub(super) async fn finish(self, hop: &Hop, caller: &HeaderMap) {
        let app = &hop.handler.app;
        let answer = hop.delete_index(caller, &self.subject.sibling(self.replaced)).await;
        step("tag-replaced");
        let unsettled_until = match answer {
            Answer::Done => None,
            Answer::No(status, _) => {
                tracing::debug!(%status, repository = %self.subject.repository, "replaced indexes stay");
                app.turns.keep_replaced.insert(self.subject.repository.clone(), ());
                None
            }
            // It may go on to delete an index of the same bytes that the tag has by then.
            Answer::Unknown(_) => Some(self.until),
        };
        let end = TagEnd { holds: None, unsettled_until, over: true };
        if let Err(error) = app.store.end_tag(&self.subject, end).await {
            tracing::warn!(%error, "a referrers tag stays unsettled for a while");
        }
    }
}
