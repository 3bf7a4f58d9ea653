//! `backref doctor`: what the upstream says, what backref does about it, and what is owed.

use super::{
    ExitStatus,
    printer::Line,
    work::{self, Store, Work, of_repository, of_subject},
};
use crate::{
    cli,
    config::{ReferrersTagMode, RewriteMode},
    handler::{Inside, Trouble},
    oci::Digest,
    store::{Known, now_micros},
};

pub(super) fn run(args: &cli::Work) -> ExitStatus {
    work::run(args, Store::MayBeNew, async |work| {
        upstream(work).await?;
        rewrite(work).await?;
        tags(work);
        debts(work).await
    })
}

fn line(kind: &'static str, message: String) -> Line {
    Line { kind, message, ..Line::default() }
}

async fn upstream(work: &Work) -> Result<(), Trouble> {
    let url = &work.operator.app().config.upstream.url;
    let probe = work.operator.probe().await?;
    let login = match (&probe.challenge, probe.has_credentials) {
        (None, _) => "without asking who it is".to_owned(),
        (Some(challenge), true) => format!("asks who it is ({challenge}); Docker's configuration has credentials"),
        (Some(challenge), false) => format!("asks who it is ({challenge}); Docker's configuration has no credentials"),
    };
    let message = format!("{url} answers {}: {login}", probe.status);
    work.printer.say(&line("upstream", message));
    if work.named.is_empty() {
        let (kind, message) = match work.operator.catalog().await {
            Ok(names) => ("catalog", format!("repositories that it lists: {}", names.len())),
            Err(trouble) => (
                "no-catalog",
                format!("it does not list its repositories ({trouble}): name them to backfill and verify"),
            ),
        };
        work.printer.say(&line(kind, message));
    }
    Ok(())
}

async fn rewrite(work: &Work) -> Result<(), Trouble> {
    let app = work.operator.app();
    let learned = app.learned().await?;
    let message = match app.config.rewrite.mode {
        RewriteMode::Never => "artifact manifests go to the registry as they are".to_owned(),
        RewriteMode::Always => "artifact manifests are carried by image manifests, always".to_owned(),
        RewriteMode::Auto => {
            let refused = learned.refused_now(now_micros());
            if refused.is_empty() {
                "artifact manifests are tried as they are: nobody has pushed one that the registry refused".to_owned()
            } else {
                format!("the registry refuses {}: carried by image manifests", refused.join(", "))
            }
        }
    };
    work.printer.say(&line("rewrite", message));
    Ok(())
}

fn tags(work: &Work) {
    let message = match work.operator.app().config.referrers.tag {
        ReferrersTagMode::Write => "referrers tags are read, and kept up to date",
        ReferrersTagMode::Off => "referrers tags are left alone (referrers.tag)",
    };
    work.printer.say(&line("tags", message.to_owned()));
}

async fn debts(work: &Work) -> Result<(), Trouble> {
    let visit = async |inside: &Inside| {
        let api = match inside.has_api().await {
            Ok(true) => {
                "the registry has a referrers API of its own here; through backref, backref's list is the answer"
            }
            Ok(false) => "the registry has no referrers API here",
            Err(trouble) => {
                let message = format!("can't be asked about: {trouble}");
                work.printer.finding(&Line { message, ..of_repository("unseen-repository", inside) });
                return owed(work, inside).await;
            }
        };
        work.printer.say(&Line { message: api.to_owned(), ..of_repository("api", inside) });
        owed(work, inside).await
    };
    work.each_repository(work.on_record().await?, false, visit).await;
    if !work.printer.has_found() {
        work.printer.say(&line("no-debt", "nothing is owed".to_owned()));
    }
    Ok(())
}

async fn owed(work: &Work, inside: &Inside) -> Result<(), Trouble> {
    if work.operator.keeps_tags() {
        let behind = async |subject: Digest| {
            let unsettled = match inside.tag(&subject).await {
                Ok(state) => state.and_then(|state| state.unsettled_until).is_some_and(|until| until > now_micros()),
                Err(_) => false,
            };
            let message = if unsettled {
                "its referrers tag is owed: something that was sent may still change it"
            } else {
                "its referrers tag is owed: the next push to it, or `backref repair`, writes it"
            };
            let line = of_subject("owed", inside, &subject);
            work.printer.finding(&Line { message: message.to_owned(), ..line });
        };
        work.each_known(inside, Known::Owed, behind).await?;
    }
    let open = async |subject: Digest| {
        let message = "a push or delete has no outcome yet: the next question about it, or `backref repair`, settles it once its \
                       process is gone or its time is over";
        let line = of_subject("open", inside, &subject);
        work.printer.finding(&Line { message: message.to_owned(), ..line });
    };
    work.each_known(inside, Known::Open, open).await
}
