//! `backref verify`: backref's database beside what the registry says.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use super::{
    everywhere::everywhere,
    greeting::{greet, rows_of_others},
    printer::{Health, Line},
    status::ExitStatus,
    work::{self, Store, Work, add, of_repository, of_subject},
};
use crate::{
    cli,
    oci::{Digest, ReferrersTag},
    operator::{Difference, DifferenceKind, OperatorError, RepositorySession},
    store::Recorded,
    words::{many, number},
};

/// The subjects of a repository that were compared, as hashes. Beyond [`Compared::MOST`], one that has rows and a referrers
/// tag is compared twice.
#[derive(Default)]
struct Compared {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl Compared {
    const MOST: usize = 1_000_000;

    fn is_new(&mut self, subject: &Digest) -> bool {
        let hash = self.hasher.hash_one(subject);
        if self.hashes.len() < Self::MOST { self.hashes.insert(hash) } else { !self.hashes.contains(&hash) }
    }
}

pub(super) fn run(args: &cli::Work) -> ExitStatus {
    work::run(args, Store::HasToBeThere, verify)
}

async fn verify(work: &Work) -> Result<(), OperatorError> {
    rows_of_others(work).await?;
    if greet(work).await?.is_none() {
        return Ok(());
    }
    let (subjects, differences, failed) = (Cell::new(0_usize), Cell::new(0_usize), Cell::new(0_usize));
    let visit = async |session: &RepositorySession| {
        // What a tag names may have rows or not: each subject is compared once.
        let compared = RefCell::new(Compared::default());
        let needed = Cell::new(false);
        let compare = async |subject: Digest| {
            if !compared.borrow_mut().is_new(&subject) {
                return;
            }
            subjects.set(subjects.get() + 1);
            match session.compare(&subject).await {
                Ok(found) => {
                    for (kind, referrers) in by_kind(found) {
                        needed.set(needed.get() || kind == DifferenceKind::NotInApi);
                        let many = referrers.len().max(1);
                        let message = kind.message().to_owned();
                        let line = Line { message, referrers, ..of_subject(kind.name(), session, &subject) };
                        if kind.is_finding() {
                            add(&differences, many);
                            work.printer.finding(&line);
                        } else {
                            work.printer.say(&line);
                        }
                    }
                }
                Err(error) => {
                    needed.set(true);
                    failed.set(failed.get() + 1);
                    let message = format!("could not be compared: {error}");
                    work.printer.finding(&Line { message, ..of_subject("not-compared", session, &subject) });
                }
            }
        };
        work.each_recorded(session, Recorded::Subjects, &compare).await?;
        if work.operator.app().upstream.keeps_tags() {
            let tagged = |tags: Vec<String>| tags.iter().filter_map(|tag| ReferrersTag::parse(tag)).collect();
            work.each_tag(session, tagged, &compare).await?;
        }
        if work.operator.app().upstream.asks_native() && session.has_api().await? {
            // What nothing of backref's names may be in the registry's own lists.
            let compare_tagged = async |tag: String| match session.digest_of(&tag).await {
                Ok(Some(digest)) => compare(digest).await,
                Ok(None) => {}
                Err(error) => {
                    let line = Line { tag: Some(tag), ..of_repository("unseen-tag", session) };
                    work.printer.finding(&Line { message: error.to_string(), ..line });
                }
            };
            work.each_tag(session, |tags| tags, compare_tagged).await?;
            say_whether_needed(work, session, needed.get()).await?;
        }
        Ok(())
    };
    let visited = everywhere(work, visit).await?;
    if let Some(why) = visited.unlisted {
        let line = |message| Line { kind: "no-catalog", message, ..Line::default() };
        if visited.repositories == 0 {
            work.printer.finding(&line(format!(
                "nothing was compared: backref's database has no repository, and the registry does not list its own \
                 ({why}): name repositories on the command line"
            )));
        } else {
            work.printer.say(&line(format!(
                "only what backref's database has is compared: the registry does not list its repositories ({why})"
            )));
        }
    }
    let (failed, differences) = (failed.get(), differences.get());
    let compared = subjects.get() - failed;
    let message = format!(
        "{} compared, {}{}",
        many(compared, "image", "images"),
        many(differences, "difference", "differences"),
        if failed > 0 { format!(", {} could not be compared", number(failed)) } else { String::new() }
    );
    let counts = [("images", compared), ("not_compared", failed), ("differences", differences)].into();
    work.printer.say(&Line { kind: "done", message, counts, ..Line::default() });
    Ok(())
}

/// One line says all of a kind, whichever referrers they are about.
fn by_kind(found: Vec<Difference>) -> Vec<(DifferenceKind, Vec<String>)> {
    let mut kinds: Vec<(DifferenceKind, Vec<String>)> = Vec::new();
    for Difference { referrer, kind } in found {
        let referrer = referrer.map(|digest| digest.to_string());
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, referrers)) => referrers.extend(referrer),
            None => kinds.push((kind, referrer.into_iter().collect())),
        }
    }
    kinds
}

/// Whether clients would miss anything of a repository, whose registry lists referrers itself, without backref.
async fn say_whether_needed(work: &Work, session: &RepositorySession, needed: bool) -> Result<(), OperatorError> {
    if needed || work.is_stopped() {
        return Ok(());
    }
    let (status, message) = if session.has_originals().await? {
        let message = "the registry's own lists have every referrer; some artifact manifests can be had by their own digests \
                       through backref alone (`backref migrate --originals`)";
        (Health::Warn, message)
    } else {
        (Health::Ok, "the registry's own lists have every referrer: backref may go")
    };
    let line = of_repository("may-go", session);
    work.printer.say(&Line { status: Some(status), message: message.to_owned(), ..line });
    Ok(())
}
