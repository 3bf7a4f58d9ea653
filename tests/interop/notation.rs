//! notation 1.3: unless told otherwise it keeps the referrers tag itself, whatever the registry says, and deletes the index
//! that it replaced.

use std::thread;

use crate::stand::{Stand, json_digest};
use crate::support::{Home, Kind, Registry, http, until};

const SIGNATURE: &str = "application/vnd.cncf.notary.signature";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

on_both_upstreams!(
    notation_signers_who_write_the_referrers_tag_lose_nothing_of_each_other,
    notation_finds_and_verifies_a_signature_with_and_without_backref,
);

/// A home with a key of its own.
fn signer(name: &str) -> Home {
    let home = Home::new();
    home.run(&format!("notation cert generate-test --default {name}"));
    home
}

/// Pushes an image, and returns it by its digest.
fn image(stand: &Stand, host: &str) -> (String, String) {
    stand.home.write("layer.txt", "a layer");
    let pushed = stand.home.run(&format!("oras push --plain-http --format json {host}/app:v1 layer.txt"));
    let digest = json_digest(&pushed);
    (format!("{host}/app@{digest}"), digest)
}

fn tagged(registry: &Registry, subject: &str) -> Vec<serde_json::Value> {
    let url = format!("{}/v2/app/manifests/{}", registry.url(), subject.replace(':', "-"));
    http::get(&url, &[("Accept", INDEX)]).json()["manifests"].as_array().cloned().unwrap_or_default()
}

fn notation_signers_who_write_the_referrers_tag_lose_nothing_of_each_other(kind: Kind) {
    const SIGNERS: usize = 8;
    let stand = Stand::configured(Registry::of(kind).start(), "");
    let (by_digest, digest) = image(&stand, stand.backref.host());
    let signers: Vec<Home> = (0..SIGNERS).map(|number| signer(&format!("signer{number}"))).collect();
    let attached = stand.attach("app:v1", "application/vnd.test.sbom");
    let signed = thread::scope(|scope| {
        let signing: Vec<_> = signers
            .iter()
            .map(|home| scope.spawn(|| home.outcome(&format!("notation sign --insecure-registry {by_digest}"), &[])))
            .collect();
        signing.into_iter().map(|client| client.join().expect("it ran")).collect::<Vec<_>>()
    });
    for outcome in &signed {
        assert!(outcome.succeeded, "{outcome}");
    }
    let listed = http::referrers(stand.backref.host(), "app", &digest, &[]);
    let signatures = listed.iter().filter(|one| one["artifactType"] == SIGNATURE).count();
    assert_eq!((signatures, listed.len()), (SIGNERS, SIGNERS + 1), "{listed:#?}");
    assert!(listed.iter().any(|one| one["digest"] == attached.as_str()));
    until("the referrers tag to have them all", || (tagged(&stand.registry, &digest) == listed).then_some(()));
}

fn notation_finds_and_verifies_a_signature_with_and_without_backref(kind: Kind) {
    let stand = Stand::configured(Registry::of(kind).start(), "");
    let (through, digest) = image(&stand, stand.backref.host());
    let home = signer("signer");
    home.run(&format!("notation sign --insecure-registry {through}"));
    home.write(
        "policy.json",
        r#"{"version":"1.0","trustPolicies":[{"name":"all","registryScopes":["*"],
            "signatureVerification":{"level":"strict"},"trustStores":["ca:signer"],"trustedIdentities":["*"]}]}"#,
    );
    home.run("notation policy import policy.json");
    for host in [stand.backref.host(), stand.registry.host()] {
        let verified = home.run(&format!("notation verify --insecure-registry {host}/app@{digest}"));
        assert!(verified.contains("Successfully verified"), "{verified}");
    }
}
