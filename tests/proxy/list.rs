//! Referrers queries by the OCI 1.1 API: what they list, in which order, and how the answer looks.

use serde_json::json;

use crate::manifests::{INDEX, REPOSITORY, delete, listed, push_as, referrer};
use crate::stand::{Stand, up};
use crate::support::{Backref, Fake, http, sha256};
use crate::wire::{Wire, ask, error_code};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

impl Stand {
    fn get(&self, query: &str) -> http::Answer {
        http::get(&format!("{}/v2/{REPOSITORY}/referrers/{}{query}", self.backref.url(), self.subject), &[])
    }

    fn names(&self, query: &str) -> Vec<String> {
        let answer = self.get(query);
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let index = answer.json();
        let manifests = index["manifests"].as_array().expect("an index");
        manifests.iter().map(|one| one["annotations"]["name"].as_str().expect("a name").to_owned()).collect()
    }
}

#[test]
fn query_lists_the_oldest_first_and_a_repeated_push_keeps_its_place() {
    let stand = up();
    for name in ["a", "b", "c"] {
        stand.push(name);
    }
    assert_eq!(stand.names(""), ["a", "b", "c"]);
    stand.push("a");
    assert_eq!(push_as(stand.backref.host(), "v1", &referrer(&stand.subject, "b")).status, 201);
    assert_eq!(stand.names(""), ["a", "b", "c"]);
}

#[test]
fn query_lists_a_referrer_that_was_deleted_and_pushed_again_last() {
    let stand = up();
    let digests = ["a", "b", "c"].map(|name| stand.push(name));
    assert_eq!(delete(stand.backref.host(), &digests[0]).status, 202);
    assert_eq!(stand.names(""), ["b", "c"]);
    stand.push("a");
    assert_eq!(stand.names(""), ["b", "c", "a"]);
}

