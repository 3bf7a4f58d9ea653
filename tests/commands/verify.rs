//! `backref verify`: each difference has a name.

use std::io::Write;

use serde_json::json;

use crate::run::run;
use crate::stand::{INDEX, KINDS, delete, list, plain, put, referrer, up};
use crate::support::{Backref, Fake, Holdings, Kind, sha256};

#[test]
fn verify_finds_no_difference_after_pushes() {
    for kind in KINDS {
        let stand = up(kind);
        for name in ["a", "b"] {
            stand.push(name);
        }
        stand.flushed();
        let ran = run(&stand.backref, "verify");
        assert_eq!(ran.code, Some(0), "{kind:?}: {ran:?}");
        assert!(ran.stdout.contains("1 image compared, 0 differences"), "{kind:?}: {ran:?}");
    }
}

/// The kinds of differences with the referrer that each names: what is kept for another tool is none.
fn differences(backref: &Backref) -> Vec<(String, String)> {
    let ran = run(backref, "verify --json");
    let lines = ran.lines();
    let named = lines.iter().filter(|line| line["kind"] != "done" && line["kind"] != "kept-in-tag");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let referrers = |line: &serde_json::Value| {
        line["referrers"].as_array().map_or_else(|| vec![String::new()], |all| all.iter().map(text).collect())
    };
    let mut named: Vec<_> =
        named.flat_map(|line| referrers(line).into_iter().map(|one| (text(&line["kind"]), one))).collect();
    named.sort();
    assert_eq!(ran.code, Some(i32::from(!named.is_empty())), "{ran:?}");
    named
}

#[test]
fn verify_finds_every_planted_difference() {
    let stand = up(Kind::Distribution2);
    let registry = stand.registry.url();
    let pushed: Vec<Vec<u8>> = ["a", "b", "c"].iter().map(|name| referrer(&stand.subject, name)).collect();
    for one in &pushed {
        put(&stand.url(), &sha256(one), one);
    }
    stand.flushed();
    let around = stand.push_around("around");
    let untrue = plain("refers to nobody");
    put(&registry, &sha256(&untrue), &untrue);
    // In another order, without the first, with two more; its descriptors say no artifact type.
    put(&registry, &stand.tag(), &list(&[&pushed[2], &around, &pushed[1], &untrue]));
    let found = |kind: &str, digest: &str| (kind.to_owned(), digest.to_owned());
    let mut expected = vec![
        found("not-in-tag", &sha256(&pushed[0])),
        found("not-in-database", &sha256(&around)),
        found("order", ""),
        found("described-differently", &sha256(&pushed[1])),
        found("described-differently", &sha256(&pushed[2])),
    ];
    expected.sort();
    assert_eq!(differences(&stand.backref), expected);
    let text = run(&stand.backref, "verify").stdout;
    let line = format!("app@{}: in backref's database, but not in the referrers tag", stand.subject);
    let named = |line: &str, digest: &str| text.lines().any(|said| said.starts_with(line) && said.contains(digest));
    assert!(named(&line, &sha256(&pushed[0])), "{text}");

    delete(&registry, &sha256(&untrue));
    assert!(differences(&stand.backref).contains(&found("gone-from-registry", &sha256(&untrue))));
    // After a backfill nothing differs.
    assert_eq!(run(&stand.backref, "backfill").code, Some(0));
    assert_eq!(differences(&stand.backref), []);
}

#[test]
fn verify_compares_a_referrers_tag_that_the_database_knows_nothing_of() {
    let stand = up(Kind::Distribution3);
    let around = stand.push_around("around");
    put(&stand.registry.url(), &stand.tag(), &list(&[&around]));
    assert_eq!(differences(&stand.backref), [("not-in-database".to_owned(), sha256(&around))]);
}

#[test]
fn verify_names_rows_of_which_the_registry_shows_nothing() {
    let mut stand = up(Kind::Distribution2);
    let pushed = stand.push("a");
    stand.flushed();
    stand.backref.terminate();
    for digest in [&stand.subject, &pushed] {
        delete(&stand.registry.url(), digest);
    }
    // The referrers tag as well: nothing is left.
    let index = stand.index().expect("a list").to_string();
    let tagged = stand.backref.sql("SELECT tag_digest FROM subject");
    assert_eq!(delete(&stand.registry.url(), tagged.trim()), 202, "{index}");
    assert_eq!(differences(&stand.backref), [("unseen".to_owned(), String::new())]);
}

