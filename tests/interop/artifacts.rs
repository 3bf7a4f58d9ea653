//! Artifact manifests on registries that refuse them: what clients of today do with what an older client pushed. Each
//! has two digests: `original`, that it was pushed by, and `carrier`, the image manifest that the registry holds.

use serde_json::{Value, json};

use crate::stand::{self, Stand, text};
use crate::support::http::{self, Answer};
use crate::support::{Home, Kind, Registry, sha256};

const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const SBOM: &str = "application/vnd.test.sbom.v1+json";
const CONTENT: &str = "what the artifact holds";

on_both_upstreams!(
    rewrite_is_needed_as_the_registry_refuses_artifact_manifests,
    rewrite_of_a_push_by_digest_is_listed_as_its_carrier,
    oras_discovers_a_rewritten_artifact,
    oras_fetches_a_rewritten_artifact_by_its_own_digest,
    oras_pulls_a_rewritten_artifacts_files_by_either_digest_and_by_tag,
    oras_pulls_a_rewritten_artifacts_files_without_backref,
    oras_copies_a_rewritten_artifact_to_a_plain_registry_with_its_subject,
    regctl_lists_a_rewritten_artifact,
    regctl_gets_a_rewritten_artifact_by_either_digest,
    regctl_copies_a_rewritten_artifact_to_a_plain_registry_with_its_subject,
    crane_reads_a_rewritten_artifact_by_either_digest,
    crane_reads_a_carrier_without_backref,
    oras_attaches_to_a_rewritten_artifact_by_either_digest,
    oras_deletes_a_rewritten_artifact_by_either_digest,
    regctl_04_lists_an_artifact_manifest_that_it_put,
    regctl_04_gets_an_artifact_manifest_that_it_put,
);

fn rewrite_is_needed_as_the_registry_refuses_artifact_manifests(kind: Kind) {
    let plain = Registry::of(kind).start();
    let answer = put(plain.host(), "v1", &artifact(&json!({"mediaType": IMAGE, "digest": sha256(b"none"), "size": 2})));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.text().contains("MANIFEST_INVALID"), "{answer:?}");
}

