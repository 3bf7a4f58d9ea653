//! Gates, as clients meet them: push by digest, sign, then tag.

use crate::stand::{Stand, attach, json_digest};
use crate::support::{Grant, Home, Kind, Registry, TokenServer};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const USERS: [(&str, &str); 2] = [("pusher", "1"), ("stranger", "2")];
const GRANTS: [Grant; 1] = [Grant { user: "pusher", prefix: "team/", actions: &["pull", "push"] }];

on_both_upstreams!(
    gate_opens_a_tag_after_cosign_signed_the_image,
    gate_opens_a_tag_after_the_signature_where_the_registry_asks_for_tokens,
    gate_leaves_the_registrys_refusals_to_the_registry,
);

fn gate_opens_a_tag_after_cosign_signed_the_image(kind: Kind) {
    let stand = guarded(Registry::of(kind).start());
    let home = &stand.home;
    let image = push_untagged(&stand, home);
    home.run_with("cosign generate-key-pair --output-key-prefix ours", &[("COSIGN_PASSWORD", "")]);
    let flags = "--tlog-upload=false --use-signing-config=false --allow-http-registry --yes";
    home.run_with(&format!("cosign sign {flags} --key ours.key {image}"), &[("COSIGN_PASSWORD", "")]);
    assert_taggable(home, &image);
    let flags = "--insecure-ignore-tlog --allow-http-registry";
    home.run(&format!("cosign verify {flags} --key ours.pub {}", stand.at("team/app:v1")));
}

/// Not with cosign, which takes no token from a server on this machine.
fn gate_opens_a_tag_after_the_signature_where_the_registry_asks_for_tokens(kind: Kind) {
    let tokens = TokenServer::start(&USERS, &GRANTS, 300);
    let stand = guarded(Registry::of(kind).tokens(&tokens).start());
    let home = logged_in(&stand, "pusher", "1");
    let image = push_untagged(&stand, &home);
    attach(&home, &image, "application/vnd.test.sbom.v1+json");
    home.run_refused(&format!("crane tag --insecure {image} v1"));
    attach(&home, &image, BUNDLE);
    assert_taggable(&home, &image);
}

fn gate_leaves_the_registrys_refusals_to_the_registry(kind: Kind) {
    let tokens = TokenServer::start(&USERS, &GRANTS, 300);
    let stand = guarded(Registry::of(kind).tokens(&tokens).start());
    let stranger = logged_in(&stand, "stranger", "2");
    stranger.write("layer.txt", "x");
    let said = stranger.run_refused(&format!("oras push --plain-http {} layer.txt", stand.at("team/app:v1")));
    assert!(!said.contains("may not point"), "{said}");
}

fn guarded(registry: Registry) -> Stand {
    Stand::configured(registry, &format!("[[gate]]\nrepositories = [\"team/*\"]\nrequire = [\"{BUNDLE}\"]\n"))
}

/// A push by tag is refused. Returns the image that is pushed by digest, which can't be tagged yet.
fn push_untagged(stand: &Stand, home: &Home) -> String {
    home.write("layer.txt", "layer");
    let repository = stand.at("team/app");
    let said = home.run_refused(&format!("oras push --plain-http {repository}:v1 layer.txt"));
    assert!(said.contains("may not point") && said.contains(BUNDLE), "{said}");
    let pushed = home.run(&format!("oras push --plain-http --format json {repository} layer.txt"));
    let image = format!("{repository}@{}", json_digest(&pushed));
    home.run_refused(&format!("crane tag --insecure {image} v1"));
    image
}

fn assert_taggable(home: &Home, image: &str) {
    home.run(&format!("crane tag --insecure {image} v1"));
    home.run(&format!("oras tag --plain-http {image} v2"));
    let (repository, _) = image.split_once('@').expect("a reference by digest");
    let tags = home.run(&format!("crane ls --insecure {repository}"));
    // Beside the referrers tag, which backref keeps.
    for tag in ["v1", "v2"] {
        assert!(tags.lines().any(|line| line == tag), "{tag}: {tags}");
    }
}

fn logged_in(stand: &Stand, user: &str, password: &str) -> Home {
    let home = Home::new();
    home.run(&format!("oras login --plain-http --username {user} --password {password} {}", stand.backref.host()));
    home
}
