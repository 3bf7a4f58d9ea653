//! The referrers APIs from before the specification had one: over the wire, with the permit that all lists need.

use serde_json::Value;

use crate::manifests::{REPOSITORY, delete};
use crate::stand::{Stand, up};
use crate::support::http::{self, Answer};

fn get(stand: &Stand, path: &str) -> Answer {
    let answer = http::get(&format!("{}{path}", stand.backref.url()), &[]);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer
}

fn digests(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
}

struct Api {
    path: String,
    /// What its lists are called.
    lists: &'static [&'static str],
    /// What its clients look for.
    header: Option<(&'static str, &'static str)>,
}

fn apis(subject: &str) -> [Api; 3] {
    [
        Api {
            path: format!("/v2/{REPOSITORY}/_oci/artifacts/referrers?digest={subject}"),
            lists: &["referrers", "manifests"],
            header: Some(("RefType-Api-Version", "reftype/1.0")),
        },
        Api {
            path: format!("/v2/{REPOSITORY}/_oras/artifacts/referrers?digest={subject}"),
            lists: &["referrers"],
            header: Some(("ORAS-Api-Version", "oras/1.0")),
        },
        Api {
            path: format!("/oras/artifacts/v1/{REPOSITORY}/manifests/{subject}/referrers"),
            lists: &["references"],
            header: None,
        },
    ]
}

#[test]
fn dialect_of_each_older_api_lists_the_newest_first_under_its_own_names() {
    let stand = up();
    let pushed = ["a", "b", "c"].map(|name| stand.push(name));
    // Without a created annotation, what arrived last is the newest.
    let newest_first: Vec<_> = pushed.iter().rev().cloned().collect();
    for Api { path, lists, header } in apis(&stand.subject) {
        let answer = get(&stand, &path);
        for name in lists {
            assert_eq!(digests(&answer.json()[*name]), newest_first, "{path}: {name}");
        }
        if let Some((name, value)) = header {
            assert_eq!(answer.header(name), value, "{path}");
        }
    }
}

#[test]
fn dialect_of_each_older_api_pages_to_the_end_while_referrers_come_and_go() {
    let stand = up();
    let pushed = ["a", "b", "c", "d"].map(|name| stand.push(name));
    for Api { path, lists, .. } in apis(&stand.subject) {
        let joint = if path.contains('?') { '&' } else { '?' };
        let first = get(&stand, &format!("{path}{joint}n=2"));
        assert_eq!(digests(&first.json()[lists[0]]), [pushed[3].clone(), pushed[2].clone()]);
        // Newer than what was read already, so on no later page.
        let late = stand.push("late");
        let link = first.header("Link").to_owned();
        let target = link.strip_prefix('<').and_then(|rest| rest.split_once('>')).expect("a link to the next page").0;
        let second = get(&stand, target);
        assert_eq!(digests(&second.json()[lists[0]]), [pushed[1].clone(), pushed[0].clone()], "{target}");
        assert_eq!(second.header("Link"), "", "{path}");
        assert_eq!(delete(stand.backref.host(), &late).status, 202);
    }
}

#[test]
fn dialect_of_an_older_api_refuses_a_missing_or_malformed_digest() {
    let stand = up();
    for path in ["/v2/app/_oci/artifacts/referrers", "/v2/app/_oras/artifacts/referrers?digest=sha256:00"] {
        let answer = http::get(&format!("{}{path}", stand.backref.url()), &[]);
        assert_eq!(
            (answer.status, answer.json()["errors"][0]["code"].as_str()),
            (400, Some("DIGEST_INVALID")),
            "{path}"
        );
    }
}

#[test]
fn discover_names_the_apis_on_offer() {
    let stand = up();
    for path in ["/v2/_oci/ext/discover".to_owned(), format!("/v2/{REPOSITORY}/_oci/ext/discover")] {
        let said = get(&stand, &path).json();
        let names: Vec<_> = said["extensions"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["_oci", "_oras"], "{path}");
    }
}