#[test]
fn verify_asks_a_registry_that_has_a_referrers_api() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold("app", INDEX, &subject);
    let digest = sha256(&subject);
    let [ours, theirs] = ["ours", "theirs"].map(|name| referrer(&digest, name));
    holdings.hold("app", INDEX, &theirs);
    let native = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {"mediaType": INDEX, "digest": sha256(&theirs), "size": theirs.len()}
    ]});
    let fake = Fake::start(move |visit| {
        if visit.head.target().starts_with("/v2/app/referrers/") {
            visit.answer("200 OK", &[&format!("Content-Type: {INDEX}")], native.to_string());
        } else {
            holdings.serve(visit);
        }
    });
    let backref = Backref::of(&fake.url()).start();
    put(&backref.url(), &sha256(&ours), &ours);
    let expected = [("not-in-api".to_owned(), sha256(&ours)), ("only-in-api".to_owned(), sha256(&theirs))];
    assert_eq!(differences(&backref), expected);
    assert!(run(&backref, "doctor").stdout.contains("has a referrers API of its own"));
}

/// An index as backref writes it, with its mark.
fn marked(subject: &str, entries: &[&[u8]]) -> Vec<u8> {
    let mut index: serde_json::Value = serde_json::from_slice(&list(entries)).expect("JSON");
    index["annotations"] = json!({"io.backref.subject": subject});
    index.to_string().into_bytes()
}

#[test]
fn verify_names_nothing_that_repair_does_not_cure() {
    let stand = up(Kind::Distribution2);
    let (registry, tag) = (stand.registry.url(), stand.tag());
    let pushed: Vec<Vec<u8>> = ["a", "b", "c"].iter().map(|name| referrer(&stand.subject, name)).collect();
    for one in &pushed {
        put(&stand.url(), &sha256(one), one);
    }
    stand.flushed();
    let [a, b, c] = [&pushed[0][..], &pushed[1], &pushed[2]];
    let around = stand.push_around("around");
    // A referrer of something else, which backref knows.
    let of_other = referrer(&sha256(&plain("other")), "of another subject");
    put(&registry, &sha256(&plain("other")), &plain("other"));
    put(&stand.url(), &sha256(&of_other), &of_other);
    let of_subject = format!("SELECT tag_digest FROM subject WHERE subject = '{}'", stand.subject);
    let index = stand.backref.sql(&of_subject);
    let plant = |entries: &[&[u8]]| {
        put(&registry, &tag, &marked(&stand.subject, entries));
    };
    let plants: [(&str, &dyn Fn()); 6] = [
        ("not-in-tag", &|| assert_eq!(delete(&registry, index.trim()), 202)),
        ("not-in-tag", &|| plant(&[a, c])),
        ("order", &|| plant(&[c, b, a])),
        ("described-differently", &|| plant(&[a, b, c])),
        ("untrue-in-tag", &|| plant(&[a, b, c, &of_other])),
        ("not-in-database", &|| plant(&[a, b, c, &around])),
    ];
    for (kind, plant) in plants {
        plant();
        let found = differences(&stand.backref);
        assert!(found.iter().any(|(found, _)| found == kind), "{kind}: {found:?}");
        let repaired = run(&stand.backref, "repair");
        assert!(
            repaired.code == Some(0) && repaired.stdout.contains("1 referrers tag written"),
            "{kind}: {repaired:?}"
        );
        assert_eq!(differences(&stand.backref), [], "{kind}");
    }
    assert_eq!(stand.tagged().len(), 4);
}

/// Another tool's entries stay in the tag: they are said, and are no difference.
#[test]
fn verify_says_what_stays_in_a_tag_for_another_tool() {
    let stand = up(Kind::Distribution2);
    let registry = stand.registry.url();
    let foreign = plain("refers to nobody");
    put(&registry, &sha256(&foreign), &foreign);
    let around = stand.push_around("around");
    put(&registry, &stand.tag(), &list(&[&around, &foreign]));
    let pushed = stand.push("a");
    stand.flushed();
    assert_eq!(stand.tagged(), [pushed, sha256(&around), sha256(&foreign)]);
    let ran = run(&stand.backref, "verify");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout.contains(&format!(
            "in the referrers tag for another tool: they don't refer to the subject, and stay there: {}",
            sha256(&foreign)
        )),
        "{ran:?}"
    );
}

