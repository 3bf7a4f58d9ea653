//! Where pages are: relative, all of them side by side.

use super::{layout::escaped, site::Site};
use crate::oci::Digest;

/// A repository's page.
pub(super) fn repository(site: &Site, registry: &str, repository: &str) -> String {
    format!("repository?{}name={}", of_upstream(site, registry), escaped(repository))
}

/// An image's page.
pub(super) fn image(site: &Site, registry: &str, repository: &str, digest: &Digest) -> String {
    let digest = escaped(digest.as_str());
    format!("image?{}name={}&digest={digest}", of_upstream(site, registry), escaped(repository))
}

/// Which registry is meant: nothing where there is one.
fn of_upstream(site: &Site, name: &str) -> String {
    if site.app.upstreams.only().is_some() { String::new() } else { format!("upstream={}&", escaped(name)) }
}
