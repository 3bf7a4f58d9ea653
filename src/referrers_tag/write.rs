//! Writing a referrers tag: one `HEAD` and one `PUT`, and a look at what is there when somebody else wrote it.

use bytes::Bytes;
use http::StatusCode;
use tokio::time::Instant;

use super::{
    backoff::{Backoff, PART},
    content::is_index,
    keeper::ReferrersTags,
    lock::Locked,
    look::Look,
    send::{Answer, delete, put},
};
use crate::{
    error::Error,
    oci::{Digest, Listed},
    referrers::ManifestKey,
    step::step,
    store::{TagHolds, TagIndex, TagOutcome, TagState, TagWrite, Until},
    upstream::{Refusal, Registry},
};

/// What a write is to do.
#[derive(Clone, Copy, Default)]
pub(super) struct Plan<'a> {
    /// A referrer that is left out, since it is about to be deleted.
    pub(super) without: Option<&'a Digest>,
    /// Entries that stand in the tag as they were found, also if it doesn't name them any more.
    pub(super) kept: &'a [Listed],
    /// The upstream has just carried out this caller's change, or shown them a manifest of the repository.
    pub(super) shown: bool,
}

impl Plan<'_> {
    fn sends(&self) -> TagWrite {
        if self.without.is_some() { TagWrite::AllButOne } else { TagWrite::All }
    }
}

/// What came of a write.
pub(super) enum Wrote {
    /// The tag holds it. The index that was replaced is left to delete.
    Done(Option<Replaced>),
    /// It was sent, and there is no definite answer.
    Unknown(Error),
}

/// What became of the tag.
enum Written {
    /// It holds the list of this version, or less if something is left out of it for now.
    Holds(Holds),
    /// As it was: the upstream said no, for this reason.
    Refused(Error),
    /// Sent, without a definite answer.
    Unknown(Error),
}

struct Holds {
    version: i64,
    index: Option<Digest>,
    marked: bool,
    /// Of each of its entries the upstream said whether it is one.
    judged: bool,
    /// Each of its entries is a row.
    all_listed: bool,
    replaced: Option<Digest>,
}

/// The index that was replaced: it is left to delete once the tag is written, while the lock is still held.
pub(super) struct Replaced {
    subject: ManifestKey,
    index: Digest,
}

/// How often a tag is looked at again, because somebody whom it names was deleted meanwhile.
pub(super) const LOOKS: usize = 4;

