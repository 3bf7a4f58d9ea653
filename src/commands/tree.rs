//! `backref tree`: an image's referrers, and theirs, asked of any registry.

mod descriptor;
mod graph;
mod show;
mod view;
mod walk;

use std::io::{IsTerminal, Write};

use super::{
    connect::{ConnectError, Way, connect, split},
    interrupt::Interrupt,
    status::ExitStatus,
};
use crate::{
    cli,
    oci::{Reference, Repository},
    operator::{OperatorError, Tokens},
    printable::Printable,
};
use view::View;
use walk::Walk;

#[derive(Debug, thiserror::Error)]
enum TreeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Runtime(#[from] std::io::Error),
    #[error(transparent)]
    Asked(#[from] OperatorError),
    #[error("interrupted: not all referrers are shown")]
    Interrupted,
}

pub(super) fn run(args: &cli::Tree) -> ExitStatus {
    let Some(asked) = parse(&args.reference) else {
        eprintln!("backref: {:?} is not HOST[:PORT]/NAME:TAG or HOST[:PORT]/NAME@DIGEST", args.reference);
        return ExitStatus::Usage;
    };
    match ask(asked, args) {
        Ok(()) => ExitStatus::Fine,
        Err(error) => {
            // A registry's words may be part of it.
            eprintln!("backref: {}", Printable(&error.to_string()));
            ExitStatus::Finding
        }
    }
}

/// What is asked for.
struct Asked<'a> {
    /// Where it is given.
    scheme: Option<&'a str>,
    host: &'a str,
    repository: Repository,
    reference: &'a str,
}

/// `HOST[:PORT]/NAME:TAG` or `HOST[:PORT]/NAME@DIGEST`, perhaps with a scheme before it.
fn parse(text: &str) -> Option<Asked<'_>> {
    let (scheme, host, rest) = split(text)?;
    let (name, reference) = rest.split_once('@').or_else(|| rest.rsplit_once(':'))?;
    Reference::parse(reference).ok()??;
    Some(Asked { scheme, host, repository: Repository::parse(name)?, reference })
}

/// Asks a registry for a tree, with the credentials that Docker's own configuration has for it, and prints what was found,
/// whatever ended it.
fn ask(asked: Asked<'_>, args: &cli::Tree) -> Result<(), TreeError> {
    let Asked { scheme, host, repository, reference } = asked;
    let way = Way { scheme, host, plain_http: args.plain_http, ca_file: args.ca_file.as_deref() };
    let connection = connect(&way)?;
    let tokens = Tokens::new(connection, vec![format!("repository:{repository}:pull")]);
    let mut walk = Walk::new(tokens, repository, usize::from(args.depth));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let interrupt = Interrupt::default();
    let ended = runtime.block_on(async {
        interrupt.listen()?;
        tokio::select! {
            ended = walk.run(reference) => Ok(ended?),
            () = interrupt.stop.cancelled() => Err(TreeError::Interrupted),
        }
    });
    print(args, &walk);
    ended
}

fn print(args: &cli::Tree, walk: &Walk) {
    if walk.graph.nodes.is_empty() {
        return;
    }
    let view = View::new(&walk.graph, args);
    // Digests in files and pipes are for programs, which need all of them.
    let for_people = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = if args.json { show::json(&view) + "\n" } else { show::draw(&args.reference, &view, for_people) };
    // Nobody may read it any more.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_reference_names_host_repository_and_tag_or_digest() {
        let Asked { scheme, host, repository, reference } = parse("127.0.0.1:5000/a/b:v1").unwrap();
        assert_eq!((scheme, host, repository.as_str(), reference), (None, "127.0.0.1:5000", "a/b", "v1"));
        assert_eq!(parse("h/a@blake3:00").unwrap().reference, "blake3:00");
        let asked = parse("https://h/a:v1").unwrap();
        assert_eq!((asked.scheme, asked.host), (Some("https"), "h"));
        for bad in ["", "a:v1", "h/a", "h/A:v1", "/a:v1", "h/a@v1:", "ftp://h/a:v1", "https:///a:v1"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