fn rewrite_of_a_push_by_digest_is_listed_as_its_carrier(kind: Kind) {
    let Pushed { stand, original, carrier, image, .. } = push(kind);
    assert_ne!(original, carrier);
    assert_eq!(stand.listed("app", &image), [carrier.as_str()]);
    let held = fetch(stand.registry.host(), &carrier);
    assert_eq!(held.header("Content-Type"), IMAGE);
    assert_eq!(held.json()["config"]["digest"], original.as_str());
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn oras_discovers_a_rewritten_artifact(kind: Kind) {
    let Pushed { stand, carrier, .. } = push(kind);
    let found = discover(&stand.home, &stand.at("app:v1"));
    assert_eq!(digests(&found["referrers"]), [carrier]);
    assert_eq!(found["referrers"][0]["artifactType"], SBOM, "{found}");
}

fn oras_fetches_a_rewritten_artifact_by_its_own_digest(kind: Kind) {
    let Pushed { stand, original, bytes, .. } = push(kind);
    let fetch = "oras manifest fetch --plain-http";
    assert_eq!(stand.home.run(&format!("{fetch} {}", stand.at(&format!("app@{original}")))), bytes);
}

fn oras_pulls_a_rewritten_artifacts_files_by_either_digest_and_by_tag(kind: Kind) {
    let Pushed { stand, original, carrier, bytes, .. } = push(kind);
    let answer = put(stand.backref.host(), "sbom", &bytes);
    assert_eq!(answer.status, 201, "{answer:?}");
    for reference in [format!("app@{original}"), format!("app@{carrier}"), "app:sbom".to_owned()] {
        assert_pulled(&stand.home, &stand.at(&reference));
    }
}

fn oras_pulls_a_rewritten_artifacts_files_without_backref(kind: Kind) {
    let Pushed { stand, carrier, .. } = push(kind);
    assert_pulled(&stand.home, &format!("{}/app@{carrier}", stand.registry.host()));
}

fn oras_copies_a_rewritten_artifact_to_a_plain_registry_with_its_subject(kind: Kind) {
    let Pushed { stand, carrier, .. } = push(kind);
    let plain = Registry::of(kind).start();
    let there = format!("{}/app:v1", plain.host());
    let copy = "oras cp --recursive --from-plain-http --to-plain-http";
    stand.home.run(&format!("{copy} {} {there}", stand.at("app:v1")));

    let found = stand::json(&stand.home.run(&format!("oras discover --plain-http --format json {there}")));
    assert_eq!(digests(&found["referrers"]), [carrier.as_str()], "{found}");
    assert_pulled(&stand.home, &format!("{}/app@{carrier}", plain.host()));
}

fn regctl_lists_a_rewritten_artifact(kind: Kind) {
    let Pushed { stand, carrier, .. } = push(kind);
    let listed = list(&stand.home, "regctl", &stand.at("app:v1"));
    assert_eq!(digests(&listed["manifests"]), [carrier]);
    assert_eq!(listed["manifests"][0]["artifactType"], SBOM, "{listed}");
}

fn regctl_gets_a_rewritten_artifact_by_either_digest(kind: Kind) {
    let Pushed { stand, original, carrier, bytes, .. } = push(kind);
    let get = |digest: &str| {
        stand.home.run(&format!("regctl manifest get --format raw-body {}", stand.at(&format!("app@{digest}"))))
    };
    assert_eq!(get(&original), bytes);
    assert_eq!(sha256(get(&carrier).as_bytes()), carrier);
    let file = format!("regctl artifact get {}", stand.at(&format!("app@{carrier}")));
    assert_eq!(stand.home.run(&file), CONTENT);
}

fn regctl_copies_a_rewritten_artifact_to_a_plain_registry_with_its_subject(kind: Kind) {
    let Pushed { stand, carrier, .. } = push(kind);
    let plain = Registry::of(kind).start();
    plain_http(&stand.home, plain.host());
    let there = format!("{}/app:v1", plain.host());
    stand.home.run(&format!("regctl image copy --referrers {} {there}", stand.at("app:v1")));

    assert_eq!(digests(&list(&stand.home, "regctl", &there)["manifests"]), [carrier]);
}

fn crane_reads_a_rewritten_artifact_by_either_digest(kind: Kind) {
    let Pushed { stand, original, carrier, bytes, .. } = push(kind);
    let manifest = |digest: &str| stand.home.run(&format!("crane manifest {}", stand.at(&format!("app@{digest}"))));
    assert_eq!(manifest(&original).trim_end(), bytes);
    assert_eq!(sha256(manifest(&carrier).trim_end().as_bytes()), carrier);
}

fn crane_reads_a_carrier_without_backref(kind: Kind) {
    let Pushed { stand, original, carrier, bytes, image } = push(kind);
    let there = format!("{}/app@{carrier}", stand.registry.host());
    let held = stand::json(&stand.home.run(&format!("crane manifest {there}")));
    assert_eq!(held["subject"]["digest"], image.as_str());
    // The config of an image manifest: what was pushed, byte for byte.
    assert_eq!(held["config"]["digest"], original.as_str());
    assert_eq!(stand.home.run(&format!("crane config {there}")), bytes);
}

fn oras_attaches_to_a_rewritten_artifact_by_either_digest(kind: Kind) {
    let Pushed { stand, original, carrier, .. } = push(kind);
    let mut attached: Vec<_> =
        [&original, &carrier].iter().map(|digest| stand.attach(&format!("app@{digest}"), SBOM)).collect();
    attached.sort();
    for digest in [original, carrier] {
        let mut found = digests(&discover(&stand.home, &stand.at(&format!("app@{digest}")))["referrers"]);
        found.sort();
        assert_eq!(found, attached, "{digest}");
    }
}

fn oras_deletes_a_rewritten_artifact_by_either_digest(kind: Kind) {
    for by_original in [true, false] {
        let Pushed { stand, original, carrier, image, .. } = push(kind);
        let digest = if by_original { &original } else { &carrier };
        stand.home.run(&format!("oras manifest delete --force --plain-http {}", stand.at(&format!("app@{digest}"))));
        assert_eq!(stand.listed("app", &image), Vec::<String>::new());
        for digest in [original, carrier] {
            stand.home.run_refused(&format!("oras manifest fetch --plain-http {}", stand.at(&format!("app@{digest}"))));
        }
    }
}

fn regctl_04_lists_an_artifact_manifest_that_it_put(kind: Kind) {
    let (stand, original) = put_by_regctl_04(kind);
    let listed = list(&stand.home, "regctl-0.4", &stand.at("app:v1"));
    assert_eq!(digests(&listed["manifests"]), [original.as_str()]);
    assert_eq!(listed["manifests"][0]["mediaType"], ARTIFACT, "{listed}");
    assert_eq!(stand.registry.tags("app"), ["v1"]);
}

fn regctl_04_gets_an_artifact_manifest_that_it_put(kind: Kind) {
    let (stand, original) = put_by_regctl_04(kind);
    let reference = stand.at(&format!("app@{original}"));
    let manifest = stand.home.run(&format!("regctl-0.4 manifest get --format raw-body {reference}"));
    assert_eq!(sha256(manifest.as_bytes()), original);
}

/// regctl 0.4 has `refers` for `subject`, in these manifests too.
fn put_by_regctl_04(kind: Kind) -> (Stand, String) {
    let stand = up(kind);
    stand.push_image("app:v1");
    stand.home.write("artifact.txt", CONTENT);
    let put = "regctl-0.4 artifact put --file artifact.txt --format {{.Manifest.GetDescriptor.Digest}}";
    let original = stand.home.run(&format!("{put} --manifest-media-type {ARTIFACT} --refers {}", stand.at("app:v1")));
    (stand, original)
}

/// An artifact manifest that refers to `app:v1`, pushed by its digest.
struct Pushed {
    stand: Stand,
    image: String,
    original: String,
    carrier: String,
    bytes: String,
}

fn push(kind: Kind) -> Pushed {
    let stand = up(kind);
    let image = stand.push_image("app:v1");
    stand.home.write("artifact.txt", CONTENT);
    stand.home.run(&format!("oras blob push --plain-http {} artifact.txt", stand.at("app")));
    let size = fetch(stand.backref.host(), &image).body.len();
    let bytes = artifact(&json!({"mediaType": IMAGE, "digest": image, "size": size}));
    let original = sha256(bytes.as_bytes());

    let answer = put(stand.backref.host(), &original, &bytes);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("Docker-Content-Digest"), original);
    assert_eq!(answer.header("OCI-Subject"), image);
    let listed = stand.listed("app", &image);
    let [carrier] = listed.as_slice() else { panic!("one referrer, not {listed:?}") };
    Pushed { image, original, carrier: carrier.clone(), bytes, stand }
}