impl ReferrersTags {
    /// Writes the tag, holding its lock. The error says why the tag stays stale; then it is as it was.
    pub(super) async fn write(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        plan: Plan<'_>,
        _: &Locked,
    ) -> Result<Wrote, Error> {
        let started = Instant::now();
        let is_whole = plan.without.is_none();
        // A write that lacks a listed row makes the tag stale before it is sent, so that the row is put back whatever
        // becomes of both.
        let mut before = self.lease(registry, subject, plan.sends()).await?;
        step("tag-begun");
        if !is_whole {
            // What was tried of this version no longer says that nothing is left to do for it.
            self.backoff.invalidate(subject);
        }
        // Sent earlier, it may still land after what is written now.
        let standing = before.standing().map(Until::At);
        let outcome = |holds, unsettled, release| TagOutcome { holds, undo: None, unsettled, release };
        match self.look_and_write(registry, subject, &mut before, plan).await {
            Ok(Written::Holds(Holds { version, index, marked, judged, all_listed, replaced })) => {
                let all = is_whole && standing.is_none() && judged;
                // Known by its digest, it would not be read again, and the next write would leave out what has no row.
                let index = index.filter(|_| all_listed).map(|digest| TagIndex { digest, since: version });
                let version = if all { version } else { before.tag_version.min(version - 1) };
                let replaced = replaced.filter(|_| standing.is_none() && self.deletes_replaced(subject));
                let holds = Some(TagHolds { version, index, marked });
                let unsettled =
                    if replaced.is_some() { Some(Until::In(registry.upstream().longest())) } else { standing };
                self.store.end_tag(subject, outcome(holds, unsettled, replaced.is_none())).await?;
                step("tag-recorded");
                let subject = subject.clone();
                Ok(Wrote::Done(replaced.map(|index| Replaced { subject, index })))
            }
            Ok(Written::Unknown(error)) => {
                let until = Until::In(registry.upstream().longest());
                self.store.end_tag(subject, outcome(None, Some(until), true)).await?;
                Ok(Wrote::Unknown(error))
            }
            // Whatever was sent was refused: the tag is as it was, and a caller who may not write leaves no trace.
            Ok(Written::Refused(error)) | Err(error) => {
                let undo = (!is_whole).then_some(before);
                self.store.end_tag(subject, TagOutcome { undo, ..outcome(None, standing, true) }).await?;
                self.remember_futile(subject, &error, !is_whole, started).await;
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
    async fn look_and_write(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        before: &mut TagState,
        plan: Plan<'_>,
    ) -> Result<Written, Error> {
        for _ in 0..LOOKS {
            let look = self.look(registry, subject, before.index.as_ref()).await?;
            if let Look::Foreign(_) = look {
                return Err(Error::TagForeign);
            }
            if let Look::List(_) = look {
                // Also if nothing can be written after this: what the tag named has its rows.
                self.write_down(registry, subject, before, &look).await?;
                self.lease_anew(registry, subject, before, plan).await?;
            }
            if let Some(written) = self.write_found(registry, subject, &look, before, plan).await? {
                return Ok(written);
            }
            // Somebody was deleted meanwhile.
            self.lease_anew(registry, subject, before, plan).await?;
        }
        Ok(Written::Refused(Error::TagBusy))
    }

    /// What came before took its time: the lease, and the time until which the tag is unsettled, begin anew.
    async fn lease_anew(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        before: &mut TagState,
        plan: Plan<'_>,
    ) -> Result<(), Error> {
        let now = self.lease(registry, subject, plan.sends()).await?;
        // It was made stale for this write; what was known before that, or was seen since, holds again if it is refused.
        let tag_version = now.tag_version.max(before.tag_version);
        *before = TagState { tag_version, unsettled_until: before.unsettled_until, at: before.at, ..now };
        Ok(())
    }

    /// `None`: somebody whom the tag named was deleted since the look.
    async fn write_found(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        look: &Look,
        before: &mut TagState,
        plan: Plan<'_>,
    ) -> Result<Option<Written>, Error> {
        let without = plan.without;
        let judged = look.undecided().is_empty() && plan.kept.is_empty();
        let mut as_found = [look.foreign(), look.undecided(), plan.kept].concat();
        let (current, marked) = match look {
            Look::Nothing | Look::Foreign(_) => (None, false),
            Look::Known(digest) => (Some(digest), before.marked),
            Look::List(read) => (Some(&read.index), read.marked),
        };
        let (mut may_miss, mut without_indexes) = (true, false);
        loop {
            let mut content = self.content(registry, subject, &as_found).await?;
            let is_as_seen = match look {
                // It names somebody who was deleted, and whom nobody else might know of by then.
                Look::Known(digest) => self.known(subject).await?.index.as_ref() == Some(digest),
                // Who is missing by now was found so by this write.
                Look::List(read) => !may_miss || read.is_in(&content),
                Look::Nothing | Look::Foreign(_) => true,
            };
            if !is_as_seen {
                return Ok(None);
            }
            content.entries.retain(|entry| Some(&entry.digest) != without && !(without_indexes && is_index(entry)));
            let (version, all_listed) = (content.version, as_found.is_empty());
            let holds = |index, marked, replaced| {
                Written::Holds(Holds { version, index, marked, judged, all_listed, replaced })
            };
            let (digest, index) = content.render(subject).ok_or(Error::TagTooLarge)?;
            let is_there = current == Some(&digest);
            if let Some(without) = without
                && (is_there || look.lacks(without))
            {
                return Ok(Some(Written::Refused(Error::NotInTag)));
            }
            if is_there {
                return Ok(Some(holds(Some(digest), true, None)));
            }
            if content.entries.is_empty() {
                let Some(current) = current else {
                    let is_shown = self.is_shown(registry, subject, plan.shown).await;
                    let hidden = || Written::Refused(Refusal::Absent.into());
                    return Ok(Some(if is_shown { holds(None, false, None) } else { hidden() }));
                };
                return Ok(Some(match remove_or_empty(registry, subject, (current, marked), (&digest, index)).await {
                    Ok(index) => holds(index, true, None),
                    Err(written) => written,
                }));
            }
            let sent = Instant::now();
            // What is left out now may come back without another change of the set.
            let tried = version - i64::from(without.is_some());
            let answer = put(registry, subject, index).await;
            step("tag-written");
            return Ok(Some(match answer {
                Answer::Done => {
                    if without_indexes {
                        self.learn_no_indexes(registry, &subject.repository).await?;
                    }
                    self.backoff.insert(subject.clone(), Backoff::after(tried, content.entries.len(), sent.elapsed()));
                    self.indexes.insert(subject.sibling(digest.clone()), subject.digest.clone());
                    holds(Some(digest), true, current.filter(|_| marked).cloned())
                }
                Answer::No(status @ (StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND), said) if may_miss => {
                    may_miss = false;
                    if self.miss(registry, subject, &content.entries, &mut as_found, &said).await? {
                        self.lease_anew(registry, subject, before, plan).await?;
                        continue;
                    }
                    // Gitea takes no index in an index.
                    if String::from_utf8_lossy(&said).contains("MANIFEST_INVALID")
                        && content.entries.iter().any(is_index)
                    {
                        without_indexes = true;
                        continue;
                    }
                    if content.entries.len() > PART {
                        // That may have been a question for each of them.
                        let backoff = Backoff::after(tried, content.entries.len(), sent.elapsed());
                        self.backoff.insert(subject.clone(), backoff);
                    }
                    Written::Refused(Error::TagRefused(status))
                }
                Answer::No(status, _) => Written::Refused(Error::TagRefused(status)),
                Answer::Unknown(error) => Written::Unknown(error),
            }));
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

impl Wrote {
    /// What was replaced; an error where that isn't known for certain.
    pub(super) fn definite(self) -> Result<Option<Replaced>, Error> {
        match self {
            Self::Done(replaced) => Ok(replaced),
            Self::Unknown(error) => Err(error),
        }
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
