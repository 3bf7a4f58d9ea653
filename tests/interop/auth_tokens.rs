//! A registry with tokens: rights by user, repository and action.

use crate::stand::{Stand, json, json_digest};
use crate::support::http::{self, Answer};
use crate::support::{Grant, Home, Kind, Registry, TokenServer};

const SBOM: &str = "application/vnd.test.sbom.v1+json";
const PULL: &str = "repository:team/app:pull";
const MINUTES: i64 = 300;
/// Beyond the minute that registries allow for clocks that differ.
const EXPIRED: i64 = -120;

const USERS: [(&str, &str); 3] = [("pusher", "1"), ("puller", "2"), ("stranger", "3")];
const GRANTS: [Grant; 3] = [
    Grant { user: "pusher", prefix: "team/", actions: &["pull", "push", "delete"] },
    Grant { user: "puller", prefix: "team/", actions: &["pull"] },
    Grant { user: "stranger", prefix: "elsewhere/", actions: &["pull", "push"] },
];

on_both_upstreams!(
    auth_token_to_push_attaches_and_token_to_pull_discovers,
    auth_token_to_pull_attaches_nothing,
    auth_token_without_pull_is_shown_nothing_right_after_one_with_it,
    auth_token_challenge_is_the_registrys,
    auth_token_for_one_repository_shows_nothing_of_another,
);

fn auth_token_to_push_attaches_and_token_to_pull_discovers(kind: Kind) {
    let team = Team::up(kind);
    let reference = team.stand.at("team/app:v1");

    let found = json(&team.puller.run(&format!("oras discover --plain-http --format json {reference}")));
    assert_eq!(found["referrers"][0]["digest"], *team.sbom, "{found}");
    let listed = team.puller.run(&format!("regctl artifact list --format raw-body {reference}"));
    assert_eq!(json(&listed)["manifests"][0]["digest"], *team.sbom, "{listed}");
    let anonymous = Home::new();
    for home in [&team.stranger, &anonymous] {
        let said = home.run_refused(&format!("oras discover --plain-http {reference}"));
        assert!(!said.contains(&team.sbom), "{said}");
    }
}

fn auth_token_to_pull_attaches_nothing(kind: Kind) {
    let team = Team::up(kind);
    team.puller.write("more.txt", "more");
    let reference = team.stand.at("team/app:v1");
    team.puller.run_refused(&format!("oras attach --plain-http --artifact-type {SBOM} {reference} more.txt"));
    team.puller.run_refused(&format!(
        "oras manifest delete --force --plain-http {}",
        team.stand.at(&format!("team/app@{}", team.sbom))
    ));

    let answer = team.ask(Some(&team.tokens.token("puller", PULL, MINUTES)));
    let listed = answer.json();
    assert_eq!(listed["manifests"].as_array().map(Vec::len), Some(1), "{answer:?}");
    assert_eq!(listed["manifests"][0]["digest"], *team.sbom, "{answer:?}");
}

fn auth_token_without_pull_is_shown_nothing_right_after_one_with_it(kind: Kind) {
    let team = Team::up(kind);
    let right = team.tokens.token("puller", PULL, MINUTES);
    let impostor = TokenServer::start(&USERS, &GRANTS, MINUTES);
    let wrong = [
        None,
        Some(team.tokens.token("stranger", PULL, MINUTES)),
        Some(team.tokens.token("", PULL, MINUTES)),
        Some(team.tokens.token("puller", PULL, EXPIRED)),
        Some(team.tokens.token("puller", "repository:team/other:pull", MINUTES)),
        Some(impostor.token("puller", PULL, MINUTES)),
        Some("nonsense".to_owned()),
    ];
    // Twice over: the right person's permit, cached for them, must not serve the next one.
    for _ in 0..2 {
        let answer = team.ask(Some(&right));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.text().contains(&team.sbom), "{answer:?}");

        for (number, token) in wrong.iter().enumerate() {
            let answer = team.ask(token.as_deref());
            assert_eq!(answer.status, 401, "wrong token {number}: {answer:?}");
            assert!(!answer.text().contains(&team.sbom), "wrong token {number}: {answer:?}");
        }
    }
}

/// Clients learn from it where to ask for a token, and for which right.
fn auth_token_challenge_is_the_registrys(kind: Kind) {
    let team = Team::up(kind);
    let manifest = format!("{}/v2/team/app/manifests/{}", team.stand.registry.url(), team.image);
    for token in
        [None, Some(team.tokens.token("stranger", PULL, MINUTES)), Some(team.tokens.token("puller", PULL, EXPIRED))]
    {
        let direct = get(&manifest, token.as_deref());
        let challenge = direct.header("www-authenticate");
        assert!(challenge.contains(&format!("scope=\"{PULL}\"")), "{direct:?}");

        let answer = team.ask(token.as_deref());
        assert_eq!(answer.status, direct.status, "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), challenge, "{answer:?}");
        assert_eq!(answer.json()["errors"][0]["code"], "UNAUTHORIZED", "{answer:?}");
    }
}

fn auth_token_for_one_repository_shows_nothing_of_another(kind: Kind) {
    let team = Team::up(kind);
    let token = team.tokens.token("stranger", "repository:elsewhere/app:pull", MINUTES);
    // The stranger may read this repository, knows the subject's digest, and sees no referrer of the other repository.
    let url = format!("{}/v2/elsewhere/app/referrers/{}", team.stand.backref.url(), team.image);
    let answer = get(&url, Some(&token));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["manifests"].as_array().map(Vec::len), Some(0), "{answer:?}");
}

/// An image with one referrer in `team/app`, and people with their rights.
struct Team {
    puller: Home,
    stranger: Home,
    stand: Stand,
    tokens: TokenServer,
    image: String,
    sbom: String,
}

impl Team {
    fn up(kind: Kind) -> Self {
        let tokens = TokenServer::start(&USERS, &GRANTS, MINUTES);
        let stand = Stand::before(Registry::of(kind).tokens(&tokens).start());
        let [pusher, puller, stranger] = USERS.map(|(user, password)| login(&stand, user, password));
        let reference = stand.at("team/app:v1");
        pusher.write("sbom.json", "{}");
        let push = format!("oras push --plain-http --format json {reference} sbom.json");
        let image = json_digest(&pusher.run(&push));
        let attach = format!("oras attach --plain-http --format json --artifact-type {SBOM} {reference} sbom.json");
        let sbom = json_digest(&pusher.run(&attach));
        Self { puller, stranger, stand, tokens, image, sbom }
    }

    /// The referrers of the image, asked for with that token.
    fn ask(&self, token: Option<&str>) -> Answer {
        let url = format!("{}/v2/team/app/referrers/{}", self.stand.backref.url(), self.image);
        get(&url, token)
    }
}

fn login(stand: &Stand, user: &str, password: &str) -> Home {
    let home = Home::new();
    let host = stand.backref.host();
    home.run(&format!("oras login --plain-http --username {user} --password {password} {host}"));
    home.run(&format!("regctl registry set --skip-check --tls disabled {host}"));
    home
}

fn get(url: &str, token: Option<&str>) -> Answer {
    match token {
        Some(token) => http::get(url, &[("Authorization", &format!("Bearer {token}"))]),
        None => http::get(url, &[]),
    }
}
