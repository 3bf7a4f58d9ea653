//! `backref backfill`: the database is made from what the registry holds.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::run::{in_database, run};
use crate::running::start;
use crate::stand::{INDEX, KINDS, Stand, list, plain, put, referrer, up};
use crate::support::{Backref, BackrefOptions, Fake, Gate, Holdings, Kind, http, sha256};

fn without_store(mut stand: Stand) -> Stand {
    stand.backref.terminate();
    stand.backref.forget_store();
    stand
}

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

fn put_blob(stand: &Stand, repository: &str, blob: &[u8]) {
    let open = http::send("POST", &format!("{}/v2/{repository}/blobs/uploads/", stand.registry.url()), &[], b"");
    let place = format!("{}&digest={}", open.header("location"), sha256(blob));
    let answer = http::send("PUT", &place, &[("Content-Type", "application/octet-stream")], blob);
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[test]
fn backfill_restores_a_deleted_database_in_the_same_order() {
    for kind in KINDS {
        let stand = up(kind);
        let pushed: Vec<String> = ["c", "a", "d", "b"].iter().map(|name| stand.push(name)).collect();
        let chained = referrer(&pushed[0], "about a referrer");
        put(&stand.url(), &sha256(&chained), &chained);
        stand.flushed();
        let tagged = stand.tagged();
        let stand = without_store(stand);
        let ran = run(&stand.backref, "backfill app --json");
        assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{kind:?}: {ran:?}");
        assert_eq!(in_database(&stand, "app", &stand.subject), pushed, "{kind:?}");
        assert_eq!(in_database(&stand, "app", &pushed[0]), [sha256(&chained)], "{kind:?}");
        assert_eq!((stand.tagged(), tagged), (pushed.clone(), pushed), "and the tag stays as it was: {kind:?}");
        let ran = run(&stand.backref, "doctor --json");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.kinds().contains(&"nothing-pending".to_owned()), "{ran:?}");
    }
}

#[test]
fn backfill_finds_the_referrers_behind_every_kind_of_tag() {
    let stand = up(Kind::Distribution2);
    let registry = stand.registry.url();
    let around: Vec<Vec<u8>> =
        ["tagged", "child", "by digest tag"].iter().map(|name| stand.push_around(name)).collect();
    put(&registry, "v1", &around[0]);
    put(&registry, "children", &list(&[&around[1]]));
    let named = plain("names nobody");
    let digest_tag = format!("{}.{}", stand.tag(), &sha256(&named)["sha256:".len()..][..16]);
    put(&registry, &digest_tag, &named);
    let stand = without_store(stand);
    let ran = run(&stand.backref, "backfill app");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut expected = vec![sha256(&around[0]), sha256(&around[1])];
    expected.sort();
    let mut found = in_database(&stand, "app", &stand.subject);
    found.sort();
    assert_eq!(found, expected, "what no tag leads to can't be found");
    assert!(ran.stdout.contains("pushed by digest alone while nobody kept a list can't be found"), "{ran:?}");
    let mut tagged = stand.tagged();
    tagged.sort();
    assert_eq!(tagged, expected, "and it is in the referrers tag now");

    let older = Backref::of(&registry).store(&stand.backref.store()).without_tags().start();
    let path = format!("{}/v2/app/_oci/artifacts/referrers?digest={}", older.url(), stand.subject);
    let listed = http::get(&path, &[]).text();
    assert!(listed.contains(&sha256(&named)), "by its digest tag: {listed}");
}

#[test]
fn backfill_keeps_the_referrers_tags_order_though_another_tag_comes_first() {
    let stand = up(Kind::Distribution2);
    let around: Vec<Vec<u8>> = ["z", "y", "x"].iter().map(|name| stand.push_around(name)).collect();
    put(&stand.registry.url(), "a-tag-of-the-last", &around[2]);
    put(&stand.registry.url(), &stand.tag(), &list(&[&around[0], &around[1], &around[2]]));
    let stand = without_store(stand);
    assert_eq!(run(&stand.backref, "backfill app --jobs 1").code, Some(0));
    let expected: Vec<String> = around.iter().map(|one| sha256(one)).collect();
    assert_eq!(in_database(&stand, "app", &stand.subject), expected);
}

#[test]
fn backfill_finds_a_referrer_that_stands_under_the_name_of_a_referrers_tag() {
    let stand = up(Kind::Distribution2);
    put_blob(&stand, "app", b"{}");
    let config = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2});
    let subject = json!({"mediaType": INDEX, "digest": stand.subject, "size": 2});
    let other = json!({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [], "subject": subject});
    let other = other.to_string().into_bytes();
    let foreign = sha256(b"whose list it is not").replace(':', "-");
    let url = crate::stand::url(&stand.registry.url(), &foreign);
    assert_eq!(http::send("PUT", &url, &[("Content-Type", IMAGE)], &other).status, 201);
    let stand = without_store(stand);
    assert_eq!(run(&stand.backref, "backfill app").code, Some(0));
    assert_eq!(in_database(&stand, "app", &stand.subject), [sha256(&other)]);
}

