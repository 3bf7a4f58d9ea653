//! In front of a registry that lists referrers itself.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::run::{in_database_of, run};
use crate::stand::{INDEX, plain, referrer};
use crate::support::{Backref, Fake, Holdings, http, sha256};

const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

/// What the registry can do by now.
#[derive(Default)]
struct Api {
    is_there: bool,
    takes_artifacts: bool,
    /// What was pushed since it has the API: it lists nothing else.
    listed: BTreeSet<String>,
}

struct Stand {
    backref: Backref,
    fake: Fake,
    holdings: Holdings,
    api: Arc<Mutex<Api>>,
    image: String,
}

/// A registry with an image under a tag.
fn up() -> Stand {
    let (holdings, api) = (Holdings::default(), Arc::new(Mutex::new(Api::default())));
    let image = plain("image");
    holdings.hold("app", INDEX, &image);
    holdings.hold_at("/v2/app/manifests/v1", INDEX, &image);
    let (held, now, blobs) = (holdings.clone(), api.clone(), Arc::new(Mutex::new(BTreeSet::<String>::new())));
    let fake = Fake::start(move |visit| {
        let target = visit.head.target().to_owned();
        let json: &[&str] = &["Content-Type: application/json"];
        let mut api = now.lock().expect("no one panicked");
        if let Some((_, subject)) = target.split_once("/referrers/") {
            if !api.is_there {
                return visit.answer("404 Not Found", json, "{}");
            }
            let digests = held.referrers(subject).into_iter().filter(|one| api.listed.contains(one));
            let entries: Vec<_> =
                digests.map(|digest| json!({"mediaType": INDEX, "digest": digest, "size": 2})).collect();
            let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
            visit.answer("200 OK", &[&format!("Content-Type: {INDEX}")], list.to_string());
        } else if target == "/v2/app/tags/list" {
            visit.answer("200 OK", json, r#"{"name":"app","tags":["v1"]}"#);
        } else if target.starts_with("/v2/_catalog") {
            visit.answer("200 OK", json, r#"{"repositories":["app"]}"#);
        } else if let Some((_, digest)) = target.split_once("/blobs/uploads/1?digest=") {
            blobs.lock().expect("no one panicked").insert(digest.replace("%3A", ":"));
            visit.body();
            visit.answer("201 Created", &[], "");
        } else if target.ends_with("/blobs/uploads/") {
            visit.body();
            visit.answer("202 Accepted", &["Location: /v2/app/blobs/uploads/1"], "");
        } else if let Some((_, digest)) = target.split_once("/blobs/") {
            let is_there = blobs.lock().expect("no one panicked").contains(digest);
            visit.answer(if is_there { "200 OK" } else { "404 Not Found" }, &["Content-Length: 2"], "");
        } else if visit.is("PUT") {
            if visit.head.header("Content-Type") == Some(ARTIFACT) && !api.takes_artifacts {
                visit.body();
                let refusal = r#"{"errors":[{"code":"MANIFEST_INVALID","message":"unknown media type"}]}"#;
                return visit.answer("400 Bad Request", json, refusal);
            }
            let reply = held.apply(visit).expect("a whole request");
            if let Some(subject) = held.subject_of(&target).filter(|_| api.is_there) {
                api.listed.insert(target.rsplit_once('/').expect("a path").1.to_owned());
                return reply.with(&[&format!("OCI-Subject: {subject}")]).give(visit);
            }
            reply.give(visit);
        } else {
            drop(api);
            held.serve(visit);
        }
    });
    let backref = Backref::of(&fake.url()).start();
    Stand { backref, fake, holdings, api, image: sha256(&image) }
}

impl Stand {
    fn becomes(&self, change: impl FnOnce(&mut Api)) {
        change(&mut self.api.lock().expect("no one panicked"));
    }

    fn push(&self, kind: &str, manifest: &[u8]) -> String {
        let digest = sha256(manifest);
        let url = format!("{}/v2/app/manifests/{digest}", self.backref.url());
        let answer = http::send("PUT", &url, &[("Content-Type", kind)], manifest);
        assert_eq!(answer.status, 201, "{answer:?}");
        digest
    }

    fn holds(&self, reference: &str) -> bool {
        self.holdings.holds(&format!("/v2/app/manifests/{reference}"))
    }

    fn tag(&self) -> String {
        self.image.replace(':', "-")
    }

    fn listed(&self) -> BTreeSet<String> {
        let all = http::referrers(self.backref.host(), "app", &self.image, &[]);
        all.iter().map(|one: &Value| one["digest"].as_str().expect("a digest").to_owned()).collect()
    }
}

#[test]
fn verify_finds_what_the_registry_lists_and_backfill_reads_it() {
    let mut stand = up();
    stand.becomes(|api| api.is_there = true);
    let manifest = referrer(&stand.image, "signature");
    stand.holdings.hold("app", INDEX, &manifest);
    let signature = sha256(&manifest);
    stand.becomes(|api| api.listed.extend([signature.clone()]));
    let ran = run(&stand.backref, "verify");
    let says = format!("app@{}: in the registry's own list, but not in backref's database", stand.image);
    assert!(ran.code == Some(1) && ran.stdout.contains(&says) && ran.stdout.contains(&signature), "{ran:?}");
    let ran = run(&stand.backref, "backfill");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = run(&stand.backref, "verify");
    assert!(ran.code == Some(0) && ran.stdout.contains("1 image compared,"), "{ran:?}");
    stand.backref.terminate();
    assert_eq!(in_database_of(&stand.backref, &stand.fake.url(), "app", &stand.image), [signature]);
}

#[test]
fn migrate_gives_the_registrys_list_what_it_lacks() {
    let stand = up();
    let ran = run(&stand.backref, "migrate");
    assert!(ran.code == Some(0) && ran.stdout.contains("0 images looked at"), "{ran:?}");
    let pushed = ["a", "b"].map(|name| stand.push(INDEX, &referrer(&stand.image, name)));
    assert!(stand.holds(&stand.tag()));
    let ran = run(&stand.backref, "migrate");
    assert!(ran.code == Some(1) && ran.stdout.contains("there is nothing to migrate to"), "{ran:?}");

    stand.becomes(|api| api.is_there = true);
    let ran = run(&stand.backref, "verify");
    let says = "in backref's database, but not in the registry's own list";
    assert!(ran.code == Some(1) && ran.stdout.contains(says) && ran.stdout.contains(&pushed[0]), "{ran:?}");
    let before = stand.fake.count("PUT");
    let ran = run(&stand.backref, "migrate --dry-run");
    assert!(ran.code == Some(0) && ran.stdout.contains("2 would be pushed again"), "{ran:?}");
    assert_eq!(stand.fake.count("PUT"), before);

    let ran = run(&stand.backref, "migrate --remove-tags");
    assert!(ran.code == Some(0) && ran.stdout.contains("2 pushed again; its referrers tag is removed"), "{ran:?}");
    assert_eq!(stand.api.lock().expect("no one panicked").listed, BTreeSet::from(pushed.clone()));
    assert!(!stand.holds(&stand.tag()));
    let ran = run(&stand.backref, "verify");
    assert!(
        ran.code == Some(0) && ran.stdout.contains("app: the registry's own lists have every referrer: backref may go"),
        "{ran:?}"
    );
    assert_eq!(stand.listed(), BTreeSet::from(pushed));
    let ran = run(&stand.backref, "migrate --remove-tags");
    assert!(ran.code == Some(0) && ran.stdout.contains("0 referrers pushed again"), "{ran:?}");
    let ran = run(&stand.backref, "doctor");
    assert!(ran.code == Some(0) && ran.stdout.contains("nothing is pending"), "{ran:?}");
}

#[test]
fn migrate_puts_artifact_manifests_in_the_place_of_their_carriers() {
    let stand = up();
    let artifact = json!({
        "mediaType": ARTIFACT, "artifactType": "application/vnd.test.sbom", "blobs": [],
        "subject": {"mediaType": INDEX, "digest": stand.image, "size": 2},
    });
    let artifact = artifact.to_string().into_bytes();
    let original = stand.push(ARTIFACT, &artifact);
    let carrier = stand.listed();
    assert!(!stand.holds(&original) && !carrier.contains(&original) && carrier.len() == 1);

    stand.becomes(|api| api.is_there = true);
    let ran = run(&stand.backref, "migrate --originals");
    let says = format!("the registry takes no artifact manifests: the carriers stay, of {original}");
    assert!(ran.code == Some(1) && ran.stdout.contains(&says), "{ran:?}");
    let ran = run(&stand.backref, "verify");
    assert!(ran.code == Some(0) && ran.stdout.contains("through backref alone"), "{ran:?}");

    stand.becomes(|api| api.takes_artifacts = true);
    let ran = run(&stand.backref, "migrate --originals --remove-tags");
    assert!(ran.code == Some(0) && ran.stdout.contains("1 put in the place of their carriers"), "{ran:?}");
    assert!(stand.holds(&original) && carrier.iter().all(|carrier| !stand.holds(carrier)));
    assert_eq!(stand.listed(), BTreeSet::from([original.clone()]));
    let url = format!("{}/v2/app/manifests/{original}", stand.backref.url());
    let pulled = http::get(&url, &[("Accept", ARTIFACT)]);
    assert_eq!((pulled.status, pulled.body), (200, artifact));
    let ran = run(&stand.backref, "verify");
    assert!(ran.code == Some(0) && ran.stdout.contains("backref may go"), "{ran:?}");
}
