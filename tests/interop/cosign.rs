//! cosign 3.1, offline: signatures as bundles (its default), by tag (its classic way), and as 1.1 referrers.

use crate::stand::{Stand, text};
use crate::support::{Home, Kind, Registry, http};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIGNATURE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
const BY_TAG: &str = "--new-bundle-format=false";
const AS_REFERRER: &str = "--new-bundle-format=false --registry-referrers-mode oci-1-1";

on_both_upstreams!(
    cosign_bundle_is_a_referrer_and_verifies,
    cosign_with_another_key_does_not_verify,
    cosign_signature_by_tag_stays_a_tag_and_verifies,
    cosign_signature_as_a_referrer_is_listed_and_verifies,
    cosign_verifies_by_the_last_of_two_signatures,
    cosign_attestation_is_a_referrer_and_verifies,
    cosign_signature_that_is_deleted_verifies_no_more,
    cosign_signatures_by_tag_are_listed_where_cosign_tags_is_set,
    cosign_clean_by_tag_unlists_the_signature,
);

fn cosign_bundle_is_a_referrer_and_verifies(kind: Kind) {
    let (stand, image) = up(kind);
    sign(&stand.home, "", "ours", &image);

    assert_eq!(types(&stand, &image), [BUNDLE]);
    verify(&stand.home, "", "ours", &image);
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn cosign_with_another_key_does_not_verify(kind: Kind) {
    let (stand, image) = up(kind);
    sign(&stand.home, "", "ours", &image);
    refuse(&stand.home, "", "theirs", &image, "no matching attestations");
}

fn cosign_signature_by_tag_stays_a_tag_and_verifies(kind: Kind) {
    let (stand, image) = up(kind);
    sign(&stand.home, BY_TAG, "ours", &image);

    let tag = format!("{}.sig", digest_of(&image).replace(':', "-"));
    assert!(stand.registry.tags("app").contains(&tag), "{tag} is in the upstream");
    verify(&stand.home, BY_TAG, "ours", &image);
    refuse(&stand.home, BY_TAG, "theirs", &image, "no matching signatures");
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn cosign_signature_as_a_referrer_is_listed_and_verifies(kind: Kind) {
    let (stand, image) = up(kind);
    sign(&stand.home, AS_REFERRER, "ours", &image);

    assert_eq!(types(&stand, &image), [SIGNATURE]);
    verify(&stand.home, "--new-bundle-format=false --experimental-oci11", "ours", &image);
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

/// cosign looks at the last entry of the list alone, so the list has to keep the order of arrival.
fn cosign_verifies_by_the_last_of_two_signatures(kind: Kind) {
    let (stand, image) = up(kind);
    sign(&stand.home, AS_REFERRER, "theirs", &image);
    sign(&stand.home, AS_REFERRER, "ours", &image);

    assert_eq!(types(&stand, &image), [SIGNATURE, SIGNATURE]);
    verify(&stand.home, "--new-bundle-format=false --experimental-oci11", "ours", &image);
}

fn cosign_attestation_is_a_referrer_and_verifies(kind: Kind) {
    let (stand, image) = up(kind);
    stand.home.write("predicate.json", r#"{"scanned": true}"#);
    let flags = "--type custom --predicate predicate.json --tlog-upload=false --use-signing-config=false";
    cosign(&stand.home, &format!("attest {flags} --key ours.key --allow-http-registry --yes {image}"));

    assert_eq!(types(&stand, &image), [BUNDLE]);
    let flags = "--type custom --insecure-ignore-tlog --allow-http-registry";
    cosign(&stand.home, &format!("verify-attestation {flags} --key ours.pub {image}"));
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn cosign_signature_that_is_deleted_verifies_no_more(kind: Kind) {
    let (stand, image) = up(kind);
    sign(&stand.home, "", "ours", &image);
    let listed = stand.listed("app", digest_of(&image));
    let [signature] = listed.as_slice() else { panic!("one signature: {listed:?}") };

    let reference = stand.at(&format!("app@{signature}"));
    stand.home.run(&format!("oras manifest delete --force --plain-http {reference}"));
    refuse(&stand.home, "", "ours", &image, "no signatures found");
}

/// cosign writes the second signature into a longer manifest under the same tag: the first manifest then has no tag.
fn cosign_signatures_by_tag_are_listed_where_cosign_tags_is_set(kind: Kind) {
    let (stand, image) = configured(kind, "cosign_tags = true\nwithout_subject = true\n");
    let held = |kind: &str| {
        let tag = format!("{}.{kind}", digest_of(&image).replace(':', "-"));
        let url = format!("{}/v2/app/manifests/{tag}", stand.registry.url());
        let answer = http::send("HEAD", &url, &[("Accept", "application/vnd.oci.image.manifest.v1+json")], b"");
        answer.header("Docker-Content-Digest").to_owned()
    };
    sign(&stand.home, BY_TAG, "theirs", &image);
    let first = held("sig");
    assert_eq!(stand.listed("app", digest_of(&image)), [first.as_str()]);

    sign(&stand.home, BY_TAG, "ours", &image);
    let both = held("sig");
    assert_ne!(both, first);
    assert_eq!(stand.listed("app", digest_of(&image)), [both.as_str()]);
    for pair in ["ours", "theirs"] {
        verify(&stand.home, BY_TAG, pair, &image);
    }

    stand.home.write("predicate.json", r#"{"scanned": true}"#);
    let flags = "--type custom --predicate predicate.json --tlog-upload=false --use-signing-config=false";
    cosign(&stand.home, &format!("attest {flags} {BY_TAG} --key ours.key --allow-http-registry --yes {image}"));
    assert_eq!(stand.listed("app", digest_of(&image)), [both, held("att")]);
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

/// It deletes the tag, or the manifest by its digest where the upstream knows no delete by tag, as distribution 2.8.
fn cosign_clean_by_tag_unlists_the_signature(kind: Kind) {
    let (stand, image) = configured(kind, "cosign_tags = true\nwithout_subject = true\n");
    sign(&stand.home, BY_TAG, "ours", &image);
    assert_eq!(stand.listed("app", digest_of(&image)).len(), 1);

    cosign(&stand.home, &format!("clean --type signature --force --allow-http-registry {image}"));
    assert_eq!(stand.listed("app", digest_of(&image)), [""; 0]);
}

/// An image, by digest, and two key pairs: `ours` and `theirs`.
fn up(kind: Kind) -> (Stand, String) {
    configured(kind, "")
}

/// The same, with more in `[referrers]`.
fn configured(kind: Kind, referrers: &str) -> (Stand, String) {
    let config = format!("[referrers]\n{referrers}");
    let stand = Stand::configured(Registry::of(kind).start(), &config);
    for pair in ["ours", "theirs"] {
        cosign(&stand.home, &format!("generate-key-pair --output-key-prefix {pair}"));
    }
    let digest = stand.push_image("app:v1");
    let image = stand.at(&format!("app@{digest}"));
    (stand, image)
}

fn sign(home: &Home, flags: &str, pair: &str, image: &str) {
    let offline = "--tlog-upload=false --use-signing-config=false --allow-http-registry --yes";
    cosign(home, &format!("sign {offline} {flags} --key {pair}.key {image}"));
}

fn verify(home: &Home, flags: &str, pair: &str, image: &str) {
    home.run(&verification(flags, pair, image));
}

/// Fails for that reason, and for no other.
fn refuse(home: &Home, flags: &str, pair: &str, image: &str, reason: &str) {
    let said = home.run_refused(&verification(flags, pair, image));
    assert!(said.contains(reason), "not because of {reason:?}: {said}");
}

fn verification(flags: &str, pair: &str, image: &str) -> String {
    format!("cosign verify --insecure-ignore-tlog --allow-http-registry {flags} --key {pair}.pub {image}")
}

fn cosign(home: &Home, line: &str) -> String {
    // The key's password; and the switch without which cosign does not ask the 1.1 referrers API.
    home.run_with(&format!("cosign {line}"), &[("COSIGN_PASSWORD", ""), ("COSIGN_EXPERIMENTAL", "1")])
}

/// The artifact types that are listed for the image.
fn types(stand: &Stand, image: &str) -> Vec<String> {
    let referrers = http::referrers(stand.backref.host(), "app", digest_of(image), &[]);
    referrers.iter().map(|referrer| text(&referrer["artifactType"])).collect()
}

fn digest_of(image: &str) -> &str {
    let (_, digest) = image.split_once('@').expect("a reference by digest");
    digest
}