#[test]
fn backfill_without_names_goes_through_the_registrys_catalog() {
    for kind in KINDS {
        let stand = up(kind);
        // distribution lists repositories with layers only.
        for repository in ["one/a", "one/b", "two"] {
            put_blob(&stand, repository, b"x");
            let path = format!("{}/v2/{repository}", stand.registry.url());
            for manifest in [plain("subject"), referrer(&stand.subject, "a")] {
                let url = format!("{path}/manifests/v{}", manifest.len());
                assert_eq!(http::send("PUT", &url, &[("Content-Type", INDEX)], &manifest).status, 201);
            }
        }
        let stand = without_store(stand);
        let ran = run(&stand.backref, "backfill");
        assert_eq!(ran.code, Some(0), "{kind:?}: {ran:?}");
        let repositories = stand.backref.sql("SELECT DISTINCT repository FROM referrer ORDER BY 1");
        assert_eq!(repositories.split_whitespace().collect::<Vec<_>>(), ["one/a", "one/b", "two"], "{kind:?}");
    }
}

/// A registry that lists one tag; `head` is its answer to a HEAD of that, `catalog` the one to the catalog.
fn registry(head: &'static str, catalog: &'static str) -> (Fake, Backref) {
    registry_with(|backref| backref, head, catalog)
}

