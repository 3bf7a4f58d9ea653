//! The one place that takes a path apart. What is forwarded is the path as it came, so whatever an upstream could
//! read differently from what is read here is refused.

use std::borrow::Cow;

use http::{Method, Uri};

use crate::{
    dialect::Dialect,
    oci::{Digest, DigestError, PathError, Reference, Repository},
};

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET|HEAD /v2/<name>/referrers/<digest>` and its older relatives.
    Referrers(Repository, Digest, Dialect),
    /// `GET /v2/_oci/ext/discover`, and the same of a repository.
    Discover,
    /// `GET|HEAD /v2/<name>/manifests/<reference>`
    ManifestGet(Repository, Reference),
    /// `GET /v2/<name>/tags/list`
    TagsList(Repository),
    /// `PUT /v2/<name>/manifests/<reference>`
    ManifestPut(Repository, Reference),
    /// `DELETE /v2/<name>/manifests/<digest>`
    ManifestDelete(Repository, Digest),
    /// `DELETE /v2/<name>/manifests/<tag>`
    TagDelete(Repository, Box<str>),
    /// `PUT /v2/…/manifests/…` with a name or a tag outside their grammar, or what some could take for a push: the
    /// upstream's to judge.
    OddPut,
    /// Anything else: not about referrers.
    Other,
}

impl Route {
    /// Reads method and path.
    pub fn parse(method: &Method, uri: &Uri) -> Result<Self, PathError> {
        let path = decode(uri.path())?;
        if matches!(*method, Method::GET | Method::HEAD)
            && let Some(older) = Self::parse_older(&path, uri.query())?
        {
            return Ok(older);
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Ok(Self::Other) };
        // Names are greedy: the last two segments say what it is, whatever stands before them.
        let mut segments = rest.rsplitn(3, '/');
        let (Some(last), Some(kind), Some(name)) = (segments.next(), segments.next(), segments.next()) else {
            return Ok(Self::Other);
        };
        let refuse = refusal(last);
        if is_odd_put(method, rest) {
            return Ok(Self::OddPut);
        }
        let Some(repository) = Repository::parse(name) else {
            let is_push = (method, kind) == (&Method::PUT, "manifests");
            return Ok(if is_push { Self::OddPut } else { Self::Other });
        };
        Ok(match (method, kind) {
            (&Method::GET | &Method::HEAD, "referrers") => {
                Self::Referrers(repository, Digest::parse(last).map_err(refuse)?, Dialect::Oci)
            }
            // What is no digest that backref knows may be one that the upstream knows.
            (&Method::GET | &Method::HEAD, "manifests") => match Reference::parse(last) {
                Ok(Some(reference)) => Self::ManifestGet(repository, reference),
                _ => Self::Other,
            },
            (&Method::GET, "tags") if last == "list" => Self::TagsList(repository),
            (&Method::PUT, "manifests") => match Reference::parse(last).map_err(refuse)? {
                Some(reference) => Self::ManifestPut(repository, reference),
                None => Self::OddPut,
            },
            (&Method::DELETE, "manifests") => match Reference::parse(last).map_err(refuse)? {
                Some(Reference::Digest(digest)) => Self::ManifestDelete(repository, digest),
                Some(Reference::Tag(tag)) => Self::TagDelete(repository, tag),
                None => Self::Other,
            },
            _ => Self::Other,
        })
    }

    /// The APIs from before distribution-spec 1.1.
    fn parse_older(path: &str, query: Option<&str>) -> Result<Option<Self>, PathError> {
        if let Some((name, digest)) = path
            .strip_prefix("/oras/artifacts/v1/")
            .and_then(|rest| rest.strip_suffix("/referrers")?.rsplit_once("/manifests/"))
        {
            let Some(repository) = Repository::parse(name) else { return Ok(None) };
            let digest = Digest::parse(digest).map_err(refusal(digest))?;
            return Ok(Some(Self::Referrers(repository, digest, Dialect::OrasAlpha)));
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Ok(None) };
        if rest == "_oci/ext/discover" || rest.strip_suffix("/_oci/ext/discover").and_then(Repository::parse).is_some()
        {
            return Ok(Some(Self::Discover));
        }
        let older = |suffix, dialect| Some((Repository::parse(rest.strip_suffix(suffix)?)?, dialect));
        let found = older("/_oci/artifacts/referrers", Dialect::WorkingGroup)
            .or_else(|| older("/_oras/artifacts/referrers", Dialect::Oras));
        let Some((repository, dialect)) = found else { return Ok(None) };
        let digest = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("digest="));
        let digest = percent_decode(digest.unwrap_or_default())?;
        let digest = Digest::parse(&digest).map_err(refusal(&digest))?;
        Ok(Some(Self::Referrers(repository, digest, dialect)))
    }

    /// For metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Referrers(..) => "referrers",
            Self::Discover => "discover",
            Self::ManifestGet(..) => "pull",
            Self::TagsList(..) => "tags",
            Self::ManifestPut(..) => "push",
            Self::ManifestDelete(..) => "delete",
            Self::TagDelete(..) => "untag",
            Self::OddPut | Self::Other => "passthrough",
        }
    }
}

/// Whether some upstream could take for a push what isn't one by its letter: `manifests` in another case, a slash at the
/// end, or a method that a header may replace.
fn is_odd_put(method: &Method, rest: &str) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS) {
        return false;
    }
    let mut segments = rest.strip_suffix('/').unwrap_or(rest).rsplit('/');
    let kind = segments.nth(1).unwrap_or_default();
    let to_the_letter = method == Method::PUT && kind == "manifests" && !rest.ends_with('/');
    kind.eq_ignore_ascii_case("manifests") && !to_the_letter
}

fn refusal(digest: &str) -> impl Fn(DigestError) -> PathError + Copy + '_ {
    move |reason| PathError::Digest { digest: digest.to_owned(), reason }
}

/// The path as an upstream reads it: percent-encoding undone. Refused is what some clean up and others don't.
fn decode(raw: &str) -> Result<Cow<'_, str>, PathError> {
    let path = if raw.contains('%') { Cow::Owned(percent_decode(raw)?) } else { Cow::Borrowed(raw) };
    if path.contains("//") {
        return Err(PathError::Ambiguous("an empty segment (`//`)"));
    }
    // Servers of Java drop from a segment what follows a `;`, and some take `\` for a slash.
    let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if path.contains('.') && path.split(['/', '\\']).any(dots) {
        return Err(PathError::Ambiguous("a `.` or `..` segment"));
    }
    let first = path.split('/').nth(1).unwrap_or_default();
    if first.contains([';', '\\', '%']) || (first != "v2" && first.eq_ignore_ascii_case("v2")) {
        return Err(PathError::Ambiguous("something that only some read as `/v2/`"));
    }
    if path.starts_with("/v2/") {
        if path.bytes().any(|b| !matches!(b, b'!'..=b'~') || matches!(b, b';' | b'\\' | b'%')) {
            return Err(PathError::Ambiguous("a character that no name, tag or digest has"));
        }
        let count = |path: &str, c| path.matches(c).count();
        if count(&path, '/') != count(raw, '/') || count(&path, '.') != count(raw, '.') {
            return Err(PathError::Ambiguous("an encoded `/` or `.`"));
        }
    }
    Ok(path)
}

