//! One file for each command.

mod serve;
mod tree;

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Command};

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
