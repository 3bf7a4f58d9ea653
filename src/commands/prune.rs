//! `backref prune`: rows that the upstream has lost, and with `--orphans` referrers whose subject it has lost.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use super::{
    printer::Line,
    status::ExitStatus,
    work::{self, Store, Work, of_repository, of_subject},
};
use crate::{
    cli::Prune,
    oci::Digest,
    operator::{Corroboration, OperatorError, Presence, RepositorySession, RowOutcome},
    store::Recorded,
    words::many,
};

/// A subject may come after those that refer to it: for how long nothing was added before it counts as gone.
const QUIET: Duration = Duration::from_hours(24);

/// How many subjects of what is gone are asked for, in search of anything that is there.
const WITNESSES: usize = 3;

pub(super) fn run(args: &Prune) -> ExitStatus {
    work::run(&args.work, Store::HasToBeThere, async |work| {
        let count = Cell::new(0_usize);
        let visit = async |session: &RepositorySession| {
            if args.orphans {
                orphans(work, session, args.yes, &count).await?;
            } else {
                rows(work, session, args.missing, &count).await?;
            }
            // Who only wants to know changes nothing.
            if !args.orphans || args.yes {
                work.flush(session, &Cell::new(0)).await?;
            }
            Ok(())
        };
        work.each_repository(work.recorded_repositories().await?, args.yes, visit).await;
        let count = count.get();
        let message = match (args.orphans, args.yes) {
            (false, _) => format!("{}: not listed any more, or listed again", many(count, "referrer", "referrers")),
            (true, true) => format!("{} deleted", many(count, "orphan", "orphans")),
            (true, false) => format!("{}; --yes deletes them from the registry", many(count, "orphan", "orphans")),
        };
        work.printer.say(&Line { kind: "done", message, counts: [("referrers", count)].into(), ..Line::default() });
        Ok(())
    })
}

/// One round of questions: what isn't there counts beside something that is.
async fn rows(
    work: &Work,
    session: &RepositorySession,
    only_missing: bool,
    count: &Cell<usize>,
) -> Result<(), OperatorError> {
    let (corroboration, gone) = (RefCell::new(None), RefCell::new(Vec::new()));
    let ask = async |digest: Digest, was_missing: bool| {
        let asked = match session.probe(&digest).await {
            Ok(asked) => asked,
            Err(error) => return unseen(work, session, &digest, &error),
        };
        match asked.corroboration() {
            Some(one) => {
                corroboration.replace(Some(one));
                if was_missing {
                    say(work, session, &digest, session.record_present(&asked).await, count);
                }
            }
            None => gone.borrow_mut().push((asked, was_missing)),
        }
    };
    // The missing first: those that are found so now are not asked about twice.
    work.each_recorded(session, Recorded::Missing, async |digest| ask(digest, true).await).await?;
    if !only_missing {
        work.each_recorded(session, Recorded::Listed, async |digest| ask(digest, false).await).await?;
    }
    let (corroboration, gone) = (corroboration.into_inner(), gone.into_inner());
    if gone.is_empty() || work.is_stopped() {
        return Ok(());
    }
    let Some(corroboration) = (match corroboration {
        Some(corroboration) => Some(corroboration),
        None => witness(session, &gone).await?,
    }) else {
        let message = format!(
            "the registry shows none of the {} that were asked about, nor their subjects: they may be there and not \
             for these credentials, so that all stay as they are",
            gone.len()
        );
        work.printer.finding(&Line { message, ..of_repository("kept", session) });
        return Ok(());
    };
    for (asked, was_missing) in gone {
        match session.record_absent(&asked, &corroboration).await {
            // Nothing new.
            Ok(RowOutcome::Missing) if was_missing => {}
            fate => say(work, session, &asked.digest, fate, count),
        }
    }
    Ok(())
}

async fn witness(
    session: &RepositorySession,
    gone: &[(Presence, bool)],
) -> Result<Option<Corroboration>, OperatorError> {
    for (asked, _) in gone.iter().take(WITNESSES) {
        if let Some(corroboration) = session.subject_corroboration(&asked.digest).await? {
            return Ok(Some(corroboration));
        }
    }
    Ok(None)
}

/// Referrers that are there, of subjects that aren't.
async fn orphans(
    work: &Work,
    session: &RepositorySession,
    delete: bool,
    count: &Cell<usize>,
) -> Result<(), OperatorError> {
    loop {
        let before = count.get();
        let look = async |subject: Digest| {
            let found = async {
                if !session.is_gone(&subject).await? {
                    return Ok::<_, OperatorError>(());
                }
                for referrer in session.referrers(&subject).await? {
                    // One that is there is the 200 beside which the subject's 404 counts.
                    if session.probe(&referrer).await?.there {
                        orphan(work, session, &subject, &referrer, delete, count).await;
                    }
                }
                Ok(())
            };
            if let Err(error) = found.await {
                unseen(work, session, &subject, &error);
            }
        };
        work.each_recorded(session, Recorded::Quiet(QUIET), look).await?;
        // What referred to an orphan is one now.
        if !delete || count.get() == before || work.is_stopped() {
            return Ok(());
        }
    }
}

async fn orphan(
    work: &Work,
    session: &RepositorySession,
    subject: &Digest,
    referrer: &Digest,
    delete: bool,
    count: &Cell<usize>,
) {
    let line = Line { referrer: Some(referrer.to_string()), ..of_subject("orphan", session, subject) };
    let deleted = if delete { session.delete(referrer).await } else { Ok(()) };
    match deleted {
        Ok(()) => {
            count.set(count.get() + 1);
            let message = if delete { "was deleted: its subject is gone" } else { "refers to a subject that is gone" };
            let line = Line { message: message.to_owned(), ..line };
            if delete { work.printer.say(&line) } else { work.printer.finding(&line) }
        }
        Err(error) => {
            let message = format!("refers to a subject that is gone, and could not be deleted: {error}");
            work.printer.finding(&Line { message, ..line });
        }
    }
}

fn say(
    work: &Work,
    session: &RepositorySession,
    digest: &Digest,
    fate: Result<RowOutcome, OperatorError>,
    count: &Cell<usize>,
) {
    let (kind, message) = match fate {
        Ok(RowOutcome::Missing) => ("missing", "is gone, and listed no more; asked about again for a day"),
        Ok(RowOutcome::Dropped) => ("dropped", "is gone for a day: dropped"),
        Ok(RowOutcome::Listed) => ("back", "is there again, and listed"),
        Ok(RowOutcome::Untouched) => return,
        Err(error) => return unseen(work, session, digest, &error),
    };
    count.set(count.get() + 1);
    let line = Line { referrer: Some(digest.to_string()), ..of_repository(kind, session) };
    work.printer.say(&Line { message: message.to_owned(), ..line });
}

fn unseen(work: &Work, session: &RepositorySession, digest: &Digest, error: &OperatorError) {
    let line = Line { referrer: Some(digest.to_string()), ..of_repository("unseen", session) };
    work.printer.finding(&Line { message: format!("could not check: {error}"), ..line });
}
