//! What each scenario stands on: a registry, backref in front of it, and a client's home.

use serde_json::Value;

use crate::support::{Backref, Home, Kind, Registry, http};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Runs each scenario on both upstreams, as tests of their own.
macro_rules! on_both_upstreams {
    ($($scenario:ident),+ $(,)?) => {
        mod distribution_2 {
            $(#[test]
            fn $scenario() {
                super::$scenario(crate::support::Kind::Distribution2);
            })+
        }
        mod distribution_3 {
            $(#[test]
            fn $scenario() {
                super::$scenario(crate::support::Kind::Distribution3);
            })+
        }
    };
}

/// Dropped in this order: backref goes before its upstream does.
pub(crate) struct Stand {
    pub(crate) home: Home,
    pub(crate) backref: Backref,
    pub(crate) registry: Registry,
}

impl Stand {
    pub(crate) fn up(kind: Kind) -> Self {
        Self::before(Registry::of(kind).start())
    }

    pub(crate) fn before(registry: Registry) -> Self {
        Self::configured(registry, "")
    }

    /// With settings of the scenario's own, TOML.
    pub(crate) fn configured(registry: Registry, config: &str) -> Self {
        let backref = Backref::of(&registry.url()).config(config).start();
        Self { home: Home::new(), backref, registry }
    }

    /// A reference through backref: `app:v1` becomes `host:port/app:v1`.
    pub(crate) fn at(&self, reference: &str) -> String {
        format!("{}/{reference}", self.backref.host())
    }

    /// Pushes something to refer to, and returns its digest.
    pub(crate) fn push_image(&self, reference: &str) -> String {
        push_image(&self.home, &self.at(reference))
    }

    /// Attaches a file of its own to the image, and returns the referrer's digest.
    pub(crate) fn attach(&self, reference: &str, artifact_type: &str) -> String {
        attach(&self.home, &self.at(reference), artifact_type)
    }

    /// The digests that the referrers API lists, in its order.
    pub(crate) fn listed(&self, repository: &str, subject: &str) -> Vec<String> {
        let referrers = http::referrers(self.backref.host(), repository, subject, &[]);
        referrers.iter().map(|referrer| text(&referrer["digest"])).collect()
    }

    /// A client that sees the API has no use for the referrers tag `sha256-<hex>`; one that doesn't pushes it, without
    /// backref's mark.
    pub(crate) fn assert_no_client_wrote_a_referrers_tag(&self, repository: &str) {
        let tags = self.registry.tags(repository);
        assert!(!tags.is_empty(), "{repository} has no tags at all: nothing was pushed there");
        for tag in tags.iter().filter(|tag| is_referrers_tag(tag)) {
            let url = format!("{}/v2/{repository}/manifests/{tag}", self.registry.url());
            let index = http::get(&url, &[("Accept", INDEX)]);
            assert_eq!(index.status, 200, "{index:?}");
            let subject = text(&index.json()["annotations"]["io.backref.subject"]);
            assert_eq!(subject.replace(':', "-"), *tag, "a client wrote the referrers tag itself, in {repository}");
        }
    }
}

/// Pushes something to refer to, to any registry, and returns its digest.
pub(crate) fn push_image(home: &Home, reference: &str) -> String {
    home.write("layer.txt", reference);
    let artifact_type = "application/vnd.test.image.v1";
    json_digest(
        &home.run(&format!(
            "oras push --plain-http --format json --artifact-type {artifact_type} {reference} layer.txt"
        )),
    )
}

/// Attaches a file to what is there in any registry, and returns the referrer's digest.
pub(crate) fn attach(home: &Home, reference: &str, artifact_type: &str) -> String {
    home.write("attached.txt", artifact_type);
    json_digest(&home.run(&format!(
        "oras attach --plain-http --format json --artifact-type {artifact_type} {reference} attached.txt"
    )))
}

/// The `digest` that oras prints of what it pushed.
pub(crate) fn json_digest(stdout: &str) -> String {
    text(&json(stdout)["digest"])
}

pub(crate) fn json(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {stdout}"))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

fn is_referrers_tag(tag: &str) -> bool {
    let hex = tag.strip_prefix("sha256-").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}
