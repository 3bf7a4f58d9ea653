//! A real registry, backref in front of it, and indexes that refer to one subject.

use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::{Backref, BackrefOptions, Kind, Registry, RegistryOptions, sha256, until};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const KINDS: [Kind; 2] = [Kind::Distribution2, Kind::Distribution3];
const MARK: &str = "io.backref.subject";

/// Dropped in this order: backref goes before its upstream does.
pub(crate) struct Stand {
    pub(crate) backref: Backref,
    pub(crate) registry: Registry,
    pub(crate) subject: String,
}

pub(crate) fn up(kind: Kind) -> Stand {
    with(Registry::of(kind), |backref| backref)
}

pub(crate) fn with(registry: RegistryOptions, options: impl FnOnce(BackrefOptions) -> BackrefOptions) -> Stand {
    let registry = registry.start();
    let backref = options(Backref::of(&registry.url())).start();
    let subject = plain("subject");
    put(&registry.url(), &sha256(&subject), &subject);
    Stand { backref, registry, subject: sha256(&subject) }
}

/// A manifest that needs no blobs, so that every registry takes it.
pub(crate) fn plain(name: &str) -> Vec<u8> {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"name": name}})
        .to_string()
        .into_bytes()
}

/// The same with a subject.
pub(crate) fn referrer(subject: &str, name: &str) -> Vec<u8> {
    let manifest = json!({
        "schemaVersion": 2, "mediaType": INDEX, "artifactType": "application/vnd.test", "manifests": [],
        "subject": {"mediaType": INDEX, "digest": subject, "size": 2}, "annotations": {"name": name},
    });
    manifest.to_string().into_bytes()
}

/// The index of a referrers tag as a client of today makes it: descriptors and no more.
pub(crate) fn list(manifests: &[&[u8]]) -> Vec<u8> {
    let entries: Vec<Value> =
        manifests.iter().map(|one| json!({"mediaType": INDEX, "digest": sha256(one), "size": one.len()})).collect();
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string().into_bytes()
}

pub(crate) fn url(base: &str, reference: &str) -> String {
    format!("{base}/v2/app/manifests/{reference}")
}

pub(crate) fn put_as(base: &str, reference: &str, manifest: &[u8]) -> Answer {
    http::send("PUT", &url(base, reference), &[("Content-Type", INDEX)], manifest)
}

pub(crate) fn put(base: &str, reference: &str, manifest: &[u8]) -> String {
    let answer = put_as(base, reference, manifest);
    assert_eq!(answer.status, 201, "{answer:?}");
    sha256(manifest)
}

pub(crate) fn delete(base: &str, reference: &str) -> u16 {
    http::send("DELETE", &url(base, reference), &[], b"").status
}

impl Stand {
    pub(crate) fn url(&self) -> String {
        self.backref.url()
    }

    /// Pushes a referrer of that name through backref, and returns its digest.
    pub(crate) fn push(&self, name: &str) -> String {
        let manifest = referrer(&self.subject, name);
        put(&self.url(), &sha256(&manifest), &manifest)
    }

    /// Pushes a referrer of that name directly to the registry, and returns its bytes.
    pub(crate) fn push_around(&self, name: &str) -> Vec<u8> {
        let manifest = referrer(&self.subject, name);
        put(&self.registry.url(), &sha256(&manifest), &manifest);
        manifest
    }

    pub(crate) fn tag(&self) -> String {
        self.subject.replace(':', "-")
    }

    /// The index that the referrers tag resolves to in the registry itself.
    pub(crate) fn index(&self) -> Option<Value> {
        let answer = http::get(&url(&self.registry.url(), &self.tag()), &[("Accept", INDEX)]);
        match answer.status {
            404 => None,
            200 => Some(answer.json()),
            _ => panic!("{answer:?}"),
        }
    }

    /// The digests that the referrers tag lists, in its order.
    pub(crate) fn tagged(&self) -> Vec<String> {
        digests(self.index().map_or(Value::Null, |index| index["manifests"].clone()).as_array().map_or(&[], |all| all))
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.index().is_some_and(|index| index["annotations"][MARK] == self.subject.as_str())
    }

    /// What the 1.1 API lists, in its order.
    pub(crate) fn listed(&self) -> Vec<String> {
        digests(&http::referrers(self.backref.host(), "app", &self.subject, &[]))
    }

    /// How many referrers tags are stale, as `/metrics` counts them.
    pub(crate) fn pending(&self) -> u64 {
        metric(&self.backref, "backref_referrers_tags_pending")
    }

    /// Waits until no referrers tag is stale: under load, a push may be answered before its referrers tag is written.
    pub(crate) fn flushed(&self) {
        until("the stale referrers tags to be flushed", || (self.pending() == 0).then_some(()));
    }

    /// Requests to the registry about the referrers tag, as `PUT 201`, since the first `since` requests of any kind.
    pub(crate) fn about_the_tag(&self, since: usize) -> Vec<String> {
        let tag = format!("/{} ", self.tag());
        let about = |line: &String| line.contains(&tag).then(|| line.replace(&format!(" /v2/app/manifests{tag}"), " "));
        self.registry.requests().iter().skip(since).filter_map(about).collect()
    }

    /// A backref with an empty store in front of the same registry.
    pub(crate) fn forget(self) -> Self {
        let Self { backref, registry, subject } = self;
        drop(backref);
        let backref = Backref::of(&registry.url()).start();
        Self { backref, registry, subject }
    }
}

pub(crate) fn metric(backref: &Backref, name: &str) -> u64 {
    until(name, || {
        let text = http::get(&format!("{}/metrics", backref.admin_url()), &[]).text();
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")))?;
        line.rsplit(' ').next()?.parse().ok()
    })
}

fn digests(descriptors: &[Value]) -> Vec<String> {
    descriptors.iter().map(|one| one["digest"].as_str().expect("a digest").to_owned()).collect()
}
