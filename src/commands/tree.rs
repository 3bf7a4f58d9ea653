//! `backref tree`: an image's referrers, and theirs, asked of any registry.

use std::{collections::BTreeMap, fmt::Write};

use serde::{Deserialize, Serialize};

use super::ExitStatus;
use crate::{
    cli::Tree,
    oci::{Algorithm, Digest, Reference, Repository},
    upstream::{MAX_PAGES, Remote, RemoteError, next_page},
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
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("{0} is not there")]
    Absent(String),
    #[error("the list of referrers of {digest} cannot be read: {reason}")]
    List { digest: String, reason: String },
}

pub(super) fn run(args: &Tree) -> ExitStatus {
    let Some((host, repository, reference)) = parse(&args.reference) else {
        eprintln!("backref: {:?} is not HOST[:PORT]/NAME:TAG or HOST[:PORT]/NAME@DIGEST", args.reference);
        return ExitStatus::Usage;
    };
    let asked = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string());
    let asked = asked.and_then(|runtime| {
        let ask = async { Asking { remote: Remote::new(host, args.plain_http)?, repository }.root(&reference).await };
        runtime.block_on(ask).map_err(|error: TreeError| error.to_string())
    });
    match asked {
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
            eprintln!("backref: {error}");
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

struct Asking {
    remote: Remote,
    repository: Repository,
}

impl Asking {
    async fn root(mut self, reference: &str) -> Result<Node, TreeError> {
        let bytes = self.get(&format!("manifests/{reference}")).await?;
        let bytes = bytes.ok_or_else(|| TreeError::Absent(format!("{}, {reference}", self.repository)))?;
        let digest = Reference::parse(reference).ok().flatten().and_then(|reference| reference.digest().cloned());
        let digest = digest.unwrap_or_else(|| Digest::of(Algorithm::Sha256, &bytes)).to_string();
        let referrers = self.referrers(&digest, 1).await?;
        let size = bytes.len() as u64;
        Ok(Node { digest, artifact_type: None, size, annotations: BTreeMap::new(), referrers })
    }

    async fn referrers(&mut self, digest: &str, depth: usize) -> Result<Vec<Node>, TreeError> {
        let mut nodes = Vec::new();
        if depth > MAX_DEPTH {
            return Ok(nodes);
        }
        for Listed { digest, size, artifact_type, annotations } in self.list(digest).await? {
            let referrers = Box::pin(self.referrers(&digest, depth + 1)).await?;
            nodes.push(Node { digest, artifact_type, size, annotations, referrers });
        }
        Ok(nodes)
    }

    /// All pages of the referrers API; without it, the referrers tag (distribution-spec 1.1, "Referrers Tag Schema").
    async fn list(&mut self, digest: &str) -> Result<Vec<Listed>, TreeError> {
        let unreadable = |reason: String| TreeError::List { digest: digest.to_owned(), reason };
        let mut listed = Vec::new();
        let mut next = Some(format!("/v2/{}/referrers/{digest}", self.repository));
        for _ in 0..MAX_PAGES {
            let Some(path) = next else { break };
            let answer = self.remote.get(&path).await?;
            let there = answer.status().is_success();
            let link = next_page(answer.headers());
            let bytes = answer.bytes().await.map_err(|error| unreadable(error.to_string()))?;
            let bytes = if there {
                bytes.to_vec()
            } else {
                match self.get(&format!("manifests/{}", digest.replace(':', "-"))).await? {
                    Some(bytes) => bytes,
                    None => break,
                }
            };
            let index: Index = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
            // A list is somebody's words: what is no digest is never asked for.
            if let Some(odd) = index.manifests.iter().find(|entry| Digest::parse(&entry.digest).is_err()) {
                return Err(unreadable(format!("{:?} is no digest", odd.digest)));
            }
            listed.extend(index.manifests);
            next = link.filter(|_| there);
        }
        Ok(listed)
    }

    async fn get(&mut self, what: &str) -> Result<Option<Vec<u8>>, TreeError> {
        let path = format!("/v2/{}/{what}", self.repository);
        let answer = self.remote.get(&path).await?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        let bytes = answer.bytes().await.map_err(|error| RemoteError::Request(error.to_string()))?;
        Ok(Some(bytes.to_vec()))
    }
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
    fn references() {
        let (host, repository, reference) = parse("127.0.0.1:5000/a/b:v1").unwrap();
        assert_eq!((host, repository.as_str(), reference.as_str()), ("127.0.0.1:5000", "a/b", "v1"));
        assert_eq!(parse("h/a@blake3:00").unwrap().2, "blake3:00");
        for bad in ["", "a:v1", "h/a", "h/A:v1", "/a:v1", "h/a@v1:"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