fn registry_with(
    options: impl FnOnce(BackrefOptions) -> BackrefOptions,
    head: &'static str,
    catalog: &'static str,
) -> (Fake, Backref) {
    let holdings = Holdings::default();
    let fake = Fake::start(move |visit| match visit.head.target() {
        "/v2/_catalog" => visit.answer(catalog, &[], r#"{"repositories":["app"]}"#),
        "/v2/app/tags/list" => visit.answer("200 OK", &[], r#"{"name":"app","tags":["v1"]}"#),
        "/v2/app/manifests/v1" => visit.answer(head, &["Content-Length: 5000000"], ""),
        _ => holdings.serve(visit),
    });
    let mut backref = options(Backref::of(&fake.url())).start();
    backref.terminate();
    (fake, backref)
}

/// As distribution 2.8 answers for a tag that is being written, and others when they are asked too much.
#[test]
fn backfill_asks_again_what_the_registry_could_not_answer_once() {
    let (holdings, refused) = (Holdings::default(), Arc::new(Mutex::new(HashSet::new())));
    let subject = plain("subject");
    let one = referrer(&sha256(&subject), "a");
    for manifest in [&subject, &one] {
        holdings.hold("app", INDEX, manifest);
    }
    let tag = sha256(&subject).replace(':', "-");
    let tag_path = format!("/v2/app/manifests/{tag}");
    holdings.hold_at(&tag_path, INDEX, &list(&[&one]));
    let all = json!({"name": "app", "tags": [tag]}).to_string();
    let (first, fails) = (refused.clone(), ["/v2/", "/v2/_catalog", "/v2/app/tags/list", &tag_path].map(str::to_owned));
    let fake = holdings.upstream(move |_, visit| {
        let path = visit.head.target().split('?').next().unwrap_or_default().to_owned();
        if fails.contains(&path) && first.lock().expect("no one panicked").insert(path.clone()) {
            visit.answer("500 Internal Server Error", &[], "");
            return true;
        }
        match path.as_str() {
            "/v2/_catalog" => visit.answer("200 OK", &[], r#"{"repositories":["app"]}"#),
            "/v2/app/tags/list" => visit.answer("200 OK", &[], &all),
            _ => return false,
        }
        true
    });
    let mut backref = Backref::of(&fake.url()).start();
    backref.terminate();
    refused.lock().expect("no one panicked").clear();
    let ran = run(&backref, "backfill --no-write --json");
    assert_eq!((ran.code, ran.kinds()), (Some(0), vec![]), "{ran:?}");
    assert_eq!(refused.lock().expect("no one panicked").len(), 4);
    let done = ran.lines().pop().expect("a last line");
    assert_eq!(done["referrers_tags"], 1, "{ran:?}");
}

#[test]
fn backfill_names_what_it_can_not_read() {
    let (_fake, backref) = registry("403 Forbidden", "200 OK");
    let ran = run(&backref, "backfill");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("app:v1: the registry answered 403 Forbidden"), "{ran:?}");

    let (_fake, backref) = registry("403 Forbidden", "401 Unauthorized");
    let ran = run(&backref, "backfill --json");
    assert_eq!((ran.code, ran.kinds()), (Some(1), vec!["no-catalog".to_owned()]), "{ran:?}");
    assert_eq!(run(&backref, "backfill app --json").kinds(), ["unseen-tag"]);
}

#[test]
fn commands_exit_with_2_on_bad_usage_and_create_no_database() {
    let (_fake, backref) = registry("200 OK", "200 OK");
    for line in ["backfill App", "backfill --jobs 0", "prune --yes", "repair --upstream nowhere"] {
        assert_eq!(run(&backref, line).code, Some(2), "{line}");
    }
    let (_fake, backref) = registry_with(BackrefOptions::on_sqlite, "200 OK", "200 OK");
    backref.forget_store();
    let ran = run(&backref, "verify");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(!backref.database().exists(), "no database is made to be compared");
}

#[test]
fn backfill_finds_carriers_and_reads_them_once() {
    let stand = up(Kind::Distribution2);
    let artifact_type = "application/vnd.oci.artifact.manifest.v1+json";
    let artifact = json!({
        "mediaType": artifact_type, "artifactType": "application/vnd.test", "blobs": [],
        "subject": {"mediaType": INDEX, "digest": stand.subject, "size": plain("subject").len()},
    });
    let artifact = artifact.to_string().into_bytes();
    let headers = [("Content-Type", artifact_type)];
    let url = crate::stand::url(&stand.url(), &sha256(&artifact));
    assert_eq!(http::send("PUT", &url, &headers, &artifact).status, 201);
    stand.flushed();
    let carriers = stand.listed();
    let stand = without_store(stand);
    assert_eq!(run(&stand.backref, "backfill app").code, Some(0));
    assert_eq!(in_database(&stand, "app", &stand.subject), carriers);
    let originals = stand.backref.sql("SELECT original FROM alias");
    assert_eq!(originals.trim(), sha256(&artifact));
    // And nothing is read a second time.
    let before = stand.registry.requests().len();
    assert_eq!(run(&stand.backref, "backfill app").code, Some(0));
    let again: Vec<String> = stand.registry.requests().split_off(before);
    assert!(again.iter().all(|one| !one.contains(&carriers[0])), "{again:?}");
}

#[test]
fn backfill_passes_over_a_tag_that_is_deleted_meanwhile() {
    let (_fake, backref) = registry("404 Not Found", "200 OK");
    assert_eq!(run(&backref, "backfill app").code, Some(0));
}

#[test]
fn verify_ends_on_a_list_of_tags_whose_next_page_is_itself() {
    let fake = Fake::start(move |visit| match visit.head.target() {
        "/v2/" => visit.answer("200 OK", &[], "{}"),
        _ => visit.answer("200 OK", &["Link: </v2/app/tags/list?last=b>; rel=\"next\""], r#"{"tags":["b"]}"#),
    });
    let mut backref = Backref::of(&fake.url()).start();
    backref.terminate();
    let ran = run(&backref, "verify app --json");
    assert_eq!((ran.code, ran.kinds()), (Some(1), vec!["unseen-repository".to_owned()]), "{ran:?}");
    assert!(ran.stdout.contains("nothing new"), "{ran:?}");
}

/// Each of the jobs reads a list, however long the registry takes: none waits for a place until its time is over.
#[test]
fn backfill_reads_as_many_lists_at_a_time_as_it_has_jobs() {
    const JOBS: usize = 8;
    let (holdings, gate) = (Holdings::default(), Gate::default());
    let mut tags = Vec::new();
    for number in 0..JOBS {
        let subject = plain(&format!("subject {number}"));
        let one = referrer(&sha256(&subject), "a");
        for manifest in [&subject, &one] {
            holdings.hold("app", INDEX, manifest);
        }
        let tag = sha256(&subject).replace(':', "-");
        holdings.hold_at(&format!("/v2/app/manifests/{tag}"), INDEX, &list(&[&one]));
        tags.push(tag);
    }
    let (held, all) = (gate.clone(), json!({"name": "app", "tags": tags}).to_string());
    let fake = holdings.upstream(move |_, visit| {
        if visit.head.target().starts_with("/v2/app/tags/list") {
            visit.answer("200 OK", &[], &all);
            return true;
        }
        if visit.is("GET") && visit.head.target().contains("/manifests/sha256-") {
            held.pass();
        }
        false
    });
    let backref = Backref::of(&fake.url()).start();
    let mut command = backref.command("backfill");
    command.args(["app", "--no-write", "--jobs", &JOBS.to_string()]);
    let running = start(command, backref.directory());
    gate.wait_for(JOBS);
    gate.open();
    let (code, said) = running.end();
    assert!(
        code == Some(0) && said.contains(&format!("{JOBS} referrers of {JOBS} images in the database ({JOBS} new)")),
        "{code:?} {said}"
    );
}
