//! What a registry does with manifests; when it does so and what it answers is for the test to decide.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ring::digest::{SHA256, SHA512, digest};

use super::{Fake, Visit};

/// What a registry holds: enough to push, ask for and delete manifests. Its clones are the same registry.
#[derive(Clone, Default)]
pub(crate) struct Holdings(Arc<Mutex<Manifests>>);

/// By path: the content type, and the bytes.
type Manifests = BTreeMap<String, (String, Vec<u8>)>;

/// An answer that has not been given yet.
pub(crate) struct Reply {
    status: &'static str,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Holdings {
    /// A registry with these manifests that answers as `meddle` does, which is `false` for what it leaves to the registry.
    pub(crate) fn upstream(&self, meddle: impl Fn(&Self, &mut Visit) -> bool + Send + Sync + 'static) -> Fake {
        let held = self.clone();
        Fake::start(move |visit| {
            if !meddle(&held, visit) {
                held.serve(visit);
            }
        })
    }

    /// Puts a manifest there as if it had always been there, and returns its path.
    pub(crate) fn hold(&self, repository: &str, content_type: &str, manifest: &[u8]) -> String {
        let path = format!("/v2/{repository}/manifests/{}", sha256(manifest));
        self.hold_at(&path, content_type, manifest);
        path
    }

    /// The same under any path.
    pub(crate) fn hold_at(&self, path: &str, content_type: &str, manifest: &[u8]) {
        let content = (content_type.to_owned(), manifest.to_owned());
        self.0.lock().expect("no one panicked").insert(path.to_owned(), content);
    }

    pub(crate) fn forget(&self, path: &str) {
        self.0.lock().expect("no one panicked").remove(path).expect("what is forgotten was held");
    }

    pub(crate) fn holds(&self, path: &str) -> bool {
        self.0.lock().expect("no one panicked").contains_key(path)
    }

    /// Whether a tagged index of the repository at `parent` (`/v2/…/manifests`) lists a digest.
    pub(crate) fn lists(&self, parent: &str, digest: &str) -> bool {
        let held = self.0.lock().expect("no one panicked");
        let is_tag = |path: &str| path.rsplit_once('/').is_some_and(|(of, tag)| of == parent && !tag.contains(':'));
        let lists = |bytes: &[u8]| {
            let index: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
            index["manifests"].as_array().is_some_and(|all| all.iter().any(|one| one["digest"] == digest))
        };
        held.iter().any(|(path, (_, bytes))| is_tag(path) && lists(bytes))
    }

    /// The digests of the manifests that name that one as their subject.
    pub(crate) fn referrers(&self, subject: &str) -> Vec<String> {
        let held = self.0.lock().expect("no one panicked");
        let of =
            |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_default()["subject"].take();
        let refers =
            held.iter().filter(|(path, (_, bytes))| path.contains("/sha256:") && of(bytes)["digest"] == subject);
        refers.map(|(_, (_, bytes))| sha256(bytes)).collect()
    }

    /// Whom the manifest under a path names as its subject.
    pub(crate) fn subject_of(&self, path: &str) -> Option<String> {
        let held = self.0.lock().expect("no one panicked");
        let manifest: serde_json::Value = serde_json::from_slice(&held.get(path)?.1).ok()?;
        manifest["subject"]["digest"].as_str().map(str::to_owned)
    }

    /// Does what is asked, without answering yet. `None` when the request was cut off.
    pub(crate) fn apply(&self, visit: &mut Visit) -> Option<Reply> {
        let body = visit.body()?;
        let target = visit.head.target().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let path = path.to_owned();
        let mut held = self.0.lock().expect("no one panicked");
        let reply = |status, headers, body: &[u8]| Some(Reply { status, headers, body: body.to_owned() });
        let (parent, reference) = path.rsplit_once('/').expect("a path");
        if parent.ends_with("/blobs") && reference.starts_with("sha") {
            return reply("404 Not Found", vec![], b"");
        }
        if !parent.ends_with("/manifests") {
            return reply("200 OK", vec![], b"{}");
        }
        match (visit.head.method(), held.get(&path)) {
            ("PUT", _) => {
                let digest = if reference.starts_with("sha512:") { sha512(&body) } else { sha256(&body) };
                let headers = vec![format!("Docker-Content-Digest: {digest}"), format!("Location: {parent}/{digest}")];
                let content_type = visit.head.header("Content-Type").unwrap_or_default().to_owned();
                let tags = query.split('&').filter_map(|pair| pair.strip_prefix("tag="));
                for reference in tags.chain([digest.as_str()]) {
                    held.insert(format!("{parent}/{reference}"), (content_type.clone(), body.clone()));
                }
                held.insert(path, (content_type, body));
                reply("201 Created", headers, b"")
            }
            ("DELETE", Some(_)) => {
                let (_, bytes) = held.remove(&path)?;
                if reference.contains(':') {
                    // Its tags go with it.
                    held.retain(|path, (_, held)| path.contains(':') || *held != bytes);
                }
                reply("202 Accepted", vec![], b"")
            }
            (_, Some((content_type, body))) => {
                let headers =
                    vec![format!("Content-Type: {content_type}"), format!("Docker-Content-Digest: {}", sha256(body))];
                reply("200 OK", headers, body)
            }
            (_, None) => reply(
                "404 Not Found",
                vec!["Content-Type: application/json".to_owned()],
                br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
            ),
        }
    }

    /// Does and answers.
    pub(crate) fn serve(&self, visit: &mut Visit) {
        if let Some(reply) = self.apply(visit) {
            reply.give(visit);
        }
    }
}

impl Reply {
    /// With more headers.
    pub(crate) fn with(mut self, headers: &[&str]) -> Self {
        self.headers.extend(headers.iter().map(|&line| line.to_owned()));
        self
    }

    pub(crate) fn give(self, visit: &mut Visit) {
        let headers: Vec<&str> = self.headers.iter().map(String::as_str).collect();
        visit.answer(self.status, &headers, &self.body);
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(digest(&SHA256, bytes).as_ref()))
}

pub(crate) fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex(digest(&SHA512, bytes).as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
