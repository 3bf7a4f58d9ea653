//! `backref`: parses the command line and dispatches.

use std::process::ExitCode;

use clap::Parser;

use backref::{cli::Cli, commands};

fn main() -> ExitCode {
    commands::run(Cli::parse())
}
