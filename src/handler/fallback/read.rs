//! What a referrers tag holds, and which of it is true: a list is somebody's words, so each manifest that it names is read.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, StatusCode, header};

use super::tag_uri;
use crate::{
    error::Error,
    handler::{exchange::Hop, push::CONTENT_DIGEST, settle::Fetched},
    oci::{Algorithm, Digest, Listed, MediaType, ReferrersList},
    referrers::ManifestKey,
    store::{Applied, Basis, Finding, Verdict},
    upstream::{Refusal, headers},
};

/// What the tag resolves to.
pub(super) enum Found {
    /// There is no tag.
    Nothing,
    /// What it was known to.
    Known(Digest),
    /// Another list.
    List(Digest, ReferrersList),
    /// Something that is no list of this subject's referrers. It is never written.
    Foreign,
}

/// What was found out about a list's entries.
#[derive(Default)]
pub(super) struct Checked {
    /// The registry could not say, or not to this caller.
    pub(super) undecided: Vec<Listed>,
    /// Of some it could not say now.
    pub(super) unclear: bool,
    /// Those on record, and listed.
    on_record: usize,
    /// Those that are there, and refer to something else or to nothing.
    others: usize,
    /// Those that are not there any more.
    gone: usize,
}

impl Checked {
    /// None of them refers to the subject: an ordinary index, tagged like a list.
    pub(super) fn is_foreign(&self, list: &ReferrersList) -> bool {
        !list.marked && self.others > 0 && self.on_record + self.undecided.len() == 0
    }

    /// It names nobody who is gone, and nobody of whom it isn't known.
    pub(super) fn is_sound(&self) -> bool {
        self.undecided.is_empty() && self.gone == 0
    }

    /// It names nobody but who is listed.
    pub(super) fn is_all(&self) -> bool {
        self.is_sound() && self.others == 0
    }
}

/// What the upstream says of one entry.
pub(super) enum Word {
    Refers(Finding),
    /// It is there, and refers to something else or to nothing.
    Other,
    Gone,
    /// Not to this caller.
    Withheld,
    /// Not now.
    Unclear,
}

/// How many manifests are read at a time.
pub(super) const AT_A_TIME: usize = 8;

/// How often an entry is asked about while others change it.
const ROUNDS: usize = 3;

impl Hop {
    pub(super) async fn find(
        &self,
        caller: &HeaderMap,
        subject: &ManifestKey,
        known: Option<&Digest>,
    ) -> Result<Found, Error> {
        let upstream = &self.handler.upstream;
        let head = upstream.ask(Method::HEAD, tag_uri(subject), headers::on_behalf(caller)).await?;
        let digest = head.headers().get(CONTENT_DIGEST).and_then(|digest| Digest::parse(digest.to_str().ok()?).ok());
        match (head.status(), digest) {
            (StatusCode::NOT_FOUND, _) => return Ok(Found::Nothing),
            (StatusCode::OK, Some(digest)) if Some(&digest) == known => return Ok(Found::Known(digest)),
            // GitLab resolves such a tag to the subject itself.
            (StatusCode::OK, Some(digest)) if digest == subject.digest => return Ok(Found::Foreign),
            (StatusCode::OK, _) => {}
            (status, _) => return Err(refusal(status, head.headers())),
        }
        let answer = upstream.ask(Method::GET, tag_uri(subject), headers::on_behalf(caller)).await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer.status(), answer.headers()));
        }
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_index = kind.is_none_or(|kind| MediaType::parse(kind).as_str() == MediaType::INDEX);
        let bytes = self.manifest_bytes(answer).await?;
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        Ok(match ReferrersList::parse(&bytes, &subject.digest).filter(|_| is_index) {
            Some(list) => {
                let index = subject.sibling(digest.clone());
                self.handler.app.turns.lists.insert(index, subject.digest.clone());
                Found::List(digest, list)
            }
            None => Found::Foreign,
        })
    }

    /// Reads what a list names, and puts what is true of it on record: in its order, which arrivals follow.
    pub(super) async fn check(
        &self,
        caller: &HeaderMap,
        subject: &ManifestKey,
        list: &ReferrersList,
    ) -> Result<Checked, Error> {
        let store = &self.handler.app.store;
        let forms = self.forms(subject).await;
        let mut checked = Checked::default();
        let mut seen = HashSet::new();
        let mut open = Vec::new();
        for entry in list.entries.iter().filter(|entry| seen.insert(&entry.digest)) {
            if store.is_listed(&forms, &entry.digest).await? {
                checked.on_record += 1;
            } else {
                open.push(entry);
            }
        }
        for _ in 0..ROUNDS {
            let digests: Vec<Digest> = open.iter().map(|entry| entry.digest.clone()).collect();
            let words = stream::iter(digests).map(|digest| self.word(caller, &forms, digest)).buffered(AT_A_TIME);
            let words: Vec<Word> = words.collect().await;
            let (mut findings, mut found) = (Vec::new(), Vec::new());
            for (entry, word) in open.into_iter().zip(words) {
                match word {
                    Word::Refers(finding) => {
                        findings.push(finding);
                        found.push(entry);
                    }
                    Word::Other => checked.others += 1,
                    Word::Gone => checked.gone += 1,
                    Word::Withheld => checked.undecided.push(entry.clone()),
                    Word::Unclear => {
                        checked.undecided.push(entry.clone());
                        checked.unclear = true;
                    }
                }
            }
            let applied = if findings.is_empty() { Vec::new() } else { store.apply_all(findings).await? };
            checked.on_record += applied.iter().filter(|one| **one == Applied::Done).count();
            // Changed by others meanwhile: the upstream is asked again.
            let outdated = found.into_iter().zip(applied).filter(|(_, one)| *one != Applied::Done);
            open = outdated.map(|(entry, _)| entry).collect();
            if open.is_empty() {
                break;
            }
        }
        checked.unclear |= !open.is_empty();
        checked.undecided.extend(open.into_iter().cloned());
        Ok(checked)
    }

    pub(super) async fn word(&self, caller: &HeaderMap, subject: &[ManifestKey], digest: Digest) -> Word {
        let key = subject[0].sibling(digest);
        let Ok(seen) = self.handler.app.store.look(&key).await else { return Word::Unclear };
        match self.fetch(caller, &key).await {
            Ok(Fetched::Relation(relation)) if subject.iter().any(|form| form.digest == relation.subject) => {
                let basis = Basis { version: seen.version, alone: false };
                Word::Refers(Finding { key: relation.referrer.clone(), verdict: Verdict::Held(relation), basis })
            }
            // Ambiguous ones too: nobody refers by them.
            Ok(Fetched::Relation(_) | Fetched::Plain) | Err(Error::Manifest(_)) => Word::Other,
            Ok(Fetched::Absent) => Word::Gone,
            Err(Error::Refused(Refusal::Denied(..))) => Word::Withheld,
            Err(error) => {
                tracing::debug!(%error, digest = %key.digest, "what a referrers tag names could not be read");
                Word::Unclear
            }
        }
    }
}

/// What else than yes and no the upstream said.
pub(in crate::handler) fn refusal(status: StatusCode, headers: &HeaderMap) -> Error {
    Error::Refused(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Refusal::Denied(status, headers::of_refusal(headers)),
        _ => Refusal::Unclear(status, headers::of_refusal(headers)),
    })
}
