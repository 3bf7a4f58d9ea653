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
    words::{many, number},
};

/// What was found.
#[derive(Default)]
struct Count {
    tags: Cell<usize>,
    /// Tags that hold a list of referrers.
    referrers_tags: Cell<usize>,
    /// Tags that are on a referrer.
    tagged_referrers: Cell<usize>,
    written: Cell<usize>,
}

pub(super) fn run(args: &Backfill) -> ExitStatus {
    work::run(&args.work, Store::MayBeNew, async |work| backfill(work, !args.no_write).await)
}

async fn backfill(work: &Work, writes: bool) -> Result<(), OperatorError> {
    let (count, before) = (Count::default(), totals(work).await?);
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
    let after = totals(work).await?;
    work.printer.say(&summary(visited.repositories, &count, before, after));
    Ok(())
}

/// Subjects and referrers that the database has.
async fn totals(work: &Work) -> Result<(usize, usize), OperatorError> {
    let app = work.operator.app();
    let counts = app.store.count(&app.upstream.name, 0, 0).await?;
    Ok((usize::try_from(counts.subjects).unwrap_or_default(), usize::try_from(counts.referrers).unwrap_or_default()))
}

fn summary(repositories: usize, count: &Count, before: (usize, usize), after: (usize, usize)) -> Line {
    let [tags, referrers_tags, tagged_referrers, written] =
        [&count.tags, &count.referrers_tags, &count.tagged_referrers, &count.written].map(Cell::get);
    let (images, referrers) = after;
    let new = referrers.saturating_sub(before.1);
    let message = format!(
        "{}, {} read; {} of {} in the database ({} new); {} written. What was pushed by digest alone while nobody kept a list \
         can't be found this way.",
        many(repositories, "repository", "repositories"),
        many(tags, "tag", "tags"),
        many(referrers, "referrer", "referrers"),
        many(images, "image", "images"),
        number(new),
        many(written, "referrers tag", "referrers tags"),
    );
    let counts = [
        ("repositories", repositories),
        ("tags", tags),
        ("referrers_tags", referrers_tags),
        ("tagged_referrers", tagged_referrers),
        ("images", images),
        ("referrers", referrers),
        ("new_referrers", new),
        ("written", written),
    ];
    Line { kind: "done", message, counts: counts.into(), ..Line::default() }
}

async fn take_tags(work: &Work, session: &RepositorySession, count: &Count) -> Result<(), OperatorError> {
    let take = async |tag: String| {
        add(&count.tags, 1);
        match session.import_tag(&tag).await {
            Ok(Imported::List) => add(&count.referrers_tags, 1),
            Ok(Imported::Referrer) => add(&count.tagged_referrers, 1),
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
