//! One file for each command.

mod backfill;
mod config;
mod connect;
mod doctor;
mod everywhere;
mod greeting;
mod healthcheck;
mod interrupt;
mod log;
mod migrate;
mod printer;
mod probe;
mod prune;
mod repair;
mod serve;
mod status;
mod store;
mod tree;
mod trial;
mod verify;
mod work;

use std::{path::Path, process::ExitCode};

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use status::ExitStatus;

/// Runs what was asked for.
pub fn run(cli: Cli) -> ExitCode {
    let status = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Backfill(args) => backfill::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Repair(args) => repair::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Prune(args) => prune::run(&args),
        Command::Tree(args) => tree::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Config { what } => config::run(&what),
        Command::Store { what } => store::run(&what),
        Command::Man { folder } => man(folder.as_deref()),
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

fn man(folder: Option<&Path>) -> ExitStatus {
    let written = match folder {
        Some(folder) => clap_mangen::generate_to(Cli::command(), folder),
        None => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout()),
    };
    match (written, folder) {
        (Ok(()), _) => ExitStatus::Fine,
        (Err(error), Some(folder)) => {
            eprintln!("backref: the manual pages cannot be written into {}: {error}", folder.display());
            ExitStatus::Usage
        }
        (Err(error), None) => {
            eprintln!("backref: the manual page cannot be printed: {error}");
            ExitStatus::Usage
        }
    }
}
