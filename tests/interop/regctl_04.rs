//! regctl 0.4, the client of the reference-types working group's Proposal E: it asks `_oci/artifacts/referrers`, writes
//! `refers` where 1.1 has `subject`, and keeps a tag for each referrer where it sees no API. It can't filter a list.

use serde_json::Value;

use crate::stand::{Stand, json, push_image, text};
use crate::support::{Home, Kind, Registry, http};

const SBOM: &str = "application/vnd.test.sbom.v1+json";
const SCAN: &str = "application/vnd.test.scan.v1+json";
/// Where Proposal E has the type of an artifact; the end of regctl's tag too.
const TYPE: &str = "org.opencontainers.artifact.type";

on_both_upstreams!(
    regctl_04_without_the_api_keeps_a_tag_for_each_referrer,
    regctl_04_lists_what_it_put_newest_first_and_leaves_no_tag,
    regctl_04_asks_the_api_before_a_put_and_to_list,
    regctl_04_gets_what_it_put_unchanged,
    regctl_04_lists_an_annotation_with_its_referrer,
    regctl_04_api_is_filtered_by_the_type_of_the_config,
    regctl_04_deletes_a_referrer_and_it_is_unlisted,
    regctl_04_puts_are_not_listed_by_oci_1_1,
    regctl_04_puts_are_listed_by_oci_1_1_where_without_subject_is_set,
    regctl_04_lists_what_todays_clients_attach,
    regctl_04_copy_from_a_plain_registry_needs_no_tag_for_each_referrer,
);

/// The control for the scenarios that find no such tag.
fn regctl_04_without_the_api_keeps_a_tag_for_each_referrer(kind: Kind) {
    let plain = Registry::of(kind).start();
    let home = Home::new();
    tls_disabled(&home, plain.host());
    let reference = format!("{}/app:v1", plain.host());
    let image = push_image(&home, &reference);
    let sbom = put(&home, &reference, SBOM);

    let mut tags = plain.tags("app");
    tags.sort();
    assert_eq!(tags, [digest_tag(&image, &sbom), "v1".to_owned()]);
    assert_eq!(digests(&list(&home, &reference)), [sbom]);
}

fn regctl_04_lists_what_it_put_newest_first_and_leaves_no_tag(kind: Kind) {
    let stand = up(kind, "");
    stand.push_image("app:v1");
    let sbom = put(&stand.home, &stand.at("app:v1"), SBOM);
    let scan = put(&stand.home, &stand.at("app:v1"), SCAN);

    assert_eq!(digests(&list(&stand.home, &stand.at("app:v1"))), [scan, sbom]);
    assert_eq!(stand.registry.tags("app"), ["v1"]);
}

fn regctl_04_asks_the_api_before_a_put_and_to_list(kind: Kind) {
    let stand = up(kind, "[log]\nfilter = \"warn\"\nformat = \"json\"\naccess = 1\n");
    stand.push_image("app:v1");
    let asked = |method: &str, path: &str| {
        let request = format!("\"method\":\"{method}\",\"path\":\"/v2/app/{path}");
        let log = stand.backref.log();
        log.lines().filter(|line| line.contains("backref::access") && line.contains(&request)).count()
    };

    let sbom = put(&stand.home, &stand.at("app:v1"), SBOM);
    assert_eq!(asked("GET", "_oci/artifacts/referrers"), 1);
    assert_eq!(asked("PUT", &format!("manifests/{sbom}")), 1);
    list(&stand.home, &stand.at("app:v1"));
    assert_eq!(asked("GET", "_oci/artifacts/referrers"), 2);
    assert_eq!(asked("GET", "tags/list"), 0);
}

fn regctl_04_gets_what_it_put_unchanged(kind: Kind) {
    let stand = up(kind, "");
    let image = stand.push_image("app:v1");
    let sbom = stand.at(&format!("app@{}", put(&stand.home, &stand.at("app:v1"), SBOM)));

    assert_eq!(stand.home.run(&format!("regctl-0.4 artifact get {sbom}")), SBOM);
    // Today's clients read the manifest too, with its subject where Proposal E has it.
    let manifest = json(&stand.home.run(&format!("crane manifest {sbom}")));
    assert_eq!(manifest["refers"]["digest"], image.as_str());
    assert_eq!(manifest["subject"], Value::Null);
}

fn regctl_04_lists_an_annotation_with_its_referrer(kind: Kind) {
    let stand = up(kind, "");
    stand.push_image("app:v1");
    put_with(&stand.home, &stand.at("app:v1"), SBOM, &format!("--annotation {TYPE}=sbom"));

    let listed = list(&stand.home, &stand.at("app:v1"));
    assert_eq!(listed["manifests"][0]["annotations"][TYPE], "sbom", "{listed}");
    assert_eq!(listed["manifests"][0]["artifactType"], SBOM, "{listed}");
    // Directly, the annotation would be the end of a tag.
    assert_eq!(stand.registry.tags("app"), ["v1"]);
}

fn regctl_04_api_is_filtered_by_the_type_of_the_config(kind: Kind) {
    let stand = up(kind, "");
    let image = stand.push_image("app:v1");
    put(&stand.home, &stand.at("app:v1"), SBOM);
    let scan = put(&stand.home, &stand.at("app:v1"), SCAN);

    let api = format!("{}/v2/app/_oci/artifacts/referrers", stand.backref.url());
    let answer = http::get(&format!("{api}?digest={image}&artifactType={SCAN}"), &[]);
    assert_eq!(digests(&answer.json()), [scan], "{answer:?}");
}

