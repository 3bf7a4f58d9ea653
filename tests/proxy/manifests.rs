//! Manifests, pushes and queries, in one repository.

use serde_json::json;

use crate::support::http::{self, Answer};
use crate::support::{Backref, sha256};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const REPOSITORY: &str = "app";

/// A manifest that needs no blobs, so that every registry takes it.
pub(crate) fn plain(name: &str) -> Vec<u8> {
    let manifest = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"name": name}});
    manifest.to_string().into_bytes()
}

/// The same with a subject.
pub(crate) fn referrer(subject: &str, name: &str) -> Vec<u8> {
    let manifest = json!({
        "schemaVersion": 2, "mediaType": INDEX, "artifactType": format!("application/vnd.test.{name}"), "manifests": [],
        "subject": {"mediaType": INDEX, "digest": subject, "size": 2}, "annotations": {"name": name},
    });
    manifest.to_string().into_bytes()
}

pub(crate) fn path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

/// Pushes an index under any reference.
pub(crate) fn push_as(host: &str, reference: &str, manifest: &[u8]) -> Answer {
    http::send("PUT", &format!("http://{host}{}", path(reference)), &[("Content-Type", INDEX)], manifest)
}

/// Pushes an index by its digest, which is returned.
pub(crate) fn push(host: &str, manifest: &[u8]) -> String {
    let digest = sha256(manifest);
    let answer = push_as(host, &digest, manifest);
    assert_eq!(answer.status, 201, "{answer:?}");
    digest
}

pub(crate) fn delete(host: &str, digest: &str) -> Answer {
    http::send("DELETE", &format!("http://{host}{}", path(digest)), &[], b"")
}

/// The digest tag of a referrer, as clients without the API write it.
#[allow(dead_code, reason = "not every suite has such")]
pub(crate) fn digest_tag(subject: &str, manifest: &[u8]) -> String {
    let digest = sha256(manifest);
    let hex = digest.strip_prefix("sha256:").expect("a sha256 digest");
    format!("{}.{}", subject.replace(':', "-"), &hex[..16])
}

/// The digests that the working group's API lists, in order of arrival where they have no created annotation. It lists those
/// too whose bytes name no subject.
#[allow(dead_code, reason = "not every suite has such")]
pub(crate) fn known(backref: &Backref, subject: &str) -> Vec<String> {
    let url = format!("{}/v2/{REPOSITORY}/_oci/artifacts/referrers?digest={subject}", backref.url());
    let answer = http::get(&url, &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let list = answer.json()["referrers"].as_array().expect("a list").clone();
    list.iter().rev().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
}

/// The digests that the 1.1 API lists, in its order.
pub(crate) fn listed(backref: &Backref, subject: &str) -> Vec<String> {
    let referrers = http::referrers(backref.host(), REPOSITORY, subject, &[]);
    referrers.iter().map(|referrer| referrer["digest"].as_str().expect("a digest").to_owned()).collect()
}