#[test]
fn query_in_one_repository_lists_nothing_of_another() {
    let stand = up();
    stand.push("a");
    let elsewhere = http::referrers(stand.backref.host(), "other", &stand.subject, &[]);
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn query_descriptors_have_the_fields_of_the_specification() {
    let stand = up();
    let subject = json!({"mediaType": INDEX, "digest": stand.subject, "size": 2});
    let config = json!({"mediaType": "application/vnd.test.config", "digest": sha256(b"{}"), "size": 2});
    let annotations = json!({"org.opencontainers.image.created": "2020-01-01T00:00:00Z", "ü\"\\": "\u{1}"});
    let manifests = [
        (IMAGE, json!({"mediaType": IMAGE, "artifactType": "a/b", "config": config, "layers": [], "subject": subject})),
        (IMAGE, json!({"mediaType": IMAGE, "artifactType": "", "config": config, "layers": [], "subject": subject})),
        (IMAGE, json!({"config": config, "subject": subject, "annotations": annotations, "data": "e30="})),
        (INDEX, json!({"mediaType": INDEX, "manifests": [], "subject": subject, "annotations": {}})),
    ];
    let mut expected = Vec::new();
    for (media_type, manifest) in &manifests {
        let bytes = manifest.to_string();
        let digest = sha256(bytes.as_bytes());
        let url = format!("{}{}", stand.backref.url(), crate::manifests::path(&digest));
        assert_eq!(http::send("PUT", &url, &[("Content-Type", media_type)], bytes.as_bytes()).status, 201);
        expected.push(json!({"mediaType": media_type, "digest": digest, "size": bytes.len()}));
    }
    expected[0]["artifactType"] = json!("a/b");
    expected[1]["artifactType"] = json!("application/vnd.test.config");
    expected[2]["artifactType"] = json!("application/vnd.test.config");
    expected[2]["annotations"] = annotations;
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": expected});
    assert_eq!(stand.get("").json(), index);
}

#[test]
fn query_filter_takes_several_artifact_types_and_says_that_it_was_applied() {
    let stand = up();
    for name in ["a", "b", "c+d"] {
        stand.push(name);
    }
    let of = |name: &str| format!("artifactType=application%2Fvnd.test.{name}");
    for (query, names) in [
        (format!("?{}", of("a")), vec!["a"]),
        (format!("?{}&{}", of("c%2Bd"), of("a")), vec!["a", "c+d"]),
        ("?artifactType=application/vnd.test.c+d".to_owned(), vec!["c+d"]),
        ("?artifactType=application/vnd.test.none".to_owned(), vec![]),
        ("?ns=docker.io&x&artifactType=application/vnd.test.b".to_owned(), vec!["b"]),
    ] {
        let answer = stand.get(&query);
        assert_eq!(stand.names(&query), names, "{query}");
        assert_eq!(answer.header("OCI-Filters-Applied"), "artifactType", "{query}");
        assert_eq!(answer.header("Content-Type"), INDEX);
    }
    // Each counts once, however it can be read.
    let many = |count| vec![of("c+d"); count].join("&");
    assert_eq!(stand.names(&format!("?{}", many(32))), ["c+d"]);
    assert_eq!(stand.get(&format!("?{}", many(33))).status, 400);
    // Nothing to filter by is no filter.
    for query in ["", "?artifactType=", "?ns=docker.io"] {
        assert_eq!(stand.names(query), ["a", "b", "c+d"], "{query}");
        assert_eq!(stand.get(query).headers.get("OCI-Filters-Applied"), None, "{query}");
    }
}

#[test]
fn query_answer_has_exactly_the_index_media_type_and_is_never_compressed() {
    let stand = up();
    stand.push("a");
    let request = format!(
        "GET /v2/{REPOSITORY}/referrers/{} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, zstd\r\nAccept: text/html\r\n\
         If-None-Match: *\r\nRange: bytes=0-1\r\n\r\n",
        stand.subject
    );
    let answer = ask(stand.backref.host(), &request);
    assert_eq!(answer.head.status(), 200);
    assert_eq!(answer.head.values("Content-Type"), [INDEX]);
    assert_eq!(answer.head.values("Content-Length"), [answer.body.len().to_string()]);
    let mut names: Vec<_> = answer.head.names().iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort();
    assert_eq!(names, ["content-length", "content-type", "date"]);
}

#[test]
fn query_by_head_has_the_headers_of_a_get() {
    let stand = up();
    stand.push("a");
    let mut wire = Wire::to(stand.backref.host());
    let get = format!("GET /v2/{REPOSITORY}/referrers/{} HTTP/1.1\r\nHost: a\r\n\r\n", stand.subject);
    wire.send(get.replacen("GET", "HEAD", 1));
    let head = wire.head();
    wire.send(get);
    let answer = wire.answer();
    for name in ["Content-Length", "Content-Type"] {
        assert_eq!(head.values(name), answer.head.values(name));
    }
}

#[test]
fn query_for_an_absent_subject_gives_an_empty_list() {
    let stand = up();
    let zero = format!("sha256:{}", "0".repeat(64));
    for digest in [zero.as_str(), "blake3:00", &format!("sha512:{}", "0".repeat(128))] {
        assert_eq!(listed(&stand.backref, digest), [""; 0]);
    }
    assert_eq!(listed(&stand.backref, &stand.subject), [""; 0], "there, with nothing that refers to it");
    let empty = stand.get("").json();
    assert_eq!(empty, json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}));
}

#[test]
fn query_for_a_malformed_digest_is_refused() {
    let stand = up();
    let upper = stand.subject.to_uppercase();
    for digest in ["latest", "sha256:00", "sha256", "sha256:", ":00", upper.as_str(), "sha256:zz"] {
        let answer = http::get(&format!("{}/v2/{REPOSITORY}/referrers/{digest}", stand.backref.url()), &[]);
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (400, "DIGEST_INVALID"), "{digest}");
    }
}

#[test]
fn query_with_another_method_is_passed_to_the_registry() {
    let fake = Fake::start(|visit| visit.answer("405 Method Not Allowed", &["Allow: GET"], "no"));
    let backref = Backref::of(&fake.url()).start();
    let url = format!("{}/v2/{REPOSITORY}/referrers/{}", backref.url(), sha256(b""));
    for method in ["DELETE", "POST"] {
        let answer = http::send(method, &url, &[], b"");
        assert_eq!((answer.status, answer.header("Allow")), (405, "GET"));
    }
}
