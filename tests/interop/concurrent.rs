//! Many pushes to one subject at once.

use std::thread;

use crate::stand::{Stand, json_digest, push_image};
use crate::support::{Home, Kind, Registry, http};

const PUSHES: usize = 40;

on_both_upstreams!(oras_forty_concurrent_attachments_are_all_listed);

fn oras_forty_concurrent_attachments_are_all_listed(kind: Kind) {
    let stand = Stand::up(kind);
    let image = stand.push_image("app:v1");
    let mut attached = attach_at_once(&stand.at("app:v1"));

    let mut listed = stand.listed("app", &image);
    attached.sort();
    listed.sort();
    assert_eq!(listed, attached);
    stand.assert_no_client_wrote_a_referrers_tag("app");
    let directly = listed_directly(kind);
    println!(
        "{kind:?}: of {PUSHES} attached at once, through backref {} are listed, directly {directly}",
        listed.len()
    );
}

/// How many are listed without backref: a figure to print, since a race may end in any way.
fn listed_directly(kind: Kind) -> usize {
    let registry = Registry::of(kind).start();
    let reference = format!("{}/app:v1", registry.host());
    let image = push_image(&Home::new(), &reference);
    attach_at_once(&reference);

    let tag = image.replace(':', "-");
    let url = format!("{}/v2/app/manifests/{tag}", registry.url());
    let answer = http::get(&url, &[("Accept", "application/vnd.oci.image.index.v1+json")]);
    answer.json()["manifests"].as_array().map_or(0, Vec::len)
}

/// Each client says it succeeded; returns the digests of what they attached.
fn attach_at_once(image: &str) -> Vec<String> {
    let clients: Vec<_> = (0..PUSHES)
        .map(|number| {
            // Homes are made beforehand, so that the clients start as close together as can be.
            let home = Home::new();
            // A file for each client: distribution itself loses a blob that several clients push at the same time.
            home.write("signature.txt", &number.to_string());
            let flags = "--plain-http --format json --artifact-type application/vnd.test.signature";
            (home, format!("oras attach {flags} {image} signature.txt"))
        })
        .collect();
    let running: Vec<_> = clients.into_iter().map(|(home, line)| thread::spawn(move || home.run(&line))).collect();
    running.into_iter().map(|client| json_digest(&client.join().expect("the attachment succeeded"))).collect()
}
