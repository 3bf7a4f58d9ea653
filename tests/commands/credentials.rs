//! The operator's own credentials, from Docker's configuration.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::run::{Ran, finish};
use crate::stand::{INDEX, list, plain, referrer};
use crate::support::http::{self, Answer};
use crate::support::{Backref, Fake, Grant, Home, Kind, Registry, TokenServer, sha256};

/// A home in which somebody is logged in to that registry.
fn home(host: &str, user: &str, password: &str) -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path(".docker")).expect("a folder");
    let login = json!({"auths": {host: {"auth": STANDARD.encode(format!("{user}:{password}"))}}});
    home.write(".docker/config.json", &login.to_string());
    home
}

fn run(backref: &Backref, home: &Home, line: &str) -> Ran {
    let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
    let mut command = backref.command(name);
    command.args(arguments.split_whitespace()).arg("--json");
    finish(command.env("DOCKER_CONFIG", home.path(".docker")))
}

fn put(base: &str, path: &str, authorization: &str, manifest: &[u8]) {
    let headers = [("Content-Type", INDEX), ("Authorization", authorization)];
    let answer: Answer = http::send("PUT", &format!("{base}/v2/{path}"), &headers, manifest);
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Pushes a subject, one referrer and the referrers tag that lists it directly to the registry.
fn fill(base: &str, repository: &str, authorization: &str) -> (String, String) {
    let subject = plain("subject");
    let one = referrer(&sha256(&subject), "one");
    for manifest in [&subject, &one] {
        put(base, &format!("{repository}/manifests/{}", sha256(manifest)), authorization, manifest);
    }
    let tag = sha256(&subject).replace(':', "-");
    put(base, &format!("{repository}/manifests/{tag}"), authorization, &list(&[&one]));
    (sha256(&subject), sha256(&one))
}

#[test]
fn credentials_for_a_password_file_come_from_dockers_configuration() {
    let registry = Registry::distribution_2().htpasswd(&[("operator", "1")]).start();
    let mut backref = Backref::of(&registry.url()).start();
    let basic = format!("Basic {}", STANDARD.encode("operator:1"));
    let (subject, one) = fill(&registry.url(), "app", &basic);
    let ran = run(&backref, &home(registry.host(), "operator", "1"), "backfill");
    assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{ran:?}");
    let listed = http::referrers(backref.host(), "app", &subject, &[("Authorization", &basic)]);
    assert_eq!(listed[0]["digest"], one.as_str());
    backref.terminate();

    let ran = run(&backref, &Home::new(), "verify");
    assert_eq!(ran.code, Some(1), "nobody may compare without credentials: {ran:?}");
    assert!(!ran.stdout.contains(&one), "and is shown nothing: {ran:?}");
    for output in [&ran.stdout, &ran.stderr] {
        assert!(!output.contains(&STANDARD.encode("operator:1")));
    }
    let ran = run(&backref, &home(registry.host(), "operator", "wrong"), "backfill app");
    assert_eq!((ran.code, ran.kinds()), (Some(1), vec!["unseen-repository".to_owned()]), "{ran:?}");
}

const USERS: [(&str, &str); 2] = [("operator", "1"), ("reader", "2")];
const GRANTS: [Grant; 2] = [
    Grant { user: "operator", prefix: "team/", actions: &["pull", "push", "delete"] },
    Grant { user: "reader", prefix: "team/", actions: &["pull"] },
];

#[test]
fn credentials_for_a_token_server_decide_what_a_command_may_do() {
    for kind in [Kind::Distribution2, Kind::Distribution3] {
        let tokens = TokenServer::start(&USERS, &GRANTS, 300);
        let registry = Registry::of(kind).tokens(&tokens).start();
        let mut backref = Backref::of(&registry.url()).start();
        backref.terminate();
        let scope = "repository:team/app:pull,push";
        let bearer = format!("Bearer {}", tokens.token("operator", scope, 300));
        let (subject, _) = fill(&registry.url(), "team/app", &bearer);
        let around = referrer(&subject, "two");
        put(&registry.url(), "team/app/manifests/v1", &bearer, &around);

        // A user who may only read fills the database, and the referrers tag stays stale.
        let reader = home(registry.host(), "reader", "2");
        let ran = run(&backref, &reader, "backfill team/app");
        assert_eq!((ran.code, ran.kinds()), (Some(1), vec!["pending-tag".to_owned()]), "{kind:?}: {ran:?}");
        let ran = run(&backref, &reader, "backfill team/app --no-write");
        assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{kind:?}: {ran:?}");
        let ran = run(&backref, &reader, "doctor");
        assert!(ran.code == Some(1) && ran.kinds().contains(&"pending-tag".to_owned()), "{kind:?}: {ran:?}");
        // Nobody may read the catalog here, and repair needs none.
        let ran = run(&backref, &home(registry.host(), "operator", "1"), "repair");
        assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{kind:?}: {ran:?}");
        let tag = format!("{}/v2/team/app/manifests/{}", registry.url(), subject.replace(':', "-"));
        let index = http::get(&tag, &[("Accept", INDEX), ("Authorization", &bearer)]).text();
        assert!(index.contains(&sha256(&around)), "{index}");
        let ran = run(&backref, &reader, "verify team/app");
        assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{kind:?}: {ran:?}");
    }
}

#[test]
fn credentials_by_token_are_renewed_when_the_token_ends() {
    // Registries allow a minute beyond a token's end, the operator none.
    let tokens = TokenServer::start(&USERS, &GRANTS, 0);
    let registry = Registry::distribution_2().tokens(&tokens).start();
    let mut backref = Backref::of(&registry.url()).start();
    backref.terminate();
    let bearer = format!("Bearer {}", tokens.token("operator", "repository:team/app:pull,push", 300));
    fill(&registry.url(), "team/app", &bearer);
    let operator = home(registry.host(), "operator", "1");
    let ran = run(&backref, &operator, "backfill team/app");
    assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{ran:?}");
    let ended = TokenServer::start(&USERS, &GRANTS, -120);
    drop(registry);
    let registry = Registry::distribution_2().tokens(&ended).start();
    let mut backref = Backref::of(&registry.url()).start();
    backref.terminate();
    let ran = run(&backref, &home(registry.host(), "operator", "1"), "backfill team/app");
    assert_eq!(
        (ran.code, ran.kinds()),
        (Some(1), vec!["unseen-repository".to_owned()]),
        "and the command ends: {ran:?}"
    );
}

#[test]
fn credentials_by_token_are_used_whatever_its_lifetime() {
    let fake = Fake::start(|visit| {
        let target = visit.head.target().to_owned();
        let realm = format!(
            "WWW-Authenticate: Bearer realm=\"http://{}/token\"",
            visit.head.header("Host").unwrap_or_default()
        );
        match target.as_str() {
            target if target.starts_with("/token") => {
                visit.answer("200 OK", &[], r#"{"token":"t","expires_in":18446744073709551615}"#);
            }
            "/v2/app/tags/list" => visit.answer("200 OK", &[], r#"{"tags":[]}"#),
            _ => visit.answer("401 Unauthorized", &[&realm], ""),
        }
    });
    let mut backref = Backref::of(&fake.url()).start();
    backref.terminate();
    let ran = run(&backref, &Home::new(), "backfill app");
    assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{ran:?}");
}
