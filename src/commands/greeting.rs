//! The registry's first word, for commands that would have nothing to say without it.

use http::StatusCode;

use super::{
    printer::{Health, Line},
    work::Work,
};
use crate::operator::{Greeting, OperatorError};

/// Asks the registry who it is. `None`: there is no more to ask, and a finding says why.
pub(super) async fn greet(work: &Work) -> Result<Option<Greeting>, OperatorError> {
    let Some(greeting) = work.unless_given_up(work.operator.greet()).await else { return Ok(None) };
    let url = &work.operator.app().config.upstream.url;
    let fail = |message| {
        not_asked(work, message);
        Ok(None)
    };
    let greeting = match greeting {
        Ok(greeting) => greeting,
        Err(error) => return fail(format!("{url} does not answer: {error}")),
    };
    let Greeting { status, is_html, challenges, has_credentials } = &greeting;
    let why = match *status {
        StatusCode::OK if *is_html => format!("{url} answers with a web page to /v2/: is that a registry?"),
        StatusCode::OK => return unless_backref(work, greeting).await,
        StatusCode::UNAUTHORIZED if challenges.is_empty() => {
            format!("{url} answers {status} to /v2/ without saying how to log in")
        }
        // With a token service, whoever has no credentials may be given a token all the same.
        StatusCode::UNAUTHORIZED if *has_credentials || !challenges.iter().all(|one| is_basic(one)) => {
            return unless_backref(work, greeting).await;
        }
        StatusCode::UNAUTHORIZED => format!(
            "{url} requires authentication ({}), and Docker's configuration has no credentials for it: `docker login {}`",
            challenges.join(", "),
            url.authority
        ),
        StatusCode::NOT_FOUND => format!("{url} answers {status} to /v2/: is that a registry?"),
        _ => format!("{url} answers {status} to /v2/"),
    };
    fail(why)
}

fn not_asked(work: &Work, message: String) {
    let status = Some(Health::Fail);
    work.printer.finding(&Line { kind: "upstream", status, message, ..Line::default() });
}

async fn unless_backref(work: &Work, greeting: Greeting) -> Result<Option<Greeting>, OperatorError> {
    match work.unless_given_up(work.operator.is_backref()).await {
        Some(false) => return Ok(Some(greeting)),
        Some(true) => {
            let url = &work.operator.app().config.upstream.url;
            not_asked(work, format!("{url} is a backref, not a registry: name the registry behind it"));
        }
        None => {}
    }
    Ok(None)
}

fn is_basic(challenge: &str) -> bool {
    challenge.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
}

/// Says whose rows the database has, where it has none of this upstream's.
pub(super) async fn rows_of_others(work: &Work) -> Result<(), OperatorError> {
    let app = work.operator.app();
    let names = app.store.upstreams().await?;
    let own = &*app.upstream.name;
    if names.is_empty() || names.iter().any(|name| name == own) {
        return Ok(());
    }
    let message = format!(
        "the database has rows of another upstream ({}), and none of {own}: rows are kept by upstream.name, which is the \
         registry's address unless it is set; set it to the name from before if the registry has moved",
        names.join(", ")
    );
    let status = Some(Health::Fail);
    work.printer.finding(&Line { kind: "other-upstream", status, message, ..Line::default() });
    Ok(())
}
