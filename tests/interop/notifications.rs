//! A registry that tells backref of what is pushed and deleted around it.

use crate::stand::{Stand, push_image};
use crate::support::{Backref, Home, Kind, Registry, http, sha256, until};
use crate::tagged::{INDEX, referrer};

on_both_upstreams!(notifications_show_what_is_pushed_and_deleted_around_backref);

fn notifications_show_what_is_pushed_and_deleted_around_backref(kind: Kind) {
    let mut registry = Registry::of(kind).start();
    let home = Home::new();
    home.write("token", "secret\n");
    let config = format!("[notifications]\ntoken_file = \"{}\"\n", home.path("token").display());
    let backref = Backref::of(&registry.url()).config(&config).start();
    let url = format!("{}/notifications/distribution", backref.admin_url());
    registry.notify(&url, "secret");

    let image = push_image(&home, &format!("{}/app:v1", registry.host()));
    let manifest = referrer(&image, "around");
    let digest = sha256(&manifest);
    let path = format!("{}/v2/app/manifests/{digest}", registry.url());
    // By digest alone: no tag leads to it.
    assert_eq!(http::send("PUT", &path, &[("Content-Type", INDEX)], &manifest).status, 201);
    let stand = Stand { home, backref, registry };
    until("it to be listed", || (stand.listed("app", &image) == [digest.clone()]).then_some(()));
    assert_eq!(http::send("DELETE", &path, &[], b"").status, 202);
    until("it to be gone", || stand.listed("app", &image).is_empty().then_some(()));

    for (token, kind, body, status) in [
        ("Bearer wrong", "application/vnd.docker.distribution.events.v2+json", "{\"events\":[]}", 401),
        ("Bearer secret", "application/json", "{\"events\":[]}", 415),
        ("Bearer secret", "application/vnd.docker.distribution.events.v1+json", "[]", 400),
        ("Bearer secret", "application/vnd.docker.distribution.events.v1+json", "{\"events\":[]}", 202),
    ] {
        let headers = [("Authorization", token), ("Content-Type", kind)];
        assert_eq!(http::send("POST", &url, &headers, body.as_bytes()).status, status, "{token} {kind} {body}");
    }
    assert_eq!(http::get(&url, &[]).status, 405);
}

#[test]
fn notifications_are_not_taken_without_a_token() {
    let registry = Registry::of(Kind::Distribution2).start();
    let backref = Backref::of(&registry.url()).start();
    let url = format!("{}/notifications/distribution", backref.admin_url());
    assert_eq!(http::send("POST", &url, &[], b"{\"events\":[]}").status, 404);
}
