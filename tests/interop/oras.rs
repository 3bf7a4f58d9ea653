//! ORAS 1.3: attach, discover, copy, delete.

use serde_json::Value;

use crate::stand::{Stand, json, text};
use crate::support::{Home, Kind, Registry};

const SBOM: &str = "application/vnd.test.sbom.v1+json";
const SCAN: &str = "application/vnd.test.scan.v1+json";

on_both_upstreams!(
    oras_discovers_attachments_in_order,
    oras_discovery_is_filtered_by_artifact_type,
    oras_discovers_referrers_of_referrers,
    oras_annotation_is_listed_with_its_referrer,
    oras_pulls_an_attached_file_as_it_was_pushed,
    oras_copy_to_a_plain_registry_and_back_keeps_the_referrers,
    oras_deletes_a_referrer_and_it_is_discovered_no_more,
);

fn oras_discovers_attachments_in_order(kind: Kind) {
    let stand = Stand::up(kind);
    let image = stand.push_image("app:v1");
    let first = stand.attach("app:v1", SBOM);
    let second = stand.attach("app:v1", SCAN);

    let found = discover(&stand.home, &stand.at("app:v1"), "");
    assert_eq!(types_and_digests(&found), [(SBOM.to_owned(), first.clone()), (SCAN.to_owned(), second.clone())]);
    assert_eq!(stand.listed("app", &image), [first, second]);
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn oras_discovery_is_filtered_by_artifact_type(kind: Kind) {
    let stand = Stand::up(kind);
    stand.push_image("app:v1");
    stand.attach("app:v1", SBOM);
    let scan = stand.attach("app:v1", SCAN);

    let found = discover(&stand.home, &stand.at("app:v1"), &format!("--artifact-type {SCAN}"));
    assert_eq!(types_and_digests(&found), [(SCAN.to_owned(), scan)]);
    let found = discover(&stand.home, &stand.at("app:v1"), "--artifact-type application/vnd.test.none");
    assert_eq!(types_and_digests(&found), []);
}

fn oras_discovers_referrers_of_referrers(kind: Kind) {
    let stand = Stand::up(kind);
    stand.push_image("app:v1");
    let sbom = stand.attach("app:v1", SBOM);
    let scan = stand.attach(&format!("app@{sbom}"), SCAN);

    let found = discover(&stand.home, &stand.at("app:v1"), "");
    assert_eq!(types_and_digests(&found), [(SBOM.to_owned(), sbom)]);
    assert_eq!(types_and_digests(&found["referrers"][0]), [(SCAN.to_owned(), scan)]);
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn oras_annotation_is_listed_with_its_referrer(kind: Kind) {
    let stand = Stand::up(kind);
    stand.push_image("app:v1");
    stand.home.write("sbom.json", "{}");
    let image = stand.at("app:v1");
    let flags = format!("--plain-http --artifact-type {SBOM} --annotation test.key=value");
    stand.home.run(&format!("oras attach {flags} {image} sbom.json"));

    let found = discover(&stand.home, &image, "");
    assert_eq!(found["referrers"][0]["annotations"]["test.key"], "value", "{found}");
}

fn oras_pulls_an_attached_file_as_it_was_pushed(kind: Kind) {
    let stand = Stand::up(kind);
    stand.push_image("app:v1");
    let sbom = stand.attach("app:v1", SBOM);

    let reference = stand.at(&format!("app@{sbom}"));
    stand.home.run(&format!("oras pull --plain-http --output pulled {reference}"));
    assert_eq!(stand.home.read("pulled/attached.txt"), SBOM);
}

fn oras_copy_to_a_plain_registry_and_back_keeps_the_referrers(kind: Kind) {
    let stand = Stand::up(kind);
    let plain = Registry::of(kind).start();
    let image = stand.push_image("app:v1");
    let mut attached = vec![stand.attach("app:v1", SBOM), stand.attach("app:v1", SCAN)];
    let (here, there, back) = (stand.at("app:v1"), format!("{}/app:v1", plain.host()), stand.at("back:v1"));

    let copy = "oras cp --recursive --from-plain-http --to-plain-http";
    stand.home.run(&format!("{copy} {here} {there}"));
    stand.home.run(&format!("{copy} {there} {back}"));

    let mut listed = stand.listed("back", &image);
    // oras copies the referrers side by side, so their order is not its promise.
    listed.sort();
    attached.sort();
    assert_eq!(listed, attached);
    stand.assert_no_client_wrote_a_referrers_tag("back");
}

fn oras_deletes_a_referrer_and_it_is_discovered_no_more(kind: Kind) {
    let stand = Stand::up(kind);
    stand.push_image("app:v1");
    let sbom = stand.attach("app:v1", SBOM);
    let scan = stand.attach("app:v1", SCAN);

    let reference = stand.at(&format!("app@{sbom}"));
    stand.home.run(&format!("oras manifest delete --force --plain-http {reference}"));

    let found = discover(&stand.home, &stand.at("app:v1"), "");
    assert_eq!(types_and_digests(&found), [(SCAN.to_owned(), scan)]);
    stand.home.run_refused(&format!("oras manifest fetch --plain-http {reference}"));
}

/// Asks the API and nothing else: without it, this fails.
fn discover(home: &Home, reference: &str, flags: &str) -> Value {
    let api = "--plain-http --distribution-spec v1.1-referrers-api --format json";
    json(&home.run(&format!("oras discover {api} {flags} {reference}")))
}

fn types_and_digests(found: &Value) -> Vec<(String, String)> {
    let referrers = found["referrers"].as_array().expect("oras prints a list");
    referrers.iter().map(|referrer| (text(&referrer["artifactType"]), text(&referrer["digest"]))).collect()
}
