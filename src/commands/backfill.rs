//! `backref backfill`: the store from the upstream, whose tags lead to everything that can be found.

use std::cell::Cell;

use super::{
    everywhere::everywhere,
    printer::Line,
    status::ExitStatus,
    work::{self, Store, Work, add, of_repository, of_subject},
};
use crate::{
    cli::Backfill,
    oci::Digest,
    operator::{Imported, OperatorError, RepositorySession},
    store::Recorded,
};

/// What was found.
#[derive(Default)]
struct Count {
    tags: Cell<usize>,
    lists: Cell<usize>,
    referrers: Cell<usize>,
    written: Cell<usize>,
}

pub(super) fn run(args: &Backfill) -> ExitStatus {
    work::run(&args.work, Store::MayBeNew, async |work| backfill(work, !args.no_write).await)
}

async fn backfill(work: &Work, writes: bool) -> Result<(), OperatorError> {
    let count = Count::default();
    let visit = async |session: &RepositorySession| {
        take_tags(work, session, &count).await?;
        take_lists(work, session).await?;
        if writes {
            work.flush(session, &count.written).await?;
        }
        Ok(())
    };
    let visited = everywhere(work, visit).await?;
    if let Some(why) = visited.unlisted {
        let message = format!("the registry does not list its repositories ({why}): name those to look into");
        work.printer.finding(&Line { kind: "no-catalog", message, ..Line::default() });
    }
    let looked_into = visited.repositories;
    let [tags, lists, referrers, written] =
        [count.tags, count.lists, count.referrers, count.written].map(Cell::into_inner);
    let message = format!(
        "repositories: {looked_into}; tags: {tags}, of lists: {lists}, of referrers themselves: {referrers}; referrers tags \
         written: {written}. What no tag leads to can't be found: referrers that were pushed by digest \
         alone while nobody kept a list."
    );
    let counts = [("repositories", looked_into), ("tags", tags), ("lists", lists), ("referrers", referrers)];
    let counts = counts.into_iter().chain([("written", written)]).collect();
    work.printer.say(&Line { kind: "done", message, counts, ..Line::default() });
    Ok(())
}

async fn take_tags(work: &Work, session: &RepositorySession, count: &Count) -> Result<(), OperatorError> {
    let take = async |tag: String| {
        add(&count.tags, 1);
        match session.import_tag(&tag).await {
            Ok(Imported::List) => add(&count.lists, 1),
            Ok(Imported::Referrer) => add(&count.referrers, 1),
            Ok(Imported::Nothing) => {}
            Err(error) => {
                let line = Line { tag: Some(tag), ..of_repository("unseen-tag", session) };
                work.printer.finding(&Line { message: error.to_string(), ..line });
            }
        }
    };
    work.each_tag(session, |tags| tags, take).await
}

/// What the registry's own lists name of the subjects that are on record by now.
async fn take_lists(work: &Work, session: &RepositorySession) -> Result<(), OperatorError> {
    let take = async |subject: Digest| {
        if let Err(error) = session.import_native(&subject).await {
            let line = of_subject("unseen-list", session, &subject);
            work.printer.finding(&Line { message: error.to_string(), ..line });
        }
    };
    work.each_recorded(session, Recorded::Subjects, take).await
}
