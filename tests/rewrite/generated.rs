//! Many artifact manifests of every shape: each comes back by its own digest, byte for byte.

use std::thread;

use serde_json::{Value, json};

use crate::stand::{OCI, ORAS, descriptor, get, put, up};
use crate::support::{Kind, http, sha256};

/// How many; the whole number takes minutes.
fn count() -> usize {
    std::env::var("GENERATED").map_or(400, |text| text.parse().expect("a number"))
}

fn generated(number: usize, subject: &Value, blob: &Value) -> (&'static str, Vec<u8>) {
    let media_type = if number.is_multiple_of(2) { OCI } else { ORAS };
    let mut manifest =
        json!({"mediaType": media_type, "annotations": {"number": number.to_string(), "ü\n": "\u{1f600}"}});
    match number % 5 {
        0 => manifest["artifactType"] = "application/vnd.test+json".into(),
        1 => manifest["artifactType"] = "sbom".into(),
        2 => manifest["artifactType"] = "no/media type".into(),
        3 => manifest["artifactType"] = "".into(),
        _ => {}
    }
    match number % 4 {
        0 => {}
        1 => manifest["blobs"] = json!([]),
        2 => manifest["blobs"] = json!([blob]),
        _ => manifest["blobs"] = json!([blob, blob]),
    }
    if !number.is_multiple_of(3) {
        manifest["subject"] = subject.clone();
    }
    let bytes =
        if number.is_multiple_of(7) { serde_json::to_vec_pretty(&manifest) } else { serde_json::to_vec(&manifest) };
    (media_type, bytes.expect("JSON"))
}

#[test]
fn rewrite_of_generated_artifact_manifests_gives_each_back_byte_for_byte() {
    let stand = up(Kind::Distribution2, "");
    let content = b"a blob";
    let blob = descriptor("application/vnd.test.blob", content);
    let open = http::send("POST", &format!("{}/v2/app/blobs/uploads/", stand.url()), &[], b"");
    let place = open.headers["location"].to_str().expect("text").to_owned();
    let octets = [("Content-Type", "application/octet-stream")];
    let put_blob = http::send("PUT", &format!("{place}&digest={}", sha256(content)), &octets, content);
    assert_eq!(put_blob.status, 201, "{}", put_blob.text());

    let (count, url) = (count(), stand.url());
    thread::scope(|scope| {
        for part in 0..4 {
            let (stand, blob, url) = (&stand, &blob, &url);
            scope.spawn(move || {
                for number in (part..count).step_by(4) {
                    let (media_type, manifest) = generated(number, &stand.subject, blob);
                    let digest = sha256(&manifest);
                    let answer = put(url, &digest, media_type, &manifest);
                    assert_eq!(answer.status, 201, "{number}: {}", answer.text());
                    let got = get(url, &digest, &[media_type]);
                    assert_eq!((got.status, got.body), (200, manifest), "{number}");
                }
            });
        }
    });
}
