//! `backref verify`: backref's database beside what the registry says.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use super::{
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

pub(super) fn run(args: &cli::Work) -> ExitStatus {
    work::run(args, Store::HasToBeThere, verify)
}

async fn verify(work: &Work) -> Result<(), OperatorError> {
    let (repositories, why) = work.everywhere().await?;
    if let Some(why) = why {
        let message = format!(
            "only what backref's database has is compared: the registry does not list its repositories ({why})"
        );
        work.printer.say(&Line { kind: "no-catalog", message, ..Line::default() });
    }
    let (subjects, differences) = (Cell::new(0_usize), Cell::new(0_usize));
    let visit = async |session: &RepositorySession| {
        // What a tag names may have rows or not: each subject is compared once.
        let compared = RefCell::new(HashSet::new());
        let compare = async |subject: Digest| {
            if !compared.borrow_mut().insert(subject.clone()) {
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
    work.each_repository(repositories, false, visit).await;
    let (subjects, differences) = (subjects.get(), differences.get());
    let message = format!("subjects compared: {subjects}; differences: {differences}");
    let counts = [("subjects", subjects), ("differences", differences)].into();
    work.printer.say(&Line { kind: "done", message, counts, ..Line::default() });
    Ok(())
}