fn percent_decode(raw: &str) -> Result<String, PathError> {
    let mut pieces = raw.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let hex = piece.get(..2).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let byte = byte.ok_or(PathError::Ambiguous("a `%` without two hexadecimal digits"))?;
        // Bytes outside ASCII become characters outside it, which is all that is asked about them.
        decoded.push(char::from(byte));
        decoded.push_str(&piece[2..]);
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &Method, path: &str) -> Result<Route, PathError> {
        Route::parse(method, &path.parse().unwrap())
    }

    #[test]
    fn route_takes_the_longest_repository_name() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let referrers = parse(&Method::GET, &format!("/v2/foo/manifests/referrers/{digest}")).unwrap();
        let name = Repository::parse("foo/manifests").unwrap();
        assert_eq!(referrers, Route::Referrers(name, Digest::parse(&digest).unwrap(), Dialect::Oci));
        assert!(matches!(parse(&Method::PUT, "/v2/a/referrers/manifests/tags"), Ok(Route::ManifestPut(..))));
        for path in ["/v2/", "/v2/_catalog", "/v2/foo/blobs/uploads/", "/", "/v2/Foo/manifests/a"] {
            assert_eq!(parse(&Method::GET, path), Ok(Route::Other), "{path}");
        }
        let name = Repository::parse("foo/referrers").unwrap();
        assert_eq!(parse(&Method::GET, "/v2/foo/referrers/tags/list"), Ok(Route::TagsList(name)));
        assert!(matches!(parse(&Method::DELETE, "/v2/foo/manifests/tag"), Ok(Route::TagDelete(..))));
        for path in ["/v2/Foo/manifests/a", "/v2/foo/manifests/.a", "/v2/foo/%6danifests/-"] {
            assert_eq!(parse(&Method::PUT, path), Ok(Route::OddPut), "{path}");
        }
        for path in ["/v2/foo/manifests/a/", "/v2/foo/Manifests/a", "/v2/foo/MANIFESTS/sha256:00/"] {
            assert_eq!(parse(&Method::PUT, path), Ok(Route::OddPut), "{path}");
        }
        assert_eq!(parse(&Method::POST, "/v2/foo/manifests/a"), Ok(Route::OddPut));
        assert_eq!(parse(&Method::POST, "/v2/foo/manifests/blobs/uploads/"), Ok(Route::Other));
        assert_eq!(parse(&Method::PATCH, "/v2/foo/blobs/uploads/manifests"), Ok(Route::Other));
        assert_eq!(parse(&Method::POST, &format!("/v2/foo/referrers/{digest}")), Ok(Route::Other));
    }

    #[test]
    fn route_knows_the_referrers_apis_from_before_oci_1_1() {
        let get = |path: &str| parse(&Method::GET, path);
        let route = |dialect| {
            Ok(Route::Referrers(Repository::parse("a/b").unwrap(), Digest::parse("blake3:00").unwrap(), dialect))
        };
        assert_eq!(get("/v2/a/b/_oci/artifacts/referrers?n=1&digest=blake3%3A00"), route(Dialect::WorkingGroup));
        assert_eq!(get("/v2/a/b/_oras/artifacts/referrers?digest=blake3:00"), route(Dialect::Oras));
        assert_eq!(get("/oras/artifacts/v1/a/b/manifests/blake3:00/referrers"), route(Dialect::OrasAlpha));
        for path in ["/v2/_oci/ext/discover", "/v2/a/b/_oci/ext/discover"] {
            assert_eq!(get(path), Ok(Route::Discover));
        }
        assert!(matches!(get("/v2/a/_oci/artifacts/referrers"), Err(PathError::Digest { .. })));
        assert!(matches!(get("/v2/a/_oras/artifacts/referrers?digest=x"), Err(PathError::Digest { .. })));
        assert_eq!(get("/v2/A/_oci/artifacts/referrers"), Ok(Route::Other));
        assert_eq!(parse(&Method::POST, "/v2/a/_oci/artifacts/referrers"), Ok(Route::Other));
    }

    #[test]
    fn route_takes_an_encoded_colon_for_a_colon() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let encoded = digest.replace(':', "%3A");
        let delete = |digest: &str| parse(&Method::DELETE, &format!("/%762/foo/manifests/{digest}")).unwrap();
        assert_eq!(delete(&encoded), delete(&digest));
    }

    #[test]
    fn route_refuses_a_path_that_two_servers_could_read_differently() {
        for path in [
            "/v2/a/%2e%2e/b/manifests/x",
            "/v2//a",
            "/v2/a/../b",
            "/v2/a%2Fb/manifests/x",
            "/v2/a;b/c",
            "/a/..",
            "/x%2F..%2Fv2/a",
            "/v2/a%5cb",
            "/v2/a%00/b",
            "/v2/a%25/b",
            "/v2/a%2",
            "/v2/a%zz",
            "/%2e%2e/v2/",
            "/v2/%c3%bc/x",
            "/V2/a/manifests/v1",
            "/v2;x=1/a/manifests/v1",
            "/x/..;/v2/a/manifests/v1",
            "/x/%2e;a=b/v2/a/manifests/v1",
            "/%5cv2/a/manifests/v1",
            "/x/..%5c..%5cv2/a/manifests/v1",
            "/v%2532/a/manifests/v1",
        ] {
            assert!(matches!(parse(&Method::GET, path), Err(PathError::Ambiguous(_))), "{path}");
        }
        assert_eq!(parse(&Method::GET, "/api/v4/projects/group%2Fproject"), Ok(Route::Other));
        assert!(matches!(parse(&Method::GET, "/v2/a/referrers/sha256:00"), Err(PathError::Digest { .. })));
        assert!(matches!(parse(&Method::PUT, "/v2/a/manifests/sha256:00"), Err(PathError::Digest { .. })));
    }
}
