//! The gate: a tag points at a manifest only when what has to refer to it does.

use serde_json::json;

use crate::manifests::{INDEX, path, plain, push, push_as, referrer};
use crate::support::http::{self, Answer};
use crate::support::{Backref, Fake, Holdings, Visit, sha256, sha512};
use crate::wire::error_code;

const SIGNATURE: &str = "application/vnd.test.signature";
const GATE: &str = "[permit]\nttl = \"0\"\n[[gate]]\nrepositories = [\"a*\"]\ntags = [\"v*\", \"sha*\"]\n\
                    require = [\"application/vnd.test.signature\"]\n";

struct Stand {
    backref: Backref,
    fake: Fake,
    holdings: Holdings,
}

fn up() -> Stand {
    with(GATE, Holdings::serve)
}

fn with(config: &str, decide: impl Fn(&Holdings, &mut Visit) + Send + Sync + 'static) -> Stand {
    let holdings = Holdings::default();
    let held = holdings.clone();
    let fake = Fake::start(move |visit| decide(&held, visit));
    Stand { backref: Backref::of(&fake.url()).config(config).without_tags().start(), fake, holdings }
}

impl Stand {
    fn push_as(&self, reference: &str, manifest: &[u8]) -> Answer {
        push_as(self.backref.host(), reference, manifest)
    }

    fn sign(&self, subject: &[u8]) -> String {
        push(self.backref.host(), &referrer(&sha256(subject), "signature"))
    }

    /// Asserts that the push is refused, the answer names what is missing, and nothing is sent to the upstream.
    fn assert_closed(&self, reference: &str, manifest: &[u8]) {
        let puts = self.fake.count("PUT");
        let answer = self.push_as(reference, manifest);
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (403, "DENIED"), "{reference}: {answer:?}");
        assert!(answer.text().contains(SIGNATURE) && answer.text().contains(&sha256(manifest)), "{answer:?}");
        assert_eq!(self.fake.count("PUT"), puts, "{reference}");
    }

    fn assert_open(&self, reference: &str, manifest: &[u8]) {
        let answer = self.push_as(reference, manifest);
        assert_eq!(answer.status, 201, "{reference}: {answer:?}");
    }
}

#[test]
fn gate_opens_a_tag_after_push_by_digest_and_signature() {
    let stand = up();
    let image = plain("image");
    stand.assert_closed("v1", &image);
    push(stand.backref.host(), &image);
    stand.assert_closed("v1", &image);
    // Something of another type is not what is asked for.
    push(stand.backref.host(), &referrer(&sha256(&image), "sbom"));
    stand.assert_closed("v1", &image);
    stand.sign(&image);
    stand.assert_open("v1", &image);
    assert!(stand.holdings.holds(&path("v1")));
    stand.assert_closed("v1", &plain("another"));
    let metrics = http::get(&format!("{}/metrics", stand.backref.admin_url()), &[]).text();
    assert!(metrics.contains("backref_gates_total{outcome=\"denied\"} 4"), "{metrics}");
    assert!(metrics.contains("backref_gates_total{outcome=\"passed\"} 1"), "{metrics}");
}

#[test]
fn gate_opens_at_once_for_an_image_that_was_signed_before_its_push() {
    let stand = up();
    let image = plain("image");
    let signature = stand.sign(&image);
    stand.assert_open("v1", &image);
    // With neither of them in the upstream any more, there is nothing that this caller can see.
    let other = plain("other");
    let gone = stand.sign(&other);
    stand.holdings.forget(&path(&gone));
    stand.assert_closed("v1", &other);
    assert_ne!(signature, gone);
}

#[test]
fn gate_stays_closed_after_the_signature_was_deleted() {
    let stand = up();
    let image = plain("image");
    push(stand.backref.host(), &image);
    let signature = stand.sign(&image);
    assert_eq!(crate::manifests::delete(stand.backref.host(), &signature).status, 202);
    stand.assert_closed("v1", &image);
}

#[test]
fn gate_passes_what_its_patterns_do_not_cover() {
    let stand = up();
    let image = plain("image");
    stand.assert_open("latest", &image);
    stand.assert_open(&sha256(&image), &image);
    let elsewhere = format!("{}/v2/other/manifests/v1", stand.backref.url());
    assert_eq!(http::send("PUT", &elsewhere, &[("Content-Type", INDEX)], &image).status, 201);
    assert_eq!(stand.fake.count("HEAD"), 0, "nothing is asked where nothing is judged");
}

