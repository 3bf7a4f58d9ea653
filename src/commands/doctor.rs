//! `backref doctor`: what the registry answers, what backref does about it, and what is pending.

use std::cell::Cell;

use super::{
    greeting::{greet, rows_of_others},
    printer::{Health, Line},
    status::ExitStatus,
    trial::try_pushes,
    work::{self, Store, Work, of_repository, of_subject},
};
use crate::{
    cli,
    config::{ReferrersTagMode, RewriteMode},
    oci::{Digest, Repository},
    operator::{OperatorError, RepositorySession},
    store::Recorded,
    upstream::Capabilities,
};

pub(super) fn run(args: &cli::Doctor) -> ExitStatus {
    let write = match args.write.as_deref().map(|name| (name, Repository::parse(name))) {
        Some((name, None)) => {
            eprintln!("backref: --write: {name:?} is no name of a repository");
            return ExitStatus::Usage;
        }
        named => named.and_then(|(_, repository)| repository),
    };
    work::run(&args.work, Store::MayBeNew, async |work| {
        rows_of_others(work).await?;
        let is_reached = upstream(work).await?;
        rewrite(work).await?;
        tags(work).await?;
        if !is_reached {
            return Ok(());
        }
        if let Some(repository) = write {
            try_pushes(work, repository).await?;
        }
        pending(work).await
    })
}

fn line(kind: &'static str, message: String) -> Line {
    Line { kind, status: Some(Health::Ok), message, ..Line::default() }
}

/// `false`: nothing more can be asked.
async fn upstream(work: &Work) -> Result<bool, OperatorError> {
    let url = &work.operator.app().config.upstream.url;
    let Some(greeting) = greet(work).await? else { return Ok(false) };
    let login = if greeting.challenges.is_empty() {
        "anonymous, without authentication".to_owned()
    } else {
        let has = if greeting.has_credentials { "has credentials" } else { "has no credentials" };
        format!("requires authentication ({}); Docker's configuration {has}", greeting.challenges.join(", "))
    };
    let message = format!("{url} answers {}: {login}", greeting.status);
    work.printer.say(&line("upstream", message));
    if work.named.is_empty() {
        let Some(counted) = work.unless_given_up(count_repositories(work)).await else { return Ok(false) };
        work.printer.say(&match counted {
            Ok(count) if count > MAX_COUNTED => {
                line("catalog", format!("repositories that it lists: more than {MAX_COUNTED}; the rest is not counted"))
            }
            Ok(count) => line("catalog", format!("repositories that it lists: {count}")),
            Err(error) => {
                let message = format!("its repositories can't be listed ({error}): name them to backfill and verify");
                Line { status: Some(Health::Warn), ..line("no-catalog", message) }
            }
        });
    }
    Ok(true)
}

/// How many repositories are counted.
const MAX_COUNTED: usize = 1_000_000;

/// How many repositories the registry lists; a little more than [`MAX_COUNTED`] where there are more.
async fn count_repositories(work: &Work) -> Result<usize, OperatorError> {
    let (mut catalog, mut count) = (work.operator.catalog(), 0);
    while count <= MAX_COUNTED
        && !work.is_stopped()
        && let Some(page) = catalog.next().await?
    {
        count += page.len();
    }
    Ok(count)
}

async fn rewrite(work: &Work) -> Result<(), OperatorError> {
    let app = work.operator.app();
    let message = match app.config.rewrite.mode {
        RewriteMode::Never => "artifact manifests are passed through".to_owned(),
        RewriteMode::Always => "artifact manifests are wrapped in image manifests, always".to_owned(),
        RewriteMode::Auto => {
            let all = app.store.capabilities(&app.upstream.name, None).await?;
            let mut refused: Vec<&str> = all.iter().filter_map(|one| Capabilities::refused(&one.what)).collect();
            refused.sort_unstable();
            refused.dedup();
            if refused.is_empty() {
                "artifact manifests are passed through, and wrapped in image manifests if the registry refuses them; \
                 nobody has pushed one that it refused"
                    .to_owned()
            } else {
                format!("the registry refuses {}: they are wrapped in image manifests", refused.join(", "))
            }
        }
    };
    work.printer.say(&line("rewrite", message));
    Ok(())
}

