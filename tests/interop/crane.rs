//! crane 0.21: it knows nothing of referrers, but its library asks for them after each push with a subject.

use crate::stand::{Stand, attach, push_image};
use crate::support::{Kind, Registry};

const SBOM: &str = "application/vnd.test.sbom.v1+json";

on_both_upstreams!(
    crane_pushes_and_pulls_an_image_unchanged,
    crane_copies_a_referrer_and_the_copy_is_listed,
    crane_deletes_a_referrer_and_it_is_unlisted,
);

fn crane_pushes_and_pulls_an_image_unchanged(kind: Kind) {
    let stand = Stand::up(kind);
    stand.home.write("layer.txt", "a layer");
    stand.home.run("tar --create --file layer.tar layer.txt");
    let image = stand.at("app:v1");
    stand.home.run(&format!("crane append --new_layer layer.tar --new_tag {image}"));
    let digest = stand.home.run(&format!("crane digest {image}"));

    stand.home.run(&format!("crane validate --remote {image}"));
    stand.home.run(&format!("crane pull --format oci {image} pulled"));
    let copy = stand.at("copy:v1");
    stand.home.run(&format!("crane push pulled {copy}"));
    assert_eq!(stand.home.run(&format!("crane digest {copy}")), digest);
    assert_eq!(stand.home.run(&format!("crane ls {}", stand.at("copy"))).trim(), "v1");
}

fn crane_copies_a_referrer_and_the_copy_is_listed(kind: Kind) {
    let stand = Stand::up(kind);
    let plain = Registry::of(kind).start();
    let there = format!("{}/app", plain.host());
    let image = push_image(&stand.home, &format!("{there}:v1"));
    let sbom = attach(&stand.home, &format!("{there}:v1"), SBOM);

    stand.home.run(&format!("crane copy {there}:v1 {}", stand.at("app:v1")));
    assert_eq!(stand.listed("app", &image), Vec::<String>::new());
    stand.home.run(&format!("crane copy {there}@{sbom} {}", stand.at(&format!("app@{sbom}"))));
    assert_eq!(stand.listed("app", &image), [sbom]);
    stand.assert_no_client_wrote_a_referrers_tag("app");
}

fn crane_deletes_a_referrer_and_it_is_unlisted(kind: Kind) {
    let stand = Stand::up(kind);
    let image = stand.push_image("app:v1");
    let sbom = stand.attach("app:v1", SBOM);
    assert_eq!(stand.listed("app", &image), [sbom.as_str()]);

    stand.home.run(&format!("crane delete {}", stand.at(&format!("app@{sbom}"))));
    assert_eq!(stand.listed("app", &image), Vec::<String>::new());
}