#[test]
fn gate_judges_every_tag_of_a_push() {
    let stand = up();
    let image = plain("image");
    let digest = sha256(&image);
    for query in ["tag=v1", "tag=latest&tag=v1", "x=1;tag=v1", "%74ag=%761", "TAG=V1", "tag=v1&tag=latest"] {
        stand.assert_closed(&format!("{digest}?{query}"), &image);
        stand.assert_closed(&format!("latest?{query}"), &image);
    }
    for odd in ["tag=v1,v2", "tag=", "tag", "tag=%zz", "tag=sha256:00", "tag=v1%00"] {
        let answer = stand.push_as(&format!("{digest}?{odd}"), &image);
        assert_eq!((answer.status, error_code(&answer.body).as_str()), (400, "TAG_INVALID"), "{odd}");
    }
    let answer = stand.push_as("blake3:00?tag=v1", &image);
    assert_eq!((answer.status, error_code(&answer.body).as_str()), (400, "DIGEST_INVALID"));
    assert_eq!(stand.fake.count("PUT"), 0);
    stand.sign(&image);
    stand.assert_open(&format!("{digest}?tag=latest&tag=v1&other=v2"), &image);
    // Another digest of the same bytes is another digest.
    assert_eq!(stand.push_as(&format!("{}?tag=v1", sha512(&image)), &image).status, 403);
}

#[test]
fn gate_judges_every_kind_of_manifest() {
    let stand = up();
    let subject = sha256(&plain("subject"));
    stand.assert_closed("v1", &referrer(&subject, "signature"));
    for media_type in ["application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.artifact.manifest.v1+json"] {
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type}).to_string();
        let url = format!("{}{}", stand.backref.url(), path("v1"));
        let answer = http::send("PUT", &url, &[("Content-Type", media_type)], manifest.as_bytes());
        assert_eq!(answer.status, 403, "{media_type}: {answer:?}");
    }
    assert_eq!(stand.fake.count("PUT"), 0);
}

#[test]
fn gate_refuses_a_path_that_it_can_not_judge() {
    for (config, expected) in [(GATE, 400), ("", 201)] {
        let stand = with(config, Holdings::serve);
        // A slash too many and another case are cleaned up by some upstreams, a method is replaced by a header by others.
        for (method, name) in [
            ("PUT", "A/app/manifests/v1"),
            ("PUT", "app/manifests/-v1"),
            ("PUT", "app/manifests/v1/"),
            ("PUT", "app/Manifests/v1"),
            ("POST", "app/manifests/v1"),
        ] {
            let url = format!("{}/v2/{name}", stand.backref.url());
            let answer = http::send(method, &url, &[("Content-Type", INDEX)], &plain("image"));
            assert_eq!(answer.status == 400, expected == 400, "{method} {name}: {answer:?}");
        }
        assert_eq!(stand.fake.count("POST") > 0, expected == 201);
        assert_eq!(stand.fake.count("PUT") > 0, expected == 201);
    }
}

#[test]
fn gate_exempts_a_referrers_tag_where_every_entry_refers_to_its_subject() {
    let stand = up();
    let (image, other) = (plain("image"), plain("other"));
    for manifest in [&image, &other] {
        push(stand.backref.host(), manifest);
    }
    let [sbom, report] = ["sbom", "report"].map(|name| push(stand.backref.host(), &referrer(&sha256(&image), name)));
    let about_other = push(stand.backref.host(), &referrer(&sha256(&other), "sbom"));
    let list = |digests: &[&str]| {
        let entries: Vec<_> =
            digests.iter().map(|digest| json!({"mediaType": INDEX, "digest": digest, "size": 2})).collect();
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string().into_bytes()
    };
    let tag = sha256(&image).replace(':', "-");
    stand.assert_open(&tag, &list(&[&sbom, &report]));
    stand.assert_open(&format!("{}?tag={tag}", sha256(&list(&[&sbom]))), &list(&[&sbom]));
    // The referrers tag of a sha512 digest has only the beginning of its hex.
    let long = sha512(&image);
    let about_long = push(stand.backref.host(), &referrer(&long, "sbom"));
    stand.assert_open(&long[..7 + 64].replace(':', "-"), &list(&[&about_long]));
    stand.assert_closed(&long[..7 + 64].replace(':', "-"), &list(&[&sbom]));
    for pretender in [
        image.clone(),
        list(&[]),
        list(&[&sha256(&image)]),
        list(&[&sbom, &sha256(&image)]),
        list(&[&sbom, &about_other]),
        list(&[&about_other]),
        list(&[&sbom, &sha256(b"absent")]),
        referrer(&sha256(&image), "sbom"),
    ] {
        stand.assert_closed(&tag, &pretender);
    }
    stand.assert_closed("v1", &list(&[&sbom]));
    let docker = "application/vnd.docker.distribution.manifest.list.v2+json";
    let entry = json!({"mediaType": INDEX, "digest": sbom, "size": 2});
    let manifest = json!({"schemaVersion": 2, "mediaType": docker, "manifests": [entry]}).to_string();
    let url = format!("{}{}", stand.backref.url(), path(&tag));
    assert_eq!(http::send("PUT", &url, &[("Content-Type", docker)], manifest.as_bytes()).status, 403);
}

#[test]
fn gate_exempts_no_referrers_tag_of_a_made_up_digest_algorithm() {
    let stand = up();
    // Such as a pipeline's tags, of a branch and what it was built from.
    let made_up = format!("v1:{}", "0".repeat(64));
    let image = push(stand.backref.host(), &referrer(&made_up, "sbom"));
    let entry = json!({"mediaType": INDEX, "digest": image, "size": 2});
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string().into_bytes();
    stand.assert_closed(&made_up.replace(':', "-"), &list);
}

