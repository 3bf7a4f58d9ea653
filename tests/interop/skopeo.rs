//! skopeo: it copies images by any digest or tag, and leaves referrers to others.

use crate::stand::Stand;
use crate::support::{Kind, Registry};

const SBOM: &str = "application/vnd.test.sbom.v1+json";

on_both_upstreams!(
    an_image_is_unchanged_on_the_way_out_and_back,
    an_image_that_is_pushed_again_keeps_its_referrers,
    a_referrer_that_is_copied_is_listed,
    a_deleted_referrer_is_listed_no_more,
);

fn an_image_is_unchanged_on_the_way_out_and_back(kind: Kind) {
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

fn an_image_that_is_pushed_again_keeps_its_referrers(kind: Kind) {
    let stand = Stand::up(kind);
    let image = stand.push_image("app:v1");
    let sbom = stand.attach("app:v1", SBOM);

    copy(&stand, &stand.at("app:v1"), &stand.at("app:v2"));
    assert_eq!(stand.listed("app", &image), [sbom]);
}

fn a_referrer_that_is_copied_is_listed(kind: Kind) {
    let stand = Stand::up(kind);
    let image = stand.push_image("app:v1");
    let sbom = stand.attach("app:v1", SBOM);

    copy(&stand, &stand.at("app:v1"), &stand.at("copy:v1"));
    copy(&stand, &stand.at(&format!("app@{sbom}")), &stand.at(&format!("copy@{sbom}")));
    assert_eq!(stand.listed("copy", &image), [sbom]);
    stand.assert_no_referrers_tag("copy");
}

fn a_deleted_referrer_is_listed_no_more(kind: Kind) {
    let stand = Stand::up(kind);
    let image = stand.push_image("app:v1");
    let sbom = stand.attach("app:v1", SBOM);
    assert_eq!(stand.listed("app", &image), [sbom.as_str()]);

    let reference = stand.at(&format!("app@{sbom}"));
    stand.home.run(&format!("skopeo delete --tls-verify=false docker://{reference}"));
    assert_eq!(stand.listed("app", &image), Vec::<String>::new());
}

fn copy(stand: &Stand, from: &str, to: &str) {
    // Whose signatures to ask for is the policy of the machine it runs on, and no matter here.
    let flags = "--insecure-policy copy --preserve-digests --src-tls-verify=false --dest-tls-verify=false";
    stand.home.run(&format!("skopeo {flags} docker://{from} docker://{to}"));
}
