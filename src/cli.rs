//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Sources;

/// With the commit, and how it was built.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ", ", env!("BUILD_PROFILE"), ")");

/// Where each shell looks for them.
const INSTALLED_COMPLETIONS: &str = "Where they are found by new shells:
  backref completions bash > /etc/bash_completion.d/backref
  backref completions zsh > /usr/local/share/zsh/site-functions/_backref
  backref completions fish > ~/.config/fish/completions/backref.fish";

/// Gives an existing container registry the OCI referrers API, so that signatures, SBOMs and scan reports can be
/// attached to images and found again.
#[derive(Debug, Parser)]
#[command(version = VERSION, max_term_width = 100, arg_required_else_help = true, subcommand_required = true)]
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
    /// Ask the `serve` that has these settings whether it is ready; for containers without another client.
    Healthcheck(Serve),
    /// Say what the upstream accepts and answers, what backref does about it, and what is pending.
    Doctor(Doctor),
    /// Fill the database from the upstream: referrers tags, digest tags, whatever else is reachable from a tag.
    ///
    /// Can be interrupted, run again, and run beside `backref serve`. Without repositories: all that the registry lists.
    Backfill(Backfill),
    /// Compare backref's database with the referrers tags and, where it has one, the upstream's own API.
    Verify(Work),
    /// Write the referrers tags that are pending, with your own credentials.
    Repair(Work),
    /// Give the upstream's own lists what they lack, so that backref may go.
    ///
    /// Where the registry has the referrers API itself: what is on record and not in its list is pushed again, as it is. Can be
    /// interrupted, and run again.
    Migrate(Migrate),
    /// Drop the records of manifests that the upstream has no more.
    Prune(Prune),
    /// Show an image's referrers, and theirs, as a tree; of any registry.
    Tree(Tree),
    /// Push, list and delete two small manifests somewhere: whether referrers work there.
    Probe(Probe),
    /// Look at the settings.
    Config {
        /// What to do with them.
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Work on the stores themselves.
    Store {
        /// What to do with them.
        #[command(subcommand)]
        what: StoreCommand,
    },
    /// Print a manual page, in roff; or write those of all commands into a folder.
    Man {
        /// A folder that is there: backref.1, backref-serve.1 and so on are written into it.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Print a completion script for a shell.
    #[command(after_help = INSTALLED_COMPLETIONS)]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Which upstream, which store, which settings.
#[derive(Debug, Args)]
pub struct Settings {
    /// The registry to stand in front of.
    #[arg(long, value_name = "URL", help = "The registry to stand in front of, such as http://127.0.0.1:5000")]
    pub upstream: Option<String>,
    /// What is remembered: sqlite:PATH [default: sqlite:backref.db].
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// A TOML file with settings.
    #[arg(long, value_name = "FILE", env = "BACKREF_CONFIG")]
    pub config: Option<PathBuf>,
}

impl Settings {
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
        sources.flag("--upstream", "upstream.url", self.upstream.as_deref());
        sources.flag("--store", "store.url", self.store.as_deref());
        sources
    }
}

/// `backref serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// Which upstream, which store.
    #[command(flatten)]
    pub settings: Settings,
    /// Where clients come in [default: 127.0.0.1:5080].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Health and metrics [default: 127.0.0.1:5081].
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
}

impl Serve {
    /// The settings' sources, weakest first.
    pub fn sources(&self) -> Sources {
        let mut sources = self.settings.sources();
        sources.flag("--listen", "listen", self.listen.as_deref());
        sources.flag("--admin", "admin.listen", self.admin.as_deref());
        sources
    }
}

/// `backref store`
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy what is in one store to another, and compare both.
    ///
    /// Nothing else may write to either meanwhile: stop `backref serve` first. Can be interrupted, and run again: it goes on where
    /// it stopped.
    Copy(CopyStore),
}

/// `backref store copy`
#[derive(Debug, Args)]
pub struct CopyStore {
    /// What is copied: `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.
    #[arg(value_name = "FROM")]
    pub from: String,
    /// Where to; made if there is nothing.
    #[arg(value_name = "TO")]
    pub to: String,
    /// A file with the database's password.
    #[arg(long, value_name = "FILE", env = "BACKREF_STORE_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// How it is said.
    #[command(flatten)]
    pub output: Output,
}

