//! One file for each command.

mod backfill;
mod doctor;
mod printer;
mod prune;
mod repair;
mod serve;
mod tree;
mod verify;
mod work;

use std::{io::IsTerminal, process::ExitCode};

use clap::CommandFactory;
use tracing_subscriber::{EnvFilter, fmt};

use crate::{
    cli::{Cli, Command},
    config::{Log, LogFormat},
};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0
    Fine,
    /// 1: something was found, or could not be done.
    Finding,
    /// 2: bad usage or configuration.
    Usage,
}

/// Runs what was asked for.
pub fn run(cli: Cli) -> ExitCode {
    let status = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Backfill(args) => backfill::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Repair(args) => repair::run(&args),
        Command::Prune(args) => prune::run(&args),
        Command::Tree(args) => tree::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "backref", &mut std::io::stdout());
            ExitStatus::Fine
        }
    };
    ExitCode::from(match status {
        ExitStatus::Fine => 0,
        ExitStatus::Finding => 1,
        ExitStatus::Usage => 2,
    })
}

fn log_to_stderr(log: &Log) {
    // Invariant: the filter was parsed with the configuration.
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_default();
    // A line that standard error doesn't take (a full disk, a closed terminal) is lost: to say so there would panic.
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match log.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
