//! regctl 0.11: put, list, get, copy, delete.

use serde_json::Value;

use crate::stand::{Stand, attach, json, push_image, text};
use crate::support::{Kind, Registry};

const SBOM: &str = "application/vnd.test.sbom.v1+json";
const SCAN: &str = "application/vnd.test.scan.v1+json";

on_both_upstreams!(
    regctl_lists_what_it_put_with_a_subject,
    regctl_list_is_filtered_by_artifact_type,
    regctl_gets_an_artifact_by_its_subject,
    regctl_lists_an_index_that_refers_to_an_image,
    regctl_copy_from_a_plain_registry_and_on_keeps_the_referrers,
    regctl_deletes_a_referrer_and_it_is_unlisted,
    regctl_deletes_a_referrer_with_its_tag_entry_and_it_is_unlisted,
);

fn regctl_lists_what_it_put_with_a_subject(kind: Kind) {
    let stand = up(kind);
    stand.push_image("app:v1");
    let sbom = put(&stand, "app:v1", SBOM);
    let scan = put(&stand, "app:v1", SCAN);

    assert_eq!(types_and_digests(&list(&stand, "app:v1", "")), [(SBOM.to_owned(), sbom), (SCAN.to_owned(), scan)]);
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn regctl_list_is_filtered_by_artifact_type(kind: Kind) {
    let stand = up(kind);
    stand.push_image("app:v1");
    put(&stand, "app:v1", SBOM);
    let scan = put(&stand, "app:v1", SCAN);

    let flags = format!("--filter-artifact-type {SCAN}");
    assert_eq!(types_and_digests(&list(&stand, "app:v1", &flags)), [(SCAN.to_owned(), scan)]);
}

fn regctl_gets_an_artifact_by_its_subject(kind: Kind) {
    let stand = up(kind);
    stand.push_image("app:v1");
    put(&stand, "app:v1", SBOM);

    let got =
        stand.home.run(&format!("regctl artifact get --subject {} --filter-artifact-type {SBOM}", stand.at("app:v1")));
    assert_eq!(got, SBOM);
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn regctl_lists_an_index_that_refers_to_an_image(kind: Kind) {
    let stand = up(kind);
    let image = stand.push_image("app:v1");
    let index = stand.at("app:set");
    let flags = format!("--artifact-type {SCAN} --subject v1 --ref {}", stand.at("app:v1"));
    stand.home.run(&format!("regctl index create {flags} {index}"));

    let digest = stand.home.run(&format!("regctl manifest head {index}"));
    assert_eq!(stand.listed("app", &image), [digest.trim()]);
    assert_eq!(types_and_digests(&list(&stand, "app:v1", "")), [(SCAN.to_owned(), digest.trim().to_owned())]);
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn regctl_copy_from_a_plain_registry_and_on_keeps_the_referrers(kind: Kind) {
    let stand = up(kind);
    let plain = Registry::of(kind).start();
    plain_http(&stand, plain.host());
    let (first, last) = (format!("{}/first:v1", plain.host()), format!("{}/last:v1", plain.host()));
    let image = push_image(&stand.home, &first);
    let mut attached = vec![attach(&stand.home, &first, SBOM), attach(&stand.home, &first, SCAN)];

    stand.home.run(&format!("regctl image copy --referrers {first} {}", stand.at("app:v1")));
    let mut listed = stand.listed("app", &image);
    stand.assert_no_client_wrote_a_referrers_tag("app");
    stand.home.run(&format!("regctl image copy --referrers {} {last}", stand.at("app:v1")));
    let body = json(&stand.home.run(&format!("regctl artifact list --format raw-body {last}")));
    let mut arrived: Vec<_> = types_and_digests(&body).into_iter().map(|(_, digest)| digest).collect();

    // The order is not a copier's promise.
    attached.sort();
    listed.sort();
    arrived.sort();
    assert_eq!(listed, attached);
    assert_eq!(arrived, attached);
}

fn regctl_deletes_a_referrer_and_it_is_unlisted(kind: Kind) {
    deleted_with(kind, "");
}

fn regctl_deletes_a_referrer_with_its_tag_entry_and_it_is_unlisted(kind: Kind) {
    deleted_with(kind, "--referrers");
}

/// With `--referrers`, regctl keeps the referrers tag too, where it sees no API.
fn deleted_with(kind: Kind, flags: &str) {
    let stand = up(kind);
    stand.push_image("app:v1");
    let sbom = put(&stand, "app:v1", SBOM);
    let scan = put(&stand, "app:v1", SCAN);

    stand.home.run(&format!("regctl manifest delete {flags} {}", stand.at(&format!("app@{sbom}"))));

    assert_eq!(types_and_digests(&list(&stand, "app:v1", "")), [(SCAN.to_owned(), scan)]);
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn up(kind: Kind) -> Stand {
    let stand = Stand::up(kind);
    plain_http(&stand, stand.backref.host());
    stand
}

fn plain_http(stand: &Stand, host: &str) {
    stand.home.run(&format!("regctl registry set --skip-check --tls disabled {host}"));
}

fn put(stand: &Stand, subject: &str, artifact_type: &str) -> String {
    stand.home.write("artifact.txt", artifact_type);
    let digest = "--format {{.Manifest.GetDescriptor.Digest}}";
    let subject = stand.at(subject);
    stand.home.run(&format!(
        "regctl artifact put {digest} --artifact-type {artifact_type} --file artifact.txt --subject {subject}"
    ))
}

fn list(stand: &Stand, subject: &str, flags: &str) -> Value {
    json(&stand.home.run(&format!("regctl artifact list --format raw-body {flags} {}", stand.at(subject))))
}

fn types_and_digests(index: &Value) -> Vec<(String, String)> {
    let manifests = index["manifests"].as_array().expect("regctl prints an index");
    manifests.iter().map(|referrer| (text(&referrer["artifactType"]), text(&referrer["digest"]))).collect()
}