fn up(kind: Kind) -> Stand {
    let stand = Stand::up(kind);
    plain_http(&stand.home, stand.backref.host());
    stand
}

fn plain_http(home: &Home, host: &str) {
    home.run(&format!("regctl registry set --skip-check --tls disabled {host}"));
}

fn artifact(subject: &Value) -> String {
    let title = json!({"org.opencontainers.image.title": "artifact.txt"});
    let blob = json!({
        "mediaType": "text/plain", "digest": sha256(CONTENT.as_bytes()), "size": CONTENT.len(), "annotations": title
    });
    json!({"mediaType": ARTIFACT, "artifactType": SBOM, "blobs": [blob], "subject": subject}).to_string()
}

fn put(host: &str, reference: &str, bytes: &str) -> Answer {
    let url = format!("http://{host}/v2/app/manifests/{reference}");
    http::send("PUT", &url, &[("Content-Type", ARTIFACT)], bytes.as_bytes())
}

fn fetch(host: &str, digest: &str) -> Answer {
    http::get(&format!("http://{host}/v2/app/manifests/{digest}"), &[("Accept", IMAGE)])
}

fn discover(home: &Home, reference: &str) -> Value {
    let api = "--plain-http --distribution-spec v1.1-referrers-api --format json";
    stand::json(&home.run(&format!("oras discover {api} {reference}")))
}

fn list(home: &Home, regctl: &str, reference: &str) -> Value {
    stand::json(&home.run(&format!("{regctl} artifact list --format raw-body {reference}")))
}

fn digests(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|referrer| text(&referrer["digest"])).collect()
}

fn assert_pulled(home: &Home, reference: &str) {
    home.write("artifact.txt", "not pulled yet");
    home.run(&format!("oras pull --plain-http {reference}"));
    assert_eq!(home.read("artifact.txt"), CONTENT, "{reference}");
}
