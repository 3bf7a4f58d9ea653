//! Writing a referrers tag: one `HEAD` and one `PUT`, and a look at what is there when somebody else wrote it.

use bytes::Bytes;
use http::StatusCode;
use tokio::time::Instant;

use super::{
    backoff::{Backoff, PART},
    keeper::ReferrersTags,
    lock::Locked,
    read::{Found, find},
    send::{Answer, delete, put},
};
use crate::{
    error::Error,
    oci::Digest,
    referrers::ManifestKey,
    step::step,
    store::{TagHolds, TagOutcome, TagState, Until},
    upstream::Registry,
};

/// What became of the tag.
enum Written {
    /// It holds the list of this version, or less if something is left out of it for now.
    /// `judged`: of each of its entries the upstream said whether it is one.
    Holds { version: i64, index: Option<Digest>, marked: bool, judged: bool, replaced: Option<Digest> },
    /// As it was: the upstream said no, for this reason.
    Refused(Error),
    /// Sent, without a definite answer.
    Unknown(Error),
}

/// The index that was replaced: it is left to delete once the tag is written, while the lock is still held.
pub(super) struct Replaced {
    subject: ManifestKey,
    index: Digest,
}

impl ReferrersTags {
    /// Writes the tag, holding its lock. `without`: a referrer that is left out, since it is about to be deleted. The error
    /// says why the tag stays stale.
    pub(super) async fn write(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        without: Option<&Digest>,
        _: &Locked,
    ) -> Result<Option<Replaced>, Error> {
        let started = Instant::now();
        // A write that lacks a listed row makes the tag stale before it is sent, so that the row is put back whatever
        // becomes of both.
        let before = self.lease(registry, subject, without.is_some()).await?;
        step("tag-begun");
        if without.is_some() {
            // What was tried of this version no longer says that nothing is left to do for it.
            self.backoff.invalidate(subject);
        }
        // Sent earlier, it may still land after what is written now.
        let standing = before.standing().map(Until::At);
        let outcome = |holds, unsettled, release| TagOutcome { holds, undo: None, unsettled, release };
        match self.write_found(registry, subject, &before, without).await {
            Ok(Written::Holds { version, index, marked, judged, replaced }) => {
                let all = without.is_none() && standing.is_none() && judged;
                // Known by its digest, it would not be read again, and the next write would leave out what has no row.
                let index = index.filter(|_| judged);
                let version = if all { version } else { before.tag_version.min(version - 1) };
                let replaced = replaced.filter(|_| standing.is_none() && self.deletes_replaced(subject));
                let holds = Some(TagHolds { version, index, marked });
                let unsettled =
                    if replaced.is_some() { Some(Until::In(registry.upstream().longest())) } else { standing };
                self.store.end_tag(subject, outcome(holds, unsettled, replaced.is_none())).await?;
                step("tag-recorded");
                let subject = subject.clone();
                Ok(replaced.map(|index| Replaced { subject, index }))
            }
            Ok(Written::Unknown(error)) => {
                let until = Until::In(registry.upstream().longest());
                self.store.end_tag(subject, outcome(None, Some(until), true)).await?;
                Err(error)
            }
            // Whatever was sent was refused: the tag is as it was, and a caller who may not write leaves no trace.
            Ok(Written::Refused(error)) | Err(error) => {
                let undo = without.is_some().then_some(before);
                self.store.end_tag(subject, TagOutcome { undo, ..outcome(None, standing, true) }).await?;
                self.remember_futile(subject, &error, without.is_some(), started).await;
                Err(error)
            }
        }
    }

    /// What would come to nothing for whoever comes next isn't tried again by each push: it costs as much as the list is
    /// long.
    async fn remember_futile(&self, subject: &ManifestKey, error: &Error, lacks_a_row: bool, started: Instant) {
        let always = matches!(error, Error::TagForeign | Error::TagTooLarge);
        if always && let Ok(Some(state)) = self.store.tag(subject).await {
            let version = state.version - i64::from(lacks_a_row);
            self.backoff.insert(subject.clone(), Backoff::futile(version, started.elapsed()));
        }
    }