/// `backref config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say what is wrong with the settings that `serve` would have, all of it; 2 if anything is.
    Check(Serve),
    /// Print every setting with its value and where that comes from.
    Show {
        /// As for `serve`.
        #[command(flatten)]
        serve: Serve,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

/// What all commands take that go through repositories.
#[derive(Debug, Args)]
pub struct Work {
    /// Only these repositories.
    #[arg(value_name = "REPOSITORY")]
    pub repositories: Vec<String>,
    /// Which upstream, which store.
    #[command(flatten)]
    pub settings: Settings,
    /// How many things are done at a time, 16 at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub jobs: u8,
    /// How it is said.
    #[command(flatten)]
    pub output: Output,
}

/// How much a command says, and to whom.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Output {
    /// Print one JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// Print findings alone: no progress, no summary.
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log what is done on standard error, too.
    #[arg(long, short)]
    pub verbose: bool,
}

/// `backref doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Where and how.
    #[command(flatten)]
    pub work: Work,
    /// Find out what the registry takes, by pushing to this repository; what was pushed is taken away again.
    #[arg(long, value_name = "REPOSITORY")]
    pub write: Option<String>,
}

/// `backref backfill`
#[derive(Debug, Args)]
pub struct Backfill {
    /// Where and how.
    #[command(flatten)]
    pub work: Work,
    /// Only read: leave the referrers tags that are pending.
    #[arg(long)]
    pub no_write: bool,
}

/// `backref prune`
#[derive(Debug, Args)]
pub struct Prune {
    /// Where and how.
    #[command(flatten)]
    pub work: Work,
    /// Only look at what was missing before, not at all that is in the database.
    #[arg(long, conflicts_with = "orphans")]
    pub missing: bool,
    /// Name the referrers whose subject is gone, and to which nothing was added for a day.
    #[arg(long)]
    pub orphans: bool,
    /// Delete them from the registry.
    #[arg(long, requires = "orphans")]
    pub yes: bool,
}

/// `backref migrate`
#[derive(Debug, Args)]
pub struct Migrate {
    /// Where and how.
    #[command(flatten)]
    pub work: Work,
    /// Put artifact manifests in the place of their carriers, where the registry takes them.
    #[arg(long)]
    pub originals: bool,
    /// Delete the referrers tags that backref wrote, once the registry's own list has what they name.
    #[arg(long)]
    pub remove_tags: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
}

/// `backref probe`
#[derive(Debug, Args)]
pub struct Probe {
    /// HOST[:PORT]/NAME, a repository that you may push to; http for loopback addresses, https elsewhere, unless it begins with
    /// http:// or https://.
    pub repository: String,
    /// Ask over http, wherever the registry is.
    #[arg(long)]
    pub plain_http: bool,
    /// Trust the certificate authorities in this file (PEM) as well.
    #[arg(long, value_name = "FILE", conflicts_with = "plain_http")]
    pub ca_file: Option<PathBuf>,
    /// How it is said.
    #[command(flatten)]
    pub output: Output,
}

/// `backref tree`
#[derive(Debug, Args)]
pub struct Tree {
    /// HOST[:PORT]/NAME with :TAG or @DIGEST; http for loopback addresses, https elsewhere, unless it begins with http:// or
    /// https://.
    pub reference: String,
    /// How many levels of referrers are shown, 64 at most; a tree has up to 10,000 referrers.
    #[arg(long, value_name = "LEVELS", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub depth: u8,
    /// Show those of this artifact type, and what they refer to; may be given several times.
    #[arg(long, value_name = "TYPE")]
    pub artifact_type: Vec<String>,
    /// Of each manifest's referrers, show the first so many by their created annotation.
    #[arg(long, value_name = "NUMBER", conflicts_with = "last")]
    pub first: Option<usize>,
    /// The same from the end: `--last 1` shows the newest.
    #[arg(long, value_name = "NUMBER")]
    pub last: Option<usize>,
    /// Print the tree as JSON.
    #[arg(long)]
    pub json: bool,
    /// Ask over http, wherever the registry is.
    #[arg(long)]
    pub plain_http: bool,
    /// Trust the certificate authorities in this file (PEM) as well.
    #[arg(long, value_name = "FILE", conflicts_with = "plain_http")]
    pub ca_file: Option<PathBuf>,
}
