//! `backref probe`: whether what refers to an image can be pushed somewhere, is listed there, and can be deleted.

use super::{
    connect::{ConnectError, Way, connect, split},
    printer::{Health, Line, Printer, fail},
    status::ExitStatus,
};
use crate::{
    cli,
    oci::Repository,
    operator::{OperatorError, Probe, Tokens, probe},
};

#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Runtime(#[from] std::io::Error),
    #[error(transparent)]
    Asked(#[from] OperatorError),
}

pub(super) fn run(args: &cli::Probe) -> ExitStatus {
    let Some((way, repository)) = parse(args) else {
        return fail(args.output, &format!("{:?} is not HOST[:PORT]/NAME", args.repository));
    };
    match ask(&way, &repository) {
        Ok(probe) => {
            let printer = Printer::new(args.output);
            say(&printer, &probe);
            if printer.has_found() { ExitStatus::Finding } else { ExitStatus::Fine }
        }
        Err(error) => {
            fail(args.output, &error);
            ExitStatus::Finding
        }
    }
}

fn parse(args: &cli::Probe) -> Option<(Way<'_>, Repository)> {
    let (scheme, host, name) = split(&args.repository)?;
    let way = Way { scheme, host, plain_http: args.plain_http, ca_file: args.ca_file.as_deref() };
    Some((way, Repository::parse(name)?))
}

fn ask(way: &Way<'_>, repository: &Repository) -> Result<Probe, ProbeError> {
    let connection = connect(way)?;
    let scope = |actions| format!("repository:{repository}:{actions}");
    let tokens = Tokens::new(connection, vec![scope("pull,push,delete"), scope("pull,push")]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(probe(&tokens, repository))?)
}

/// What was tried, and whether it went as it should.
fn say(printer: &Printer, probe: &Probe) {
    let Probe { image, referrer, listed, left } = probe;
    let say = |kind, status, message: String| {
        let line = Line { kind, status: Some(status), message, ..Line::default() };
        if matches!(status, Health::Fail) { printer.finding(&line) } else { printer.say(&line) }
    };
    if !image.is_success() {
        return say("image", Health::Fail, format!("an image can't be pushed there: {image}"));
    }
    if !referrer.is_success() {
        return say("subject", Health::Fail, format!("what refers to an image can't be pushed there: {referrer}"));
    }
    say("subject", Health::Ok, "an image was pushed, and what refers to it".to_owned());
    let (status, message) = match listed {
        Some(true) => (Health::Ok, "it is listed"),
        Some(false) => (Health::Fail, "there is a list of referrers, and what was just pushed is not in it"),
        None => (Health::Fail, "there is no list of referrers: is backref in front of this registry?"),
    };
    say("list", status, message.to_owned());
    match &left[..] {
        [] => say("deletes", Health::Ok, "both are gone again".to_owned()),
        left => say("deletes", Health::Warn, format!("deletes are refused there, so this stays: {}", left.join(", "))),
    }
}
