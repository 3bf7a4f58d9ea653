//! Many pushes to one subject at once, by oras, by single requests, and by clients who then write the referrers tag
//! themselves, each with what it read before. `PUSHES=500` for as many.

use std::collections::BTreeSet;
use std::env;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::stand::{Stand, json_digest, text};
use crate::support::{Home, Kind, Registry, http, sha256, until};
use crate::tagged::{INDEX, metric, put, put_as, referrer, url};

on_both_upstreams!(referrers_tag_has_every_referrer_of_many_concurrent_pushes);

fn referrers_tag_has_every_referrer_of_many_concurrent_pushes(kind: Kind) {
    let count: usize = env::var("PUSHES").map_or(60, |count| count.parse().expect("PUSHES: a number"));
    let stand = Stand::configured(Registry::of(kind).start(), "");
    let subject = stand.push_image("app:v1");
    let tag = subject.replace(':', "-");
    // Homes are made beforehand, so that the clients start as close together as can be.
    let homes: Vec<Option<Home>> = (0..count).map(|number| (number % 3 == 0).then(|| home(number))).collect();
    let started = Instant::now();
    let pushed: BTreeSet<String> = thread::scope(|scope| {
        let clients: Vec<_> = homes
            .iter()
            .enumerate()
            .map(|(number, home)| {
                let (image, base) = (stand.at("app:v1"), stand.backref.url());
                let manifest = referrer(&subject, &number.to_string());
                let tag = &tag;
                scope.spawn(move || match home {
                    Some(home) => attach(home, &image),
                    None if number % 3 == 1 => put(&base, &sha256(&manifest), &manifest),
                    None => push_and_write_the_tag(&base, tag, &manifest),
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("an acknowledged push")).collect()
    });
    let took = started.elapsed();
    assert_eq!(pushed.len(), count);
    until("the tag to be written", || (metric(&stand.backref, "backref_referrers_tags_pending") == 0).then_some(()));

    let listed = stand.listed("app", &subject);
    assert_eq!((listed.len(), listed.iter().cloned().collect::<BTreeSet<_>>()), (count, pushed));
    let index = http::get(&url(&stand.registry.url(), &tag), &[("Accept", INDEX)]).json();
    let tagged: Vec<String> = entries(&index).iter().map(|entry| text(&entry["digest"])).collect();
    assert_eq!(tagged, listed, "what the tag has, in its order");
    let requests = stand.registry.requests();
    let puts = requests.iter().filter(|line| line.starts_with(&format!("PUT /v2/app/manifests/{tag} "))).count();
    let old = (0..count).filter(|number| number % 3 == 2).count();
    println!(
        "{kind:?}: {count} pushes at once in {took:?}: {} listed, {} in the tag; {puts} writes of the tag, of which \
         {old} by clients",
        listed.len(),
        tagged.len(),
    );
}

fn home(number: usize) -> Home {
    let home = Home::new();
    // A file for each client: distribution itself loses a blob that several clients push at the same time.
    home.write("signature.txt", &number.to_string());
    home
}

fn attach(home: &Home, image: &str) -> String {
    let flags = "--plain-http --format json --artifact-type application/vnd.test.signature";
    json_digest(&home.run(&format!("oras attach {flags} {image} signature.txt")))
}

/// Writes the referrers tag without a lock, as clients do that know no API.
fn push_and_write_the_tag(base: &str, tag: &str, manifest: &[u8]) -> String {
    let digest = put(base, &sha256(manifest), manifest);
    let mut manifests = until("the tag", || {
        let read = http::get(&url(base, tag), &[("Accept", INDEX)]);
        match read.status {
            200 => Some(entries(&read.json())),
            404 => Some(Vec::new()),
            // 2.8 has nothing in the tag's file for a moment while it is written; such clients ask again.
            500 => None,
            _ => panic!("{read:?}"),
        }
    });
    manifests.push(json!({"mediaType": INDEX, "digest": digest, "size": manifest.len()}));
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
    let written = put_as(base, tag, list.as_bytes());
    assert_eq!(written.status, 201, "{written:?}");
    digest
}

fn entries(index: &Value) -> Vec<Value> {
    index["manifests"].as_array().expect("a list").clone()
}