    /// An error is one of before anything was sent.
    async fn write_found(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        before: &TagState,
        without: Option<&Digest>,
    ) -> Result<Written, Error> {
        let found = find(self, registry, subject, before.index.as_ref()).await?;
        let known = if let Found::Known(digest) = &found { Some(digest.clone()) } else { None };
        let mut as_found = Vec::new();
        let (current, marked) = match found {
            Found::Nothing => (None, false),
            Found::Known(digest) => (Some(digest), before.marked),
            Found::List(digest, list) => {
                let checked = self.check(registry, subject, &list).await?;
                if checked.is_foreign(&list) {
                    return Err(Error::TagForeign);
                }
                as_found = checked.as_found;
                // That took its time: the lease, and the time until which the tag is unsettled, begin anew.
                self.lease(registry, subject, without.is_some()).await?;
                (Some(digest), list.marked)
            }
            Found::Foreign(_) => return Err(Error::TagForeign),
        };
        step("tag-found");
        let mut may_miss = true;
        loop {
            let mut content = self.content(registry, subject, &as_found).await?;
            content.entries.retain(|entry| Some(&entry.digest) != without);
            if known.is_some() && self.store.tag(subject).await?.and_then(|state| state.index) != known {
                // Forgotten since: it names somebody who was deleted, and whom nobody else might know of by then.
                return Ok(Written::Refused(Error::TagBusy));
            }
            let (version, judged) = (content.version, as_found.is_empty());
            let holds = |index, marked, replaced| Written::Holds { version, index, marked, judged, replaced };
            let (digest, index) = content.render(subject).ok_or(Error::TagTooLarge)?;
            if current.as_ref() == Some(&digest) {
                return Ok(holds(Some(digest), true, None));
            }
            if content.entries.is_empty() {
                let Some(current) = current else { return Ok(holds(None, false, None)) };
                return Ok(match remove_or_empty(registry, subject, (&current, marked), (&digest, index)).await {
                    Ok(index) => holds(index, true, None),
                    Err(written) => written,
                });
            }
            let sent = Instant::now();
            // What is left out now may come back without another change of the set.
            let tried = version - i64::from(without.is_some());
            let answer = put(registry, subject, index).await;
            step("tag-written");
            match answer {
                Answer::Done => {
                    self.backoff.insert(subject.clone(), Backoff::after(tried, content.entries.len(), sent.elapsed()));
                    self.indexes.insert(subject.sibling(digest.clone()), subject.digest.clone());
                    return Ok(holds(Some(digest), true, current.filter(|_| marked)));
                }
                Answer::No(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, said) if may_miss => {
                    may_miss = false;
                    if !self.miss(registry, subject, &content.entries, &mut as_found, &said).await? {
                        if content.entries.len() > PART {
                            // That may have been a question for each of them.
                            let backoff = Backoff::after(tried, content.entries.len(), sent.elapsed());
                            self.backoff.insert(subject.clone(), backoff);
                        }
                        return Ok(Written::Refused(Error::TagRefused(StatusCode::BAD_REQUEST)));
                    }
                    // That took its time as well.
                    self.lease(registry, subject, without.is_some()).await?;
                }
                Answer::No(status, _) => return Ok(Written::Refused(Error::TagRefused(status))),
                Answer::Unknown(error) => return Ok(Written::Unknown(error)),
            }
        }
    }

    fn deletes_replaced(&self, subject: &ManifestKey) -> bool {
        !self.keep_replaced.contains_key(&(subject.upstream.clone(), subject.repository.clone()))
    }
}

/// Nobody refers to the subject any more: the tag goes with its index, which is this subject's alone if it has the mark.
/// Where nothing may be deleted, an empty list stays. Gives what the tag resolves to.
async fn remove_or_empty(
    registry: &Registry,
    subject: &ManifestKey,
    (current, marked): (&Digest, bool),
    (empty, index): (&Digest, Bytes),
) -> Result<Option<Digest>, Written> {
    if marked {
        let answer = delete(registry, &subject.sibling(current.clone())).await;
        step("tag-removed");
        match answer {
            Answer::Done => return Ok(None),
            Answer::No(..) => {}
            Answer::Unknown(error) => return Err(Written::Unknown(error)),
        }
    }
    match put(registry, subject, index).await {
        Answer::Done if marked => return Ok(Some(empty.clone())),
        Answer::Done => {}
        Answer::No(status, _) => return Err(Written::Refused(Error::TagRefused(status))),
        Answer::Unknown(error) => return Err(Written::Unknown(error)),
    }
    match delete(registry, &subject.sibling(empty.clone())).await {
        Answer::Done => Ok(None),
        Answer::No(..) => Ok(Some(empty.clone())),
        Answer::Unknown(error) => Err(Written::Unknown(error)),
    }
}

impl Replaced {
    /// Deletes the index that was replaced, if these credentials may: every push would leave one behind.
    pub(super) async fn finish(self, tags: &ReferrersTags, registry: &Registry) {
        let subject = &self.subject;
        let answer = delete(registry, &subject.sibling(self.index)).await;
        step("tag-replaced");
        let unsettled = match answer {
            Answer::Done => None,
            Answer::No(status, _) => {
                tracing::debug!(%status, repository = %subject.repository, "replaced indexes stay");
                tags.keep_replaced.insert((subject.upstream.clone(), subject.repository.clone()), ());
                None
            }
            // It may go on to delete an index of the same bytes that the tag has by then.
            Answer::Unknown(_) => Some(Until::In(registry.upstream().longest())),
        };
        let outcome = TagOutcome { holds: None, undo: None, unsettled, release: true };
        if let Err(error) = tags.store.end_tag(subject, outcome).await {
            tracing::warn!(%error, "a referrers tag stays unsettled for a while");
        }
    }
}
