//! `backref tree`: an image's referrers, and theirs, asked of any registry.

use std::{collections::BTreeMap, fmt::Write, net::IpAddr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::status::ExitStatus;
use crate::{
    app, cli,
    config::{Config, Sources},
    error::Error,
    oci::{Algorithm, Digest, Reference, ReferrersTag, Repository},
    operator::{Connection, OperatorError, Tokens},
    upstream::{LoginError, MAX_PAGES, Refusal, Registry, TlsError, native_page, native_path, reference_uri},
};

/// Deeper than anyone attaches; what is below is not asked for.
const MAX_DEPTH: usize = 16;

/// One referrer, or the image itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    referrers: Vec<Node>,
}

/// What a list says about a referrer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    digest: String,
    #[serde(default)]
    size: u64,
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Listed>,
}

#[derive(Debug, thiserror::Error)]
enum TreeError {
    #[error("{0}")]
    Config(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Runtime(#[from] std::io::Error),
    #[error(transparent)]
    Asked(#[from] OperatorError),
}

pub(super) fn run(args: &cli::Tree) -> ExitStatus {
    let Some((host, repository, reference)) = parse(&args.reference) else {
        eprintln!("backref: {:?} is not HOST[:PORT]/NAME:TAG or HOST[:PORT]/NAME@DIGEST", args.reference);
        return ExitStatus::Usage;
    };
    match ask(host, args.plain_http, &repository, &reference) {
        Ok(root) if args.json => {
            // Invariant: strings and numbers serialize without fail.
            println!("{}", serde_json::to_string_pretty(&root).unwrap_or_default());
            ExitStatus::Fine
        }
        Ok(root) => {
            print!("{}", draw(&args.reference, &root));
            ExitStatus::Fine
        }
        Err(error) => {
            // A registry's words may be part of it: no control character of theirs reaches the terminal.
            eprintln!("backref: {}", error.to_string().escape_debug());
            ExitStatus::Finding
        }
    }
}

/// `HOST[:PORT]/NAME:TAG` or `HOST[:PORT]/NAME@DIGEST`
fn parse(text: &str) -> Option<(&str, Repository, String)> {
    let (host, rest) = text.split_once('/').filter(|(host, _)| !host.is_empty())?;
    let (name, reference) = rest.split_once('@').or_else(|| rest.rsplit_once(':'))?;
    Reference::parse(reference).ok()??;
    Some((host, Repository::parse(name)?, reference.to_owned()))
}

/// Asks a registry for a tree, with the credentials that Docker's own configuration has for it.
fn ask(host: &str, plain_http: bool, repository: &Repository, reference: &str) -> Result<Node, TreeError> {
    let scheme = if plain_http || is_loopback(host) { "http" } else { "https" };
    let mut sources = Sources::default();
    sources.flag("HOST", "upstream.url", Some(&format!("{scheme}://{host}")));
    let config = Config::load(sources).map_err(|mistakes| {
        TreeError::Config(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    let connection = Arc::new(Connection::new(Arc::new(app::upstream(&config)?), None)?);
    let tokens = Tokens::new(connection, vec![format!("repository:{repository}:pull")]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(tokens.with(async |registry| root(registry, repository, reference).await))?)
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn root(registry: &Registry, repository: &Repository, reference: &str) -> Result<Node, Error> {
    let bytes = manifest(registry, repository, reference).await?;
    let bytes = bytes.ok_or_else(|| unreadable(format!("{repository}, {reference} is not there")))?;
    let digest = Reference::parse(reference).ok().flatten().and_then(|reference| reference.digest().cloned());
    let digest = digest.unwrap_or_else(|| Digest::of(Algorithm::Sha256, &bytes));
    let referrers = referrers(registry, repository, &digest, 1).await?;
    let (digest, size) = (digest.to_string(), bytes.len() as u64);
    Ok(Node { digest, artifact_type: None, size, annotations: BTreeMap::new(), referrers })
}

async fn referrers(
    registry: &Registry,
    repository: &Repository,
    digest: &Digest,
    depth: usize,
) -> Result<Vec<Node>, Error> {
    let mut nodes = Vec::new();
    if depth > MAX_DEPTH {
        return Ok(nodes);
    }
    for Listed { digest, size, artifact_type, annotations } in list(registry, repository, digest).await? {
        // A list is somebody's words: what is no digest is never asked for.
        let subject = Digest::parse(&digest).map_err(|_| unreadable(format!("{digest:?} is no digest")))?;
        let referrers = Box::pin(referrers(registry, repository, &subject, depth + 1)).await?;
        nodes.push(Node { digest, artifact_type, size, annotations, referrers });
    }
    Ok(nodes)
}

/// All pages of the referrers API; without it, the referrers tag (distribution-spec 1.1, "Referrers Tag Schema").
async fn list(registry: &Registry, repository: &Repository, digest: &Digest) -> Result<Vec<Listed>, Error> {
    let read = |bytes: &[u8]| {
        let index: Result<Index, _> = serde_json::from_slice(bytes);
        let refuse = |error| unreadable(format!("the list of referrers of {digest} cannot be read: {error}"));
        index.map(|index| index.manifests).map_err(refuse)
    };
    let mut listed = Vec::new();
    let mut next = Some(native_path(repository, digest));
    for _ in 0..MAX_PAGES {
        let Some(path) = next else { break };
        let Some(page) = native_page(registry, &path).await? else {
            let tag = ReferrersTag::from(digest).to_string();
            return manifest(registry, repository, &tag).await?.map_or(Ok(listed), |bytes| read(&bytes));
        };
        listed.extend(read(&page.bytes)?);
        next = page.next;
    }
    Ok(listed)
}

async fn manifest(
    registry: &Registry,
    repository: &Repository,
    reference: &str,
) -> Result<Option<bytes::Bytes>, Error> {
    let answer = registry.get(reference_uri(repository, &reference)).await?;
    match answer.status() {
        http::StatusCode::OK => Ok(Some(registry.manifest_bytes(answer).await?)),
        http::StatusCode::NOT_FOUND => Ok(None),
        status => Err(Refusal::of(status, answer.headers()).into()),
    }
}

fn unreadable(message: String) -> Error {
    Error::Request(http::StatusCode::BAD_GATEWAY, crate::oci::ErrorCode::Unknown, message)
}

fn draw(name: &str, root: &Node) -> String {
    let mut drawn = format!("{name}\n{}\n", root.digest);
    if root.referrers.is_empty() {
        drawn.push_str("no referrers\n");
    }
    draw_below(&mut drawn, "", &root.referrers);
    drawn
}

fn draw_below(drawn: &mut String, indent: &str, nodes: &[Node]) {
    for (number, node) in nodes.iter().enumerate() {
        let last = number + 1 == nodes.len();
        let (branch, below) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        // A registry's words: no control character of theirs reaches the terminal.
        let artifact_type = node.artifact_type.as_deref().unwrap_or("(no artifact type)").escape_debug();
        // Invariant: writing to a String doesn't fail.
        let _ =
            writeln!(drawn, "{indent}{branch}{artifact_type}\n{indent}{below}{} ({} bytes)", node.digest, node.size);
        draw_below(drawn, &format!("{indent}{below}"), &node.referrers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_reference_names_host_repository_and_tag_or_digest() {
        let (host, repository, reference) = parse("127.0.0.1:5000/a/b:v1").unwrap();
        assert_eq!((host, repository.as_str(), reference.as_str()), ("127.0.0.1:5000", "a/b", "v1"));
        assert_eq!(parse("h/a@blake3:00").unwrap().2, "blake3:00");
        for bad in ["", "a:v1", "h/a", "h/A:v1", "/a:v1", "h/a@v1:"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
