//! skopeo: it copies images by any digest or tag, and leaves referrers to others.

use crate::stand::Stand;
use crate::support::{Kind, Registry};

const SBOM: &str = "application/vnd.test.sbom.v1+json";

on_both_upstreams!(
    skopeo_copies_an_image_out_and_back_unchanged,
    skopeo_push_of_the_same_image_keeps_its_referrers,
    skopeo_copies_a_referrer_and_the_copy_is_listed,
    skopeo_deletes_a_referrer_and_it_is_unlisted,
);

fn skopeo_copies_an_image_out_and_back_unchanged(kind: Kind) {
    let stand = Stand::up(kind);
    let plain = Registry::of(kind).start();
    stand.push_image("app:v1");
    let there = format!("{}/app:v1", plain.host());

    copy(&stand, &stand.at("app:v1"), &there);
    copy(&stand, &there, &stand.at("back:v2"));
    let manifest =
        |reference: &str| stand.home.run(&format!("skopeo inspect --raw --tls-verify=false docker://{reference}"));
    assert_eq!(manifest(&stand.at("back:v2")), manifest(&format!("{}/app:v1", stand.registry.host())));
    let tags = stand.home.run(&format!("skopeo list-tags --tls-verify=false docker://{}", stand.at("back")));
    assert!(tags.contains("\"v2\""), "{tags}");
}

fn skopeo_push_of_the_same_image_keeps_its_referrers(kind: Kind) {
    let stand = Stand::up(kind);
    let image = stand.push_image("app:v1");
    let sbom = stand.attach("app:v1", SBOM);

    copy(&stand, &stand.at("app:v1"), &stand.at("app:v2"));
    assert_eq!(stand.listed("app", &image), [sbom]);
}

fn skopeo_copies_a_referrer_and_the_copy_is_listed(kind: Kind) {
    let stand = Stand::up(kind);
    let image = stand.push_image("app:v1");
    let sbom = stand.attach("app:v1", SBOM);

    copy(&stand, &stand.at("app:v1"), &stand.at("copy:v1"));
    copy(&stand, &stand.at(&format!("app@{sbom}")), &stand.at(&format!("copy@{sbom}")));
    assert_eq!(stand.listed("copy", &image), [sbom]);
    stand.assert_no_client_wrote_a_referrers_tag("copy");
}

fn skopeo_deletes_a_referrer_and_it_is_unlisted(kind: Kind) {
    let stand = Stand::up(kind);
    let image = stand.push_image("app:v1");
    let sbom = stand.attach("app:v1", SBOM);
    assert_eq!(stand.listed("app", &image), [sbom.as_str()]);

    let reference = stand.at(&format!("app@{sbom}"));
    stand.home.run(&format!("skopeo delete --tls-verify=false docker://{reference}"));
    assert_eq!(stand.listed("app", &image), Vec::<String>::new());
}

fn copy(stand: &Stand, from: &str, to: &str) {
    // The signature policy of the machine does not matter here.
    let flags = "--insecure-policy copy --preserve-digests --src-tls-verify=false --dest-tls-verify=false";
    stand.home.run(&format!("skopeo {flags} docker://{from} docker://{to}"));
}
