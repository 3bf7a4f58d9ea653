//! `backref verify`: backref's database beside what the registry says.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use super::{
    everywhere::everywhere,
    printer::Line,
    status::ExitStatus,
    work::{self, Store, Work, of_subject},
};
use crate::{
    cli,
    oci::{Digest, ReferrersTag},
    operator::{OperatorError, RepositorySession},
    store::Recorded,
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
    let (subjects, differences) = (Cell::new(0_usize), Cell::new(0_usize));
    let visit = async |session: &RepositorySession| {
        // What a tag names may have rows or not: each subject is compared once.
        let compared = RefCell::new(Compared::default());
        let compare = async |subject: Digest| {
            if !compared.borrow_mut().is_new(&subject) {
                return;
            }
            subjects.set(subjects.get() + 1);
            match session.compare(&subject).await {
                Ok(found) => {
                    differences.set(differences.get() + found.len());
                    for one in found {
                        let referrer = one.referrer.map(|digest| digest.to_string());
                        let message = one.kind.message().to_owned();
                        let line = of_subject(one.kind.name(), session, &subject);
                        work.printer.finding(&Line { referrer, message, ..line });
                    }
                }
                Err(error) => {
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
        Ok(())
    };
    let visited = everywhere(work, visit).await?;
    if let Some(why) = visited.unlisted {
        let message = format!(
            "only what backref's database has is compared: the registry does not list its repositories ({why})"
        );
        work.printer.say(&Line { kind: "no-catalog", message, ..Line::default() });
    }
    let (subjects, differences) = (subjects.get(), differences.get());
    let message = format!("subjects compared: {subjects}; differences: {differences}");
    let counts = [("subjects", subjects), ("differences", differences)].into();
    work.printer.say(&Line { kind: "done", message, counts, ..Line::default() });
    Ok(())
}
