//! Which entries of a list are true: a list is somebody's words, so each manifest that it names is read.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};

use super::keeper::ReferrersTags;
use crate::{
    error::Error,
    oci::{Digest, Listed, ReferrersList},
    referrers::ManifestKey,
    relations::{Fetched, fetch},
    store::{Applied, Basis, Finding, Store, Verdict},
    upstream::{Refusal, Registry},
};

/// What the upstream says of one entry.
pub enum EntryStatus {
    /// It refers to the subject.
    Refers(Finding),
    /// It is there, and refers to something else or to nothing.
    Other {
        /// The database has or had rows of it.
        known: bool,
    },
    /// It is there, and can't be read in one way only: no verdict.
    Unreadable,
    /// It is not there.
    Gone,
    /// The upstream doesn't show it to this caller.
    Withheld,
    /// The upstream can't say now.
    Unclear,
}

/// What was found out about a list's entries.
#[derive(Default)]
pub(super) struct Checked {
    /// Entries that stay in the tag as they were found, since nothing can be said of them, or not to this caller.
    pub(super) undecided: Vec<Listed>,
    /// Others that do, since they are another tool's: in a list with backref's mark, those of which the database never had
    /// rows.
    pub(super) foreign: Vec<Listed>,
    /// Of some the upstream could not say now.
    pub(super) unclear: bool,
    /// Those that are no listed rows, whatever is the reason.
    pub(super) unlisted: HashSet<Digest>,
    /// How many changes of the set it took to list the others.
    pub(super) added: i64,
    /// Those that are listed rows.
    listed: usize,
    /// Those that are there, and refer to something else or to nothing.
    others: usize,
    /// Those that are not there any more.
    gone: usize,
}

/// How many manifests are read at a time.
pub const AT_A_TIME: usize = 8;

/// How many entries are looked up, read and put into the database in one go: what was read is kept, whatever comes after.
const CHUNK: usize = 256;

/// How often an entry is asked about while others change it.
const ROUNDS: usize = 3;

impl Checked {
    /// None of the entries refers to the subject: an ordinary index, tagged like a list.
    pub(super) fn is_foreign(&self, list: &ReferrersList) -> bool {
        !list.marked && self.others > 0 && self.listed + self.undecided.len() == 0
    }

    /// The list names nobody who is gone, and nobody of whom it isn't known.
    pub(super) fn is_sound(&self) -> bool {
        self.is_judged() && self.gone == 0
    }

    /// The list names nobody but who is listed.
    pub(super) fn is_all(&self) -> bool {
        self.is_sound() && self.others == 0
    }

    fn undecided(&mut self, entry: &Listed) {
        self.undecided.push(entry.clone());
        self.unlisted.insert(entry.digest.clone());
    }

    /// Every entry has a verdict.
    pub(super) fn is_judged(&self) -> bool {
        self.undecided.is_empty()
    }
}

impl ReferrersTags {
    /// Reads what a list names, and puts what is true of it into the database: in the list's order, which arrivals follow.
    pub(super) async fn check(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        list: &ReferrersList,
    ) -> Result<Checked, Error> {
        let forms = self.forms(subject).await;
        let mut checked = Checked::default();
        let mut seen = HashSet::with_capacity(list.entries.len());
        let entries: Vec<&Listed> = list.entries.iter().filter(|entry| seen.insert(&entry.digest)).collect();
        for chunk in entries.chunks(CHUNK) {
            self.check_chunk(registry, &forms, chunk, list.marked, &mut checked).await?;
            tokio::task::yield_now().await;
        }
        Ok(checked)
    }

    /// The same for a list of the upstream's own. Gives how many changes of the set it took to list those who weren't.
    pub async fn take_named(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        list: &ReferrersList,
    ) -> Result<i64, Error> {
        let _place = self.places.take(registry.holder()).await?;
        let checked = self.check(registry, subject, list).await?;
        if checked.unclear { Err(Error::Incomplete) } else { Ok(checked.added) }
    }

    async fn check_chunk(
        &self,
        registry: &Registry,
        forms: &[ManifestKey],
        chunk: &[&Listed],
        marked: bool,
        checked: &mut Checked,
    ) -> Result<(), Error> {
        let store = &*self.store;
        let digests: Vec<Digest> = chunk.iter().map(|entry| entry.digest.clone()).collect();
        let listed = store.listed_among(forms, &digests).await?;
        checked.listed += listed.len();
        let mut open: Vec<&Listed> = chunk.iter().copied().filter(|entry| !listed.contains(&entry.digest)).collect();
        for _ in 0..ROUNDS {
            let digests: Vec<Digest> = open.iter().map(|entry| entry.digest.clone()).collect();
            let statuses =
                stream::iter(digests).map(|digest| entry_status(registry, store, forms, digest)).buffered(AT_A_TIME);
            let statuses: Vec<EntryStatus> = statuses.collect().await;
            let (mut findings, mut found) = (Vec::new(), Vec::new());
            for (entry, status) in open.into_iter().zip(statuses) {
                match status {
                    EntryStatus::Refers(finding) => {
                        findings.push(finding);
                        found.push(entry);
                    }
                    EntryStatus::Other { known } => {
                        checked.others += 1;
                        checked.unlisted.insert(entry.digest.clone());
                        if !(known && marked) {
                            checked.foreign.push(entry.clone());
                        }
                    }
                    EntryStatus::Gone => {
                        checked.gone += 1;
                        checked.unlisted.insert(entry.digest.clone());
                    }
                    EntryStatus::Withheld | EntryStatus::Unreadable => checked.undecided(entry),
                    EntryStatus::Unclear => {
                        checked.undecided(entry);
                        checked.unclear = true;
                    }
                }
            }
            let applied = if findings.is_empty() { Vec::new() } else { store.apply_all(findings).await? };
            let added = applied.iter().filter(|one| **one == Applied::Done).count();
            checked.listed += added;
            checked.added += i64::try_from(added).unwrap_or(i64::MAX);
            // Changed by others meanwhile: the upstream is asked again.
            let outdated = found.into_iter().zip(applied).filter(|(_, one)| *one != Applied::Done);
            open = outdated.map(|(entry, _)| entry).collect();
            if open.is_empty() {
                break;
            }
        }
        checked.unclear |= !open.is_empty();
        for entry in open {
            checked.undecided(entry);
        }
        Ok(())
    }
}

/// Asks the upstream about one entry of a list of a subject, given in each of its forms.
pub async fn entry_status(
    registry: &Registry,
    store: &dyn Store,
    forms: &[ManifestKey],
    digest: Digest,
) -> EntryStatus {
    let key = forms[0].sibling(digest);
    let Ok(seen) = store.look(&key).await else { return EntryStatus::Unclear };
    match fetch(registry, store, &key).await {
        Ok(Fetched::Relation(relation)) if forms.iter().any(|form| form.digest == relation.subject) => {
            let basis = Basis { version: seen.version, alone: false };
            EntryStatus::Refers(Finding { key: relation.referrer.clone(), verdict: Verdict::Held(relation), basis })
        }
        Ok(Fetched::Relation(_) | Fetched::Plain) => EntryStatus::Other { known: seen.version > 0 },
        Ok(Fetched::Unreadable) => EntryStatus::Unreadable,
        Ok(Fetched::Absent) => EntryStatus::Gone,
        Err(Error::Refused(Refusal::Denied(..))) => EntryStatus::Withheld,
        Err(error) => {
            tracing::debug!(%error, digest = %key.digest, "what a referrers tag names could not be read");
            EntryStatus::Unclear
        }
    }
}
