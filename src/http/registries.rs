//! Which registry a client asks for, where several are fronted, and what it is called there.

use std::sync::Arc;

use http::{Request, StatusCode, Uri, uri::PathAndQuery};
use hyper::body::Incoming;

use super::forwarded;
use crate::{
    app::App,
    error::Error,
    oci::ErrorCode,
    upstream::{Upstream, headers::Side},
};

/// What stands behind a repository's name in a path.
const BEHIND_NAMES: [&str; 7] = ["manifests", "blobs", "tags", "referrers", "_oci", "_oras", "_trust"];

/// The registry that is asked for: by the host, or by what containerd tells a mirror (`ns=`). Names that are short there are
/// made long in the request.
pub(super) fn asked_for(app: &App, request: &mut Request<Incoming>, connection: &Side) -> Result<Arc<Upstream>, Error> {
    let upstream = match app.upstreams.only() {
        Some(only) => only,
        None => by_name(app, request, connection)?,
    };
    let upstream = upstream.clone();
    if upstream.settings.library
        && let Some(long) = in_library(request.uri())
    {
        *request.uri_mut() = long;
    }
    Ok(upstream)
}

fn by_name<'a>(app: &'a App, request: &Request<Incoming>, connection: &Side) -> Result<&'a Arc<Upstream>, Error> {
    let host = forwarded::host(app, request.headers(), connection);
    let host = host.or(request.uri().authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    let mirrored = namespace(request.uri()).and_then(|name| app.upstreams.of_host(&name));
    mirrored.or_else(|| app.upstreams.of_host(host)).ok_or_else(|| {
        let message = format!("no registry is to be had here as {host:?}");
        Error::Request(StatusCode::MISDIRECTED_REQUEST, ErrorCode::Unsupported, message)
    })
}

/// `ns=`, as containerd sends it to a mirror.
fn namespace(uri: &Uri) -> Option<String> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, name) = pairs.find(|(key, _)| *key == "ns")?;
    Some(percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned())
}

/// `/v2/alpine/…` is `/v2/library/alpine/…`.
fn in_library(uri: &Uri) -> Option<Uri> {
    let rest = uri.path().strip_prefix("/v2/")?;
    let (name, behind) = rest.split_once('/')?;
    let first = behind.split('/').next().unwrap_or_default();
    if name.is_empty() || name.starts_with('_') || !BEHIND_NAMES.contains(&first) {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("/v2/library/{rest}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_names_are_made_long_and_others_stay() {
        let long = |path: &str| in_library(&Uri::try_from(path).unwrap()).map(|uri| uri.to_string());
        let in_it = "/v2/library/alpine/manifests/latest?ns=docker.io";
        assert_eq!(long("/v2/alpine/manifests/latest?ns=docker.io").as_deref(), Some(in_it));
        assert_eq!(long("/v2/alpine/tags/list").as_deref(), Some("/v2/library/alpine/tags/list"));
        assert_eq!(long("http://a/v2/alpine/blobs/x").as_deref(), Some("http://a/v2/library/alpine/blobs/x"));
        for other in [
            "/v2/",
            "/v2/_catalog",
            "/v2/team/app/manifests/v1",
            "/v2/library/alpine/manifests/v1",
            "/v2/_oci/ext/discover",
            "/v2//tags/list",
        ] {
            assert_eq!(long(other), None, "{other}");
        }
    }
}