#[test]
fn gate_exempts_a_digest_tag_where_it_names_the_manifest_and_its_subject() {
    let stand = up();
    let image = plain("image");
    let sbom = referrer(&sha256(&image), "sbom");
    let tag = format!("{}.{}", sha256(&image).replace(':', "-"), &sha256(&sbom)[7..23]);
    stand.assert_open(&tag, &sbom);
    stand.assert_open(&format!("{tag}.sbom"), &sbom);
    stand.assert_closed(&tag, &image);
    stand.assert_closed(&tag, &referrer(&sha256(&image), "report"));
    let of_another = format!("{}.{}", sha256(b"x").replace(':', "-"), &sha256(&sbom)[7..23]);
    stand.assert_closed(&of_another, &sbom);
    stand.assert_closed(&format!("{}.sig", sha256(&image).replace(':', "-")), &sbom);
}

#[test]
fn gate_and_others_that_cover_the_same_tag_must_all_pass() {
    let second = "[[gate]]\nrepositories = [\"app\"]\nrequire = [\"application/vnd.test.sbom\", \"sbom\"]\n";
    let stand = with(&format!("{GATE}{second}"), Holdings::serve);
    let image = plain("image");
    push(stand.backref.host(), &image);
    stand.sign(&image);
    let answer = stand.push_as("v1", &image);
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("of type application/vnd.test.sbom, sbom refers"), "{answer:?}");
    push(stand.backref.host(), &referrer(&sha256(&image), "sbom"));
    let answer = stand.push_as("v1", &image);
    assert!(answer.text().contains("of type sbom refers"), "{answer:?}");
}

const RIGHT: (&str, &str) = ("Authorization", "Basic cmlnaHQ6cmlnaHQ=");

fn push_by(stand: &Stand, headers: &[(&str, &str)], reference: &str, manifest: &[u8]) -> Answer {
    let headers = [&[("Content-Type", INDEX)], headers].concat();
    http::send("PUT", &format!("{}{}", stand.backref.url(), path(reference)), &headers, manifest)
}

#[test]
fn gate_tells_nothing_to_a_caller_to_whom_the_registry_shows_nothing() {
    for hidden in [false, true] {
        let stand = with(GATE, move |holdings, visit| match visit.head.header("Authorization") {
            Some(value) if value == RIGHT.1 => holdings.serve(visit),
            _ if hidden => visit.answer("404 Not Found", &["X-Reason: secret"], ""),
            _ => visit.answer("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"r\""], ""),
        });
        let image = plain("image");
        let digest = sha256(&image);
        assert_eq!(push_by(&stand, &[RIGHT], &digest, &image).status, 201);
        let tag = digest.replace(':', "-");
        let sign =
            || push_by(&stand, &[RIGHT], &sha256(&referrer(&digest, "signature")), &referrer(&digest, "signature"));
        let entry = json!({"mediaType": INDEX, "digest": sha256(&referrer(&digest, "signature")), "size": 2});
        let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string();
        let said = || {
            [("v1", image.as_slice()), (&tag, list.as_bytes())].map(|(reference, manifest)| {
                let answer = push_by(&stand, &[("X-Request-Id", "same")], reference, manifest);
                (answer.status, answer.header("WWW-Authenticate").to_owned(), answer.text())
            })
        };
        let without = said();
        assert_eq!(sign().status, 201);
        assert_eq!(said(), without, "the same whether it is signed or not");
        let expected = if hidden { (403, "") } else { (401, "Basic realm=\"r\"") };
        for (status, challenge, _) in &without {
            assert_eq!((*status, challenge.as_str()), expected);
        }
        assert_eq!(push_by(&stand, &[RIGHT], "v1", &image).status, 201);
    }
}

#[test]
fn gate_stays_closed_while_the_registry_can_not_answer() {
    for (status, expected) in [("503 Service Unavailable", 503), ("429 Too Many Requests", 429), ("418 Teapot", 502)] {
        let stand = with(GATE, move |holdings, visit| match visit.head.method() {
            "HEAD" => visit.answer(status, &["Retry-After: 7"], ""),
            _ => holdings.serve(visit),
        });
        let image = plain("image");
        stand.sign(&image);
        let answer = stand.push_as("v1", &image);
        assert_eq!((answer.status, answer.header("Retry-After")), (expected, "7"));
        assert!(!stand.holdings.holds(&path("v1")));
    }
}

#[test]
fn gate_stays_closed_while_the_database_can_not_be_read() {
    let stand = up();
    let image = plain("image");
    push(stand.backref.host(), &image);
    stand.sign(&image);
    stand.backref.sql("ALTER TABLE referrer RENAME TO elsewhere");
    let answer = stand.push_as("v1", &image);
    assert_eq!((answer.status, error_code(&answer.body).as_str()), (503, "UNAVAILABLE"));
    assert!(!stand.holdings.holds(&path("v1")));
}
