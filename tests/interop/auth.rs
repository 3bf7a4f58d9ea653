//! A registry with a password file: backref shows nothing to whom the registry would not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::stand::{Stand, json, json_digest};
use crate::support::{Kind, Registry, http};

const SBOM: &str = "application/vnd.test.sbom.v1+json";

on_both_upstreams!(
    auth_password_lets_a_client_attach_and_discover,
    auth_password_of_one_caller_shows_nothing_to_the_next,
    auth_wrong_password_gives_the_client_the_registrys_answer,
);

fn auth_password_lets_a_client_attach_and_discover(kind: Kind) {
    let (stand, image, sbom) = up(kind);
    let reference = stand.at("app:v1");
    let found = json(&stand.home.run(&format!("oras discover --plain-http --format json {RIGHT} {reference}")));
    assert_eq!(found["referrers"][0]["digest"], *sbom, "{found}");
    assert_eq!(found["digest"], *image, "{found}");
}

fn auth_password_of_one_caller_shows_nothing_to_the_next(kind: Kind) {
    let (stand, image, sbom) = up(kind);
    let path = format!("/v2/app/referrers/{image}");
    let url = format!("{}{path}", stand.backref.url());
    let right = basic("alice", "secret");
    // Twice over: the right person's permit, cached for them, must not serve the next one.
    for _ in 0..2 {
        let answer = http::get(&url, &[("Authorization", &right)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.text().contains(&sbom), "{answer:?}");

        for wrong in [vec![], vec![basic("alice", "wrong")], vec![basic("bob", "secret")], vec!["Basic".to_owned()]] {
            let headers: Vec<_> = wrong.iter().map(|value| ("Authorization", value.as_str())).collect();
            let answer = http::get(&url, &headers);
            assert_eq!(answer.status, 401, "{wrong:?}: {answer:?}");
            assert_eq!(answer.header("www-authenticate"), "Basic realm=\"tests\"", "{answer:?}");
            assert!(!answer.text().contains(&sbom), "{answer:?}");
            assert_eq!(answer.json()["errors"][0]["code"], "UNAUTHORIZED", "{answer:?}");
        }
    }
}

fn auth_wrong_password_gives_the_client_the_registrys_answer(kind: Kind) {
    let (stand, image, sbom) = up(kind);
    let reference = stand.at(&format!("app@{image}"));
    for credentials in ["", "--username alice --password wrong"] {
        let said = stand.home.run_refused(&format!("oras discover --plain-http {credentials} {reference}"));
        assert!(!said.contains(&sbom), "{said}");
        stand.home.write("more.txt", "more");
        let attach = "oras attach --plain-http --artifact-type application/vnd.test.more";
        stand.home.run_refused(&format!("{attach} {credentials} {reference} more.txt"));
    }
    let found = json(&stand.home.run(&format!("oras discover --plain-http --format json {RIGHT} {reference}")));
    assert_eq!(found["referrers"].as_array().map(Vec::len), Some(1), "{found}");
}

const RIGHT: &str = "--username alice --password secret";

/// A stand, the image's digest, and its referrer's.
fn up(kind: Kind) -> (Stand, String, String) {
    let stand = Stand::before(Registry::of(kind).htpasswd(&[("alice", "secret"), ("bob", "other")]).start());
    let reference = stand.at("app:v1");
    stand.home.write("sbom.json", "{}");
    let push = format!("oras push --plain-http --format json {RIGHT} {reference} sbom.json");
    let image = json_digest(&stand.home.run(&push));
    let attach = format!("oras attach --plain-http --format json {RIGHT} --artifact-type {SBOM} {reference} sbom.json");
    let sbom = json_digest(&stand.home.run(&attach));
    (stand, image, sbom)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