async fn tags(work: &Work) -> Result<(), OperatorError> {
    let app = work.operator.app();
    let message = match app.config.referrers.tag {
        ReferrersTagMode::Write => "referrers tags are read, and kept up to date",
        ReferrersTagMode::Off => "referrers tags are left alone (referrers.tag)",
    };
    work.printer.say(&line("tags", message.to_owned()));
    let learned = app.store.capabilities(&app.upstream.name, None).await?;
    let count = learned.iter().filter(|one| one.what == Capabilities::NO_INDEX_IN_AN_INDEX).count();
    if count > 0 {
        let message = format!(
            "the registry takes no index in an index (in {count} repositories): referrers that are indexes are listed by \
             the API and are not in the referrers tags"
        );
        work.printer.say(&Line { status: Some(Health::Warn), ..line("no-indexes-in-tags", message) });
    }
    Ok(())
}

async fn pending(work: &Work) -> Result<(), OperatorError> {
    let (with_api, without) = (Cell::new(0_usize), Cell::new(0_usize));
    let visit = async |session: &RepositorySession| {
        match session.has_api().await {
            Ok(true) => with_api.set(with_api.get() + 1),
            Ok(false) => without.set(without.get() + 1),
            Err(error) => {
                let message = format!("could not check: {error}");
                let line = of_repository("unseen-repository", session);
                work.printer.finding(&Line { status: Some(Health::Fail), message, ..line });
            }
        }
        pending_in(work, session).await
    };
    let repositories = work.recorded_repositories().await?;
    let all = repositories.len();
    work.each_repository(repositories, false, visit).await;
    let (with_api, without) = (with_api.get(), without.get());
    if with_api > 0 {
        let message = format!(
            "the registry has a referrers API of its own in {with_api} of {all} repositories; through backref, backref's \
             list is the answer"
        );
        let counts = [("repositories", with_api), ("of", all)].into();
        work.printer.say(&Line { counts, ..line("api", message) });
    }
    if without > 0 {
        let message = format!("the registry has no referrers API in {without} of {all} repositories");
        let counts = [("repositories", without), ("of", all)].into();
        work.printer.say(&Line { counts, ..line("no-api", message) });
    }
    if !work.printer.has_found() && !work.is_stopped() {
        work.printer.say(&line("nothing-pending", "nothing is pending".to_owned()));
    }
    Ok(())
}

async fn pending_in(work: &Work, session: &RepositorySession) -> Result<(), OperatorError> {
    if work.operator.app().upstream.keeps_tags() {
        let stale = async |subject: Digest| {
            let state = session.tag(&subject).await.ok().flatten();
            let message = if state.is_some_and(|state| state.standing().is_some()) {
                "its referrers tag is pending: something that was sent may still change it"
            } else {
                "its referrers tag is pending: the next push to it, or `backref repair`, writes it"
            };
            let line = of_subject("pending-tag", session, &subject);
            work.printer.finding(&Line { status: Some(Health::Fail), message: message.to_owned(), ..line });
        };
        work.each_recorded(session, Recorded::Stale, stale).await?;
    }
    let unresolved = async |subject: Digest| {
        let message = "an unresolved write: the outcome of a push or delete is unknown; the next query about it, or \
                       `backref repair`, resolves it once its process is gone or its time is over";
        let line = of_subject("unresolved-write", session, &subject);
        work.printer.finding(&Line { status: Some(Health::Fail), message: message.to_owned(), ..line });
    };
    work.each_recorded(session, Recorded::Unresolved, unresolved).await
}
