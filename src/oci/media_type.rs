//! Media types of manifests (image-spec 1.1, media-types.md).

/// What every request of backref's own accepts: distribution answers 404 for a manifest whose type is not named,
/// and does not expand `*/*`.
pub const MANIFEST_ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.artifact.manifest.v1+json, \
    application/vnd.cncf.oras.artifact.manifest.v1+json";

/// Of the OCI image-spec 1.1's release candidates and Proposal A, and of the ORAS artifacts-spec 1.0.
const ARTIFACTS: [&str; 2] =
    ["application/vnd.oci.artifact.manifest.v1+json", "application/vnd.cncf.oras.artifact.manifest.v1+json"];

/// A manifest's media type, without parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaType(Box<str>);

impl MediaType {
    /// `application/vnd.oci.image.index.v1+json`, what a referrers list is.
    pub const INDEX: &'static str = "application/vnd.oci.image.index.v1+json";

    /// `application/vnd.oci.image.manifest.v1+json`
    pub const IMAGE: &'static str = "application/vnd.oci.image.manifest.v1+json";

    /// Takes the type out of a `Content-Type` or `mediaType` value; parameters are left out.
    pub fn parse(value: &str) -> Self {
        Self(value.split(';').next().unwrap_or_default().trim().into())
    }

    /// An image index or a Docker manifest list: it has no config whose type could stand for the artifact type.
    pub fn is_index(&self) -> bool {
        matches!(&*self.0, Self::INDEX | "application/vnd.docker.distribution.manifest.list.v2+json")
    }

    /// An artifact manifest, in either of its kinds: what many registries refuse.
    pub fn is_artifact(&self) -> bool {
        ARTIFACTS.contains(&&*self.0)
    }

    /// One that registries keep as a manifest.
    pub fn is_manifest(&self) -> bool {
        MANIFEST_ACCEPT.split(", ").any(|known| known == &*self.0)
    }

    /// `type/subtype`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Nothing was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
