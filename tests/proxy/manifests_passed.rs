//! Manifests that are the registry's to judge: those that name no subject, and those that it has already. And media types in
//! any case.

use serde_json::json;

use crate::manifests::{INDEX, REPOSITORY, listed, path, referrer};
use crate::stand::{Stand, configured, up};
use crate::support::http::{self, Answer};
use crate::support::sha256;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const ODD_INDEX: &str = "Application/Vnd.OCI.Image.Index.v1+JSON";

fn put(stand: &Stand, reference: &str, content_type: &str, manifest: &[u8]) -> Answer {
    let url = format!("{}{}", stand.backref.url(), path(reference));
    http::send("PUT", &url, &[("Content-Type", content_type)], manifest)
}

#[test]
fn manifest_that_names_no_subject_gets_the_registrys_own_answer() {
    let stand = configured("");
    let real = json!({"mediaType": IMAGE, "digest": stand.subject, "size": 2});
    let upper = stand.subject.to_uppercase().replace("SHA", "sha");
    let bodies: Vec<(&str, Vec<u8>)> = [
        (IMAGE, "not json".to_owned()),
        (IMAGE, String::new()),
        (IMAGE, "[]".to_owned()),
        (IMAGE, "{}{}".to_owned()),
        (IMAGE, "\u{feff}{}".to_owned()),
        (IMAGE, format!("{{\"subject\":{real},")),
        (IMAGE, r#"{"subject":{}}"#.to_owned()),
        (IMAGE, r#"{"subject":"sha256:00"}"#.to_owned()),
        (IMAGE, r#"{"subject":{"digest":"latest"}}"#.to_owned()),
        (IMAGE, format!("{{\"subject\":{{\"digest\":\"{upper}\"}}}}")),
        (IMAGE, r#"{"refers":"somewhere else"}"#.to_owned()),
        (IMAGE, r#"{"Refers":7,"Subject":null}"#.to_owned()),
        (IMAGE, r#"{"blobs":[],"blobs":{},"Blobs":1}"#.to_owned()),
        (IMAGE, r#"{"artifactType":"a/b","artifacttype":7,"annotations":{"a":null},"config":1,"config":2}"#.to_owned()),
        ("application/vnd.test.unknown+json", format!("{{\"mediaType\":\"{IMAGE}\",\"subject\":{real}}}")),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", r#"{"manifests":[],"layers":[]}"#.to_owned()),
    ]
    .map(|(content_type, body)| (content_type, body.into_bytes()))
    .into_iter()
    .chain([(IMAGE, b"{\"a\":\"\xff\",\"\\ud800\":1}".to_vec())])
    .collect();
    for (content_type, body) in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = put(&stand, &sha256(&body), content_type, &body);
        assert_eq!(answer.status, 201, "{content_type} {shown}: {answer:?}");
        let seen = stand.fake.seen().pop().expect("the registry was asked");
        assert_eq!((seen.head.values("Content-Type"), seen.body), (vec![content_type], Some(body)), "{shown}");
    }
    assert_eq!(listed(&stand.backref, &stand.subject), [""; 0]);
}

#[test]
fn manifest_with_a_media_type_in_another_letter_case_is_recorded() {
    let stand = configured("");
    let manifest = referrer(&stand.subject, "a");
    let content_type = format!("{ODD_INDEX}; q=\"A\"");
    let answer = put(&stand, &sha256(&manifest), &content_type, &manifest);
    assert_eq!((answer.status, answer.header("OCI-Subject")), (201, stand.subject.as_str()), "{answer:?}");
    let seen = stand.fake.seen().pop().expect("the registry was asked");
    assert_eq!(seen.head.values("Content-Type"), [content_type], "passed on as it came");
    let referrers = http::referrers(stand.backref.host(), REPOSITORY, &stand.subject, &[]);
    assert_eq!((referrers.len(), &referrers[0]["mediaType"]), (1, &json!(INDEX)), "clients compare with this spelling");
}

#[test]
fn manifest_media_types_of_the_registry_may_have_another_letter_case() {
    let stand = up();
    let manifest = referrer(&stand.subject, "a");
    stand.holdings.hold(REPOSITORY, ODD_INDEX, &manifest);
    let entry = json!({"mediaType": ODD_INDEX, "digest": sha256(&manifest), "size": manifest.len()});
    let list = json!({"schemaVersion": 2, "mediaType": ODD_INDEX, "manifests": [entry]}).to_string();
    let tag = stand.subject.replace(':', "-");
    stand.holdings.hold_at(&path(&tag), ODD_INDEX, list.as_bytes());
    assert_eq!(listed(&stand.backref, &stand.subject), [sha256(&manifest)]);
}

#[test]
fn manifest_that_the_registry_has_is_listed_whatever_else_it_holds() {
    let stand = up();
    let subject = json!({"mediaType": INDEX, "digest": stand.subject, "size": 2});
    let manifests = [
        format!(r#"{{"subject":{subject},"annotations":{{"a":null,"b":"c"}}}}"#).into_bytes(),
        format!(r#"{{"subject":{subject},"annotations":{{"a":"\ud800"}},"artifactType":7}}"#).into_bytes(),
        format!(r#"{{"Subject":{subject},"blobs":1,"blobs":2,"config":[]}}"#).into_bytes(),
        [format!(r#"{{"subject":{subject},"a":""#).as_bytes(), b"\xff\"}"].concat(),
    ];
    for manifest in &manifests {
        stand.holdings.hold(REPOSITORY, IMAGE, manifest);
    }
    let entry = |manifest: &Vec<u8>| json!({"mediaType": IMAGE, "digest": sha256(manifest), "size": manifest.len()});
    let entries: Vec<_> = manifests.iter().map(entry).collect();
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
    stand.holdings.hold_at(&path(&stand.subject.replace(':', "-")), INDEX, list.as_bytes());
    let referrers = http::referrers(stand.backref.host(), REPOSITORY, &stand.subject, &[]);
    let digests: Vec<_> = referrers.iter().map(|referrer| referrer["digest"].clone()).collect();
    assert_eq!(digests, manifests.iter().map(|manifest| json!(sha256(manifest))).collect::<Vec<_>>());
    assert_eq!((&referrers[0]["annotations"], referrers[1].get("annotations")), (&json!({"b": "c"}), None));
}
