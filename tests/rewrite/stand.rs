//! A real registry, backref in front of it, and artifact manifests.

use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::{Backref, BackrefOptions, Kind, Registry, Visit, sha256};

pub(crate) const OCI: &str = "application/vnd.oci.artifact.manifest.v1+json";
pub(crate) const ORAS: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";
pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const KINDS: [Kind; 2] = [Kind::Distribution2, Kind::Distribution3];

/// Dropped in this order: backref goes before its upstream does.
pub(crate) struct Stand {
    pub(crate) backref: Backref,
    pub(crate) registry: Registry,
    pub(crate) subject: Value,
}

pub(crate) fn up(kind: Kind, config: &str) -> Stand {
    let registry = Registry::of(kind).start();
    with(registry, |backref| backref.config(config))
}

pub(crate) fn with(registry: Registry, options: impl FnOnce(BackrefOptions) -> BackrefOptions) -> Stand {
    let backref = options(Backref::of(&registry.url())).start();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).to_string();
    let subject = descriptor(INDEX, index.as_bytes());
    let answer = put(&registry.url(), digest(&subject), INDEX, index.as_bytes());
    assert_eq!(answer.status, 201, "{answer:?}");
    Stand { backref, registry, subject }
}

pub(crate) fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": sha256(content), "size": content.len()})
}

pub(crate) fn digest(descriptor: &Value) -> &str {
    descriptor["digest"].as_str().expect("a digest")
}

/// An artifact manifest without blobs.
pub(crate) fn artifact(media_type: &str, artifact_type: &str, subject: Option<&Value>, name: &str) -> Vec<u8> {
    let mut manifest = json!({
        "mediaType": media_type, "artifactType": artifact_type, "blobs": [], "annotations": {"name": name},
    });
    if let Some(subject) = subject {
        manifest["subject"] = subject.clone();
    }
    manifest.to_string().into_bytes()
}

pub(crate) fn manifest_url(base: &str, reference: &str) -> String {
    format!("{base}/v2/app/manifests/{reference}")
}

pub(crate) fn put(base: &str, reference: &str, media_type: &str, manifest: &[u8]) -> Answer {
    http::send("PUT", &manifest_url(base, reference), &[("Content-Type", media_type)], manifest)
}

pub(crate) fn get(base: &str, reference: &str, accept: &[&str]) -> Answer {
    let accept: Vec<_> = accept.iter().map(|line| ("Accept", *line)).collect();
    http::get(&manifest_url(base, reference), &accept)
}

pub(crate) fn head(base: &str, reference: &str, accept: &[&str]) -> Answer {
    let accept: Vec<_> = accept.iter().map(|line| ("Accept", *line)).collect();
    http::send("HEAD", &manifest_url(base, reference), &accept, b"")
}

pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

/// Passes a request on to a registry. Its answer, and the lines of it that clients go by.
pub(crate) fn relay(visit: &mut Visit, upstream: &str) -> (Answer, Vec<String>) {
    let body = visit.body().unwrap_or_default();
    let headers = ["content-type", "accept"];
    let headers: Vec<_> = headers.iter().filter_map(|name| Some((*name, visit.head.header(name)?))).collect();
    // Of a HEAD the length would be lost.
    let method = if visit.is("HEAD") { "GET" } else { visit.head.method() };
    let answer = http::send(method, &format!("{upstream}{}", visit.head.target()), &headers, &body);
    let lines = ["location", "content-type", "docker-content-digest", "etag"]
        .iter()
        .filter_map(|name| Some(format!("{name}: {}", answer.headers.get(*name)?.to_str().expect("text"))))
        .map(|line| line.replace(upstream, ""))
        .collect();
    (answer, lines)
}

impl Stand {
    pub(crate) fn url(&self) -> String {
        self.backref.url()
    }

    /// Pushes an artifact manifest by its digest, which is returned.
    pub(crate) fn push(&self, media_type: &str, manifest: &[u8]) -> String {
        let digest = sha256(manifest);
        let answer = put(&self.url(), &digest, media_type, manifest);
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(header(&answer, "docker-content-digest"), digest);
        digest
    }

    /// The descriptors that a list names, by a path after `/v2/app/`.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let answer = http::get(&format!("{}/v2/app/{path}", self.url()), &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let list: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let list = list.get("referrers").or_else(|| list.get("manifests")).expect("a list");
        list.as_array().expect("a list").clone()
    }

    /// As the 1.1 API lists: what the upstream holds.
    pub(crate) fn carriers(&self, subject: &str) -> Vec<Value> {
        self.list(&format!("referrers/{subject}"))
    }

    /// As the working group's API lists: what was pushed.
    pub(crate) fn originals(&self, subject: &str) -> Vec<Value> {
        self.list(&format!("_oci/artifacts/referrers?digest={subject}"))
    }

    /// The one referrer that the 1.1 API lists.
    pub(crate) fn only_carrier(&self, subject: &str) -> String {
        let [carrier] = &self.carriers(subject)[..] else { panic!("not one: {:?}", self.carriers(subject)) };
        digest(carrier).to_owned()
    }
}
