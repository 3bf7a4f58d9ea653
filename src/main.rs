//! `backref`: parses the command line and dispatches.

use std::process::ExitCode;

use clap::Parser;

use backref::{cli::Cli, commands};

/// Measured faster than the system's on small requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::run(Cli::parse())
}
