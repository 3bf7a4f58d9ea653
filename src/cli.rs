//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Sources;

/// Gives an existing container registry the OCI referrers API, so that signatures, SBOMs and scan reports can be
/// attached to images and found again.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve clients in front of a registry.
    ///
    /// Every setting can stand in a file (--config), in a BACKREF_* variable, or here; the later wins.
    Serve(Serve),
    /// Show an image's referrers, and theirs, as a tree; of any registry.
    Tree(Tree),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// `backref serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// The registry to stand in front of.
    #[arg(long, value_name = "URL", help = "The registry to stand in front of, such as http://127.0.0.1:5000")]
    pub upstream: Option<String>,
    /// Where clients come in [default: 127.0.0.1:5080].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Health and metrics [default: 127.0.0.1:5081].
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
    /// What is remembered: sqlite:PATH [default: sqlite:backref.db].
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// A TOML file with settings.
    #[arg(long, value_name = "FILE", env = "BACKREF_CONFIG")]
    pub config: Option<PathBuf>,
}

impl Serve {
    /// The settings' sources, weakest first.
    pub fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        if let Some(path) = &self.config {
            sources.file(path);
        }
        sources.environment(std::env::vars_os().filter_map(|(name, value)| {
            // What isn't text is no variable of ours.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        for (flag, key, value) in [
            ("--upstream", "upstream.url", &self.upstream),
            ("--listen", "listen", &self.listen),
            ("--admin", "admin", &self.admin),
            ("--store", "store.url", &self.store),
        ] {
            sources.flag(flag, key, value.as_deref());
        }
        sources
    }
}

/// `backref tree`
#[derive(Debug, Args)]
pub struct Tree {
    /// HOST[:PORT]/NAME with :TAG or @DIGEST; http for loopback addresses, https elsewhere.
    pub reference: String,
    /// Print the tree as JSON.
    #[arg(long)]
    pub json: bool,
    /// Ask over http, wherever the registry is.
    #[arg(long)]
    pub plain_http: bool,
}
