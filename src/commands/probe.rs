//! `backref probe`: whether what refers to an image can be pushed somewhere, is listed there, and can be deleted.

use super::{
    connect::{ConnectError, Way, connect, split},
    status::ExitStatus,
};
use crate::{
    cli,
    oci::Repository,
    operator::{OperatorError, Probe, Tokens, probe},
    printable::Printable,
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
        eprintln!("backref: {:?} is not HOST[:PORT]/NAME", args.repository);
        return ExitStatus::Usage;
    };
    match ask(&way, &repository) {
        Ok(probe) => say(&probe),
        Err(error) => {
            // A registry's words may be part of it.
            eprintln!("backref: {}", Printable(&error.to_string()));
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

fn say(probe: &Probe) -> ExitStatus {
    let Probe { image, referrer, listed, left } = probe;
    if !image.is_success() {
        println!("FAIL  an image can't be pushed there: {image}");
        return ExitStatus::Finding;
    }
    if !referrer.is_success() {
        println!("FAIL  what refers to an image can't be pushed there: {referrer}");
        return ExitStatus::Finding;
    }
    println!("OK    an image was pushed, and what refers to it");
    match listed {
        Some(true) => println!("OK    it is listed"),
        Some(false) => println!("FAIL  there is a list of referrers, and what was just pushed is not in it"),
        None => println!("FAIL  there is no list of referrers: is backref in front of this registry?"),
    }
    match &left[..] {
        [] => println!("OK    both are gone again"),
        left => println!("WARN  deletes are refused there, so this stays: {}", left.join(", ")),
    }
    if *listed == Some(true) { ExitStatus::Fine } else { ExitStatus::Finding }
}