fn regctl_04_deletes_a_referrer_and_it_is_unlisted(kind: Kind) {
    let stand = up(kind, "");
    stand.push_image("app:v1");
    let sbom = put(&stand.home, &stand.at("app:v1"), SBOM);
    let scan = put(&stand.home, &stand.at("app:v1"), SCAN);

    let reference = stand.at(&format!("app@{sbom}"));
    stand.home.run(&format!("regctl-0.4 manifest delete {reference}"));

    assert_eq!(digests(&list(&stand.home, &stand.at("app:v1"))), [scan]);
    stand.home.run_refused(&format!("regctl-0.4 manifest get {reference}"));
}

fn regctl_04_puts_are_not_listed_by_oci_1_1(kind: Kind) {
    let stand = up(kind, "");
    stand.push_image("app:v1");
    put(&stand.home, &stand.at("app:v1"), SBOM);
    let subject = stand.attach("app:v1", SCAN);

    assert_listed_today(&stand, "app:v1", &[subject]);
}

fn regctl_04_puts_are_listed_by_oci_1_1_where_without_subject_is_set(kind: Kind) {
    let stand = up(kind, "[referrers]\nwithout_subject = true");
    stand.push_image("app:v1");
    let refers = put(&stand.home, &stand.at("app:v1"), SBOM);
    let subject = stand.attach("app:v1", SCAN);

    assert_listed_today(&stand, "app:v1", &[refers, subject]);
}

fn regctl_04_lists_what_todays_clients_attach(kind: Kind) {
    let stand = up(kind, "");
    stand.push_image("app:v1");
    let by_oras = stand.attach("app:v1", SBOM);
    stand.home.write("scan.txt", SCAN);
    let flags = "--file scan.txt --format {{.Manifest.GetDescriptor.Digest}}";
    let by_regctl =
        stand.home.run(&format!("regctl artifact put {flags} --artifact-type {SCAN} --subject {}", stand.at("app:v1")));

    let mut listed = digests(&list(&stand.home, &stand.at("app:v1")));
    // oras writes a created annotation, regctl does not: the order is not by arrival.
    listed.sort();
    let mut attached = [by_oras, by_regctl];
    attached.sort();
    assert_eq!(listed, attached);
}

fn regctl_04_copy_from_a_plain_registry_needs_no_tag_for_each_referrer(kind: Kind) {
    let stand = up(kind, "");
    let plain = Registry::of(kind).start();
    tls_disabled(&stand.home, plain.host());
    let (there, here) = (format!("{}/app:v1", plain.host()), stand.at("app:v1"));
    push_image(&stand.home, &there);
    let sbom = put(&stand.home, &there, SBOM);

    stand.home.run(&format!("regctl-0.4 image copy --referrers {there} {here}"));

    assert_eq!(digests(&list(&stand.home, &here)), [sbom]);
    assert_eq!(stand.registry.tags("app"), ["v1"]);
}

fn up(kind: Kind, config: &str) -> Stand {
    let stand = Stand::configured(Registry::of(kind).start(), config);
    tls_disabled(&stand.home, stand.backref.host());
    stand
}

/// Today's regctl reads the same file.
fn tls_disabled(home: &Home, host: &str) {
    home.run(&format!("regctl-0.4 registry set --tls disabled {host}"));
}

fn put(home: &Home, image: &str, config_type: &str) -> String {
    put_with(home, image, config_type, "")
}

fn put_with(home: &Home, image: &str, config_type: &str, flags: &str) -> String {
    home.write("artifact.txt", config_type);
    let digest = "--format {{.Manifest.GetDescriptor.Digest}}";
    home.run(&format!(
        "regctl-0.4 artifact put {digest} {flags} --file artifact.txt --config-media-type {config_type} --refers {image}"
    ))
}

fn list(home: &Home, image: &str) -> Value {
    json(&home.run(&format!("regctl-0.4 artifact list --format raw-body {image}")))
}

/// What oras and regctl of today find, both by the 1.1 API.
fn assert_listed_today(stand: &Stand, reference: &str, expected: &[String]) {
    let reference = stand.at(reference);
    let api = "--plain-http --distribution-spec v1.1-referrers-api --format json";
    let found = json(&stand.home.run(&format!("oras discover {api} {reference}")));
    assert_eq!(digests_of(&found["referrers"]), expected, "oras: {found}");
    let found = json(&stand.home.run(&format!("regctl artifact list --format raw-body {reference}")));
    assert_eq!(digests(&found), expected, "regctl: {found}");
}

fn digests(index: &Value) -> Vec<String> {
    digests_of(&index["manifests"])
}

fn digests_of(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|referrer| text(&referrer["digest"])).collect()
}

/// `sha256-<the image's>.<the first 16 of the referrer's>`.
fn digest_tag(image: &str, referrer: &str) -> String {
    let referrer = referrer.strip_prefix("sha256:").expect("a sha256 digest");
    format!("{}.{}", image.replace(':', "-"), &referrer[..16])
}
