//! The ORAS client of September 2022, which knows artifact manifests only: through backref it attaches, lists, pulls and
//! copies; directly it can't.

use crate::stand::Stand;
use crate::support::{Kind, Registry, http, sha256};

const ARTIFACT: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";
const SBOM: &str = "application/vnd.test.sbom";
const SIGNATURE: &str = "application/vnd.test.signature";

on_both_upstreams!(
    oras_2022_can_neither_attach_nor_list_without_backref,
    oras_2022_lists_what_it_attached,
    oras_2022_pulls_what_it_attached,
    oras_2022_attaches_to_what_it_attached,
    oras_2022_copies_an_image_with_all_its_referrers,
    oras_2022_discovers_the_extension,
);

fn oras_2022_can_neither_attach_nor_list_without_backref(kind: Kind) {
    let stand = Stand::up(kind);
    stand.push_image("app:v1");
    let directly = format!("{}/app:v1", stand.registry.host());
    stand.home.write("sbom.txt", "content");
    let said = stand.home.run_refused(&format!("oras-2022 attach {directly} {SBOM} sbom.txt"));
    assert!(said.contains("manifest invalid"), "{said}");
    let said = stand.home.run_refused(&format!("oras-2022 discover {directly}"));
    assert!(said.contains("not found"), "{said}");
}

fn oras_2022_lists_what_it_attached(kind: Kind) {
    let stand = Stand::up(kind);
    let image = stand.push_image("app:v1");
    let attached = [(SBOM, "1"), (SIGNATURE, "2"), (SBOM, "3")].map(|(artifact_type, content)| {
        format!("{} {artifact_type}", attach(&stand, "app:v1", artifact_type, content))
    });
    // The created annotation has whole seconds: of two in one second, the last to arrive comes first.
    let newest_first = |kept: &[usize]| -> Vec<String> { kept.iter().rev().map(|at| attached[*at].clone()).collect() };
    assert_eq!(discover(&stand, "app:v1"), newest_first(&[0, 1, 2]), "two pages");
    assert_eq!(discover(&stand, &format!("app:v1 {SBOM}")), newest_first(&[0, 2]));
    assert_eq!(discover(&stand, &format!("app@{image} {SIGNATURE}")), newest_first(&[1]));
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn oras_2022_pulls_what_it_attached(kind: Kind) {
    let stand = Stand::up(kind);
    stand.push_image("app:v1");
    let attached = attach(&stand, "app:v1", SBOM, "content");
    assert_pulled(&stand, &stand.at(&format!("app@{attached}")), "content");
    let manifest = http::get(&format!("{}/v2/app/manifests/{attached}", stand.backref.url()), &[("Accept", ARTIFACT)]);
    assert_eq!(sha256(&manifest.body), attached);
    let url = format!("{}/v2/app/manifests/sbom", stand.backref.url());
    assert_eq!(http::send("PUT", &url, &[("Content-Type", ARTIFACT)], &manifest.body).status, 201);
    assert_pulled(&stand, &stand.at("app:sbom"), "content");
}

fn oras_2022_attaches_to_what_it_attached(kind: Kind) {
    let stand = Stand::up(kind);
    stand.push_image("app:v1");
    let sbom = attach(&stand, "app:v1", SBOM, "content");
    let signature = attach(&stand, &format!("app@{sbom}"), SIGNATURE, "signed");
    assert_eq!(discover(&stand, &format!("app@{sbom}")), [format!("{signature} {SIGNATURE}")]);
    assert_eq!(discover(&stand, "app:v1"), [format!("{sbom} {SBOM}")]);
}

fn oras_2022_copies_an_image_with_all_its_referrers(kind: Kind) {
    let (stand, other) = (Stand::up(kind), Stand::up(kind));
    stand.push_image("app:v1");
    let sbom = attach(&stand, "app:v1", SBOM, "content");
    let signature = attach(&stand, &format!("app@{sbom}"), SIGNATURE, "signed");
    let plain = Registry::of(kind).start();
    let copy = format!("oras-2022 copy {}", stand.at("app:v1"));
    stand.home.run_refused(&format!("{copy} {}/copied:v1", plain.host()));

    stand.home.run(&format!("{copy} {}", other.at("copied:v1")));
    assert_eq!(discover(&other, "copied:v1"), [format!("{sbom} {SBOM}")]);
    assert_eq!(discover(&other, &format!("copied@{sbom}")), [format!("{signature} {SIGNATURE}")]);
    assert_pulled(&other, &other.at(&format!("copied@{signature}")), "signed");
}

fn oras_2022_discovers_the_extension(kind: Kind) {
    let stand = Stand::up(kind);
    stand.push_image("app:v1");
    let said = stand.home.run(&format!("oras-2022 extensions {}", stand.at("app:v1")));
    assert!(said.lines().any(|line| line == "_oras [_oras/artifacts/referrers]"), "{said}");
}

/// Attaches a file with that content, and returns the digest of the referrer.
fn attach(stand: &Stand, reference: &str, artifact_type: &str, content: &str) -> String {
    stand.home.write("attached.txt", content);
    let line = format!("oras-2022 attach {} {artifact_type} attached.txt", stand.at(reference));
    stand.home.run(&line).trim().to_owned()
}

fn discover(stand: &Stand, reference: &str) -> Vec<String> {
    stand.home.run(&format!("oras-2022 discover {}", stand.at(reference))).lines().map(str::to_owned).collect()
}

fn assert_pulled(stand: &Stand, reference: &str, content: &str) {
    let said = stand.home.run(&format!("oras-2022 pull {reference} pulled.txt"));
    assert_eq!((said.trim(), stand.home.read("pulled.txt")), (ARTIFACT, content.to_owned()));
}
