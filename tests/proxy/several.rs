//! Several registries behind one backref, told apart by the host that clients ask for.

use crate::manifests::{INDEX, plain, referrer};
use crate::support::http::{self, Answer};
use crate::support::{Backref, Fake, Holdings, sha256};

struct Stand {
    backref: Backref,
    one: (Fake, Holdings),
    rest: (Fake, Holdings),
}

fn registry() -> (Fake, Holdings) {
    let holdings = Holdings::default();
    let held = holdings.clone();
    (Fake::start(move |visit| held.serve(visit)), holdings)
}

/// The first is asked for as `one.test`, and its names without a slash are of `library/`.
fn up(rest_has_hosts: bool) -> Stand {
    let (one, rest) = (registry(), registry());
    let hosts = if rest_has_hosts { "hosts = \"rest.test:80\"\n" } else { "" };
    let config = format!(
        "[[upstream]]\nname = \"one\"\nurl = \"{}\"\nhosts = \"one.test, docker.io\"\nlibrary = true\n\
         [[upstream]]\nname = \"rest\"\nurl = \"{}\"\n{hosts}",
        one.0.url(),
        rest.0.url(),
    );
    Stand { backref: Backref::of("").config(&config).start(), one, rest }
}

impl Stand {
    fn ask(&self, host: &str, method: &str, path: &str, body: &[u8]) -> Answer {
        let url = format!("{}{path}", self.backref.url());
        http::send(method, &url, &[("Host", host), ("Content-Type", INDEX), ("Accept", INDEX)], body)
    }

    fn listed(&self, host: &str, repository: &str, subject: &str) -> Vec<String> {
        let answer = self.ask(host, "GET", &format!("/v2/{repository}/referrers/{subject}"), b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        let list = answer.json()["manifests"].as_array().expect("a list").clone();
        list.iter().map(|one| one["annotations"]["name"].as_str().expect("a name").to_owned()).collect()
    }
}

#[test]
fn upstreams_have_lists_of_their_own() {
    let stand = up(false);
    let subject = plain("subject");
    let digest = sha256(&subject);
    for (_, holdings) in [&stand.one, &stand.rest] {
        holdings.hold("team/app", INDEX, &subject);
    }
    for (host, name) in [("one.test", "a"), ("localhost", "b"), ("One.Test:5080", "c")] {
        let manifest = referrer(&digest, name);
        let pushed = stand.ask(host, "PUT", &format!("/v2/team/app/manifests/{}", sha256(&manifest)), &manifest);
        assert_eq!(pushed.status, 201, "{pushed:?}");
    }
    assert_eq!(stand.listed("one.test", "team/app", &digest), ["a", "c"]);
    assert_eq!(stand.listed("elsewhere.test", "team/app", &digest), ["b"]);
    // What containerd tells a mirror.
    let path = format!("/v2/team/app/referrers/{digest}?ns=docker.io");
    let listed = stand.ask("localhost", "GET", &path, b"").json();
    assert_eq!(listed["manifests"].as_array().map(Vec::len), Some(2));
    // Nobody is believed who speaks for others.
    let url = format!("{}/v2/team/app/referrers/{digest}", stand.backref.url());
    let listed = http::get(&url, &[("Host", "localhost"), ("X-Forwarded-Host", "one.test")]).json();
    assert_eq!(listed["manifests"].as_array().map(Vec::len), Some(1));
    let metrics = http::get(&format!("{}/metrics", stand.backref.admin_url()), &[]).text();
    for name in ["one", "rest"] {
        assert!(metrics.contains(&format!("backref_upstream_up{{upstream=\"{name}\"}} 1")), "{metrics}");
        let counted = format!("backref_requests_total{{upstream=\"{name}\",route=\"referrers\",status=\"200\"}} 2");
        assert!(metrics.contains(&counted), "{metrics}");
    }
    let ready = http::get(&format!("{}/readyz", stand.backref.admin_url()), &[]).text();
    assert!(ready.contains("upstream one: ready\n") && ready.contains("upstream rest: ready\n"), "{ready}");
}

#[test]
fn upstreams_names_without_a_slash_are_of_the_library_where_that_is_so() {
    let stand = up(false);
    let image = plain("image");
    stand.one.1.hold("library/alpine", INDEX, &image);
    stand.rest.1.hold("alpine", INDEX, &image);
    let path = format!("/v2/alpine/manifests/{}", sha256(&image));
    assert_eq!(stand.ask("one.test", "GET", &path, b"").body, image);
    assert_eq!(stand.ask("localhost", "GET", &path, b"").body, image);
    assert_eq!(stand.one.0.seen()[0].head.target(), path.replace("alpine", "library/alpine"));
    assert_eq!(stand.rest.0.seen()[0].head.target(), path);
}

#[test]
fn upstreams_that_nobody_knows_are_not_to_be_had() {
    let stand = up(true);
    assert_eq!(stand.ask("rest.test:80", "GET", "/v2/", b"").status, 200);
    let answer = stand.ask("elsewhere.test", "GET", "/v2/", b"");
    assert_eq!(answer.status, 421);
    let message = "no registry is to be had here as \"elsewhere.test\"";
    let error = &answer.json()["errors"][0];
    assert_eq!((&error["code"], &error["message"]), (&"UNSUPPORTED".into(), &message.into()));
}