#[test]
fn verify_ends_with_1_where_it_could_ask_nothing() {
    let answers = |status: &'static str, headers: &'static [&'static str], body: &'static str| {
        Fake::start(move |visit| {
            visit.body();
            visit.answer(status, headers, body);
        })
    };
    let html: &[&str] = &["Content-Type: text/html"];
    let basic: &[&str] = &["WWW-Authenticate: Basic realm=\"x\"", "Content-Type: application/json"];
    for (fake, says) in [
        (answers("404 Not Found", html, "<html>"), "answers 404 Not Found to /v2/: is that a registry?"),
        (answers("200 OK", html, "<html>"), "is that a registry?"),
        (answers("503 Service Unavailable", &[], ""), "answers 503 Service Unavailable to /v2/"),
        (answers("401 Unauthorized", basic, "{}"), "Docker's configuration has no credentials"),
    ] {
        let backref = Backref::of(&fake.url()).start();
        for command in ["verify", "doctor"] {
            let ran = run(&backref, command);
            assert!(ran.code == Some(1) && ran.stdout.contains(says), "{command}, {says}: {ran:?}");
        }
    }
    let down = Backref::of("http://127.0.0.1:1").start();
    for command in ["verify", "doctor"] {
        let ran = run(&down, command);
        let says = "FAIL  http://127.0.0.1:1 does not answer: no connection to the upstream: Connection refused";
        assert!(ran.code == Some(1) && ran.stdout.contains(says), "{command}: {ran:?}");
    }
}

#[test]
fn verify_and_doctor_say_that_the_registry_is_backref_itself() {
    let holdings = Holdings::default();
    let fake = Fake::start(move |visit| holdings.serve(visit));
    let inner = Backref::of(&fake.url()).start();
    let outer = Backref::of(&inner.url()).start();
    for command in ["verify", "doctor"] {
        let ran = run(&outer, command);
        let says = format!("FAIL  {} is a backref", inner.url());
        assert!(ran.code == Some(1) && ran.stdout.contains(&says), "{command}: {ran:?}");
    }
    let ran = run(&inner, "doctor");
    assert!(!ran.stdout.contains("is a backref"), "{ran:?}");
}

#[test]
fn doctor_says_that_the_registry_does_not_speak_tls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let backref = Backref::of(&format!("https://{}", listener.local_addr().expect("bound"))).start();
    let ran = std::thread::scope(|scope| {
        // As servers of HTTP answer what is none.
        scope.spawn(|| listener.accept().expect("a connection").0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        run(&backref, "doctor")
    });
    assert!(ran.code == Some(1) && ran.stdout.contains("it does not speak TLS"), "{ran:?}");
}

/// A registry that lists none of its repositories, and a database without any.
#[test]
fn verify_of_nothing_is_a_finding() {
    let holdings = Holdings::default();
    let fake = Fake::start(move |visit| {
        if visit.head.target().starts_with("/v2/_catalog") {
            visit.answer("403 Forbidden", &[], "{}");
        } else {
            holdings.serve(visit);
        }
    });
    let backref = Backref::of(&fake.url()).start();
    let ran = run(&backref, "verify");
    assert!(ran.code == Some(1) && ran.stdout.contains("nothing was compared"), "{ran:?}");
    assert!(ran.stdout.contains("name repositories"), "{ran:?}");
}

/// The rows of an upstream are under its name.
#[test]
fn verify_and_doctor_say_that_the_database_has_rows_under_another_name() {
    let mut stand = up(Kind::Distribution2);
    stand.push("a");
    stand.flushed();
    stand.backref.terminate();
    let ran = crate::run::run_with(&stand.backref, "verify", &[("BACKREF_UPSTREAM_NAME", "renamed")]);
    let said = "the database has rows of another upstream";
    assert!(ran.code == Some(1) && ran.stdout.contains(said) && ran.stdout.contains("upstream.name"), "{ran:?}");
    let ran = crate::run::run_with(&stand.backref, "doctor", &[("BACKREF_UPSTREAM_NAME", "renamed")]);
    assert!(ran.code == Some(1) && ran.stdout.contains(said), "{ran:?}");
}

#[test]
fn doctor_shows_every_challenge() {
    let fake = Fake::start(|visit| {
        let challenges = [
            "WWW-Authenticate: Basic realm=\"x\"",
            "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:1/token\",service=\"y\"",
            "Content-Type: application/json",
        ];
        visit.answer("401 Unauthorized", &challenges, "{}");
    });
    let backref = Backref::of(&fake.url()).start();
    let ran = run(&backref, "doctor");
    let says = "requires authentication (Basic realm=\"x\", Bearer realm=\"http://127.0.0.1:1/token\",service=\"y\")";
    assert!(ran.stdout.contains(says), "{ran:?}");
}
