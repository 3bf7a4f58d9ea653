//! Addresses in the upstream's answers, as the client is to see them.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};

use super::hop_by_hop;
use crate::{
    config::Origin,
    upstream::challenge::{is_connection_bound, split},
};

/// How a client sees backref, and backref the client.
#[derive(Clone)]
pub struct Side {
    /// `http` or `https`.
    pub scheme: HeaderValue,
    /// `host[:port]`
    pub host: HeaderValue,
    /// The client's address.
    pub peer: HeaderValue,
    /// Whom the client's certificate names (RFC 4514), where the upstream is to be told.
    pub subject: Option<HeaderValue>,
}

/// Turns addresses of the upstream into addresses of backref's.
///
/// The upstream is known by two names: its own, and the one that it is told in `X-Forwarded-Host`, by which the client
/// knows backref. What ends TLS in front of the upstream often says `https` for either. So the scheme doesn't count, nor
/// whether a default port is written.
pub struct Addresses<'a> {
    /// The upstream's origin.
    pub upstream: &'a Origin,
    /// Challenges too: clients fetch their tokens through backref.
    pub realm: bool,
}

impl Addresses<'_> {
    /// The upstream's headers as the client is to see them. Addresses elsewhere, such as presigned ones of a storage,
    /// and everything behind the origin stay as they are.
    pub fn to_client(&self, headers: &mut HeaderMap, client: &Side) {
        hop_by_hop::strip(headers, |_| false);
        if !headers.keys().any(has_addresses) {
            return;
        }
        strip_connection_bound(headers);
        for (name, opening) in [(header::LOCATION, ""), (header::LINK, "<")] {
            self.rewrite(headers, &name, opening, client);
        }
        if self.realm {
            self.rewrite(headers, &header::WWW_AUTHENTICATE, "realm=\"", client);
        }
    }

    /// Path and query of an address of the upstream's, for whom `client` is. Nothing of one elsewhere.
    pub fn path<'u>(&self, address: &'u str, client: &Side) -> Option<&'u str> {
        let path = match self.origin_len(address.as_bytes(), client) {
            Some(origin) => &address[origin..],
            None => address,
        };
        (path.starts_with('/') && !path.starts_with("//")).then_some(path)
    }

    /// Rewrites each origin of ours that follows `opening` in the values of a header.
    fn rewrite(&self, headers: &mut HeaderMap, name: &HeaderName, opening: &str, client: &Side) {
        let Entry::Occupied(mut values) = headers.entry(name) else { return };
        for value in values.iter_mut() {
            let Some(rewritten) = self.rewritten(value.as_bytes(), opening, client) else { continue };
            if let Ok(rewritten) = HeaderValue::from_bytes(&rewritten) {
                *value = rewritten;
            }
        }
    }

    fn rewritten(&self, value: &[u8], opening: &str, client: &Side) -> Option<Vec<u8>> {
        let mut rewritten = Vec::new();
        let mut done = 0;
        let mut at = 0;
        while at < value.len() {
            let found = strip_ignore_case(&value[at..], opening).map(|_| at + opening.len());
            let origin = found.and_then(|start| Some((start, start + self.origin_len(&value[start..], client)?)));
            if let Some((start, end)) = origin {
                rewritten.extend_from_slice(&value[done..start]);
                rewritten.extend_from_slice(client.scheme.as_bytes());
                rewritten.extend_from_slice(b"://");
                rewritten.extend_from_slice(client.host.as_bytes());
                done = end;
                at = end;
            } else if opening.is_empty() {
                break; // only at the start
            } else {
                at += 1;
            }
        }
        (done > 0).then(|| {
            rewritten.extend_from_slice(&value[done..]);
            rewritten
        })
    }

    /// The length of an origin at the start of `url` that is the upstream's, by either of its names.
    fn origin_len(&self, url: &[u8], client: &Side) -> Option<usize> {
        let rest = strip_ignore_case(url, "https://").or_else(|| strip_ignore_case(url, "http://"))?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'>')).unwrap_or(rest.len());
        let host = &rest[..end];
        let names = [self.upstream.authority.as_str().as_bytes(), client.host.as_bytes()];
        names.iter().any(|name| is_same_host(host, name)).then_some(url.len() - rest.len() + end)
    }
}

/// Most answers have none.
fn has_addresses(name: &HeaderName) -> bool {
    matches!(name.as_str(), "location" | "link" | "www-authenticate")
}

/// Leaves out challenges that can't be met through backref.
fn strip_connection_bound(headers: &mut HeaderMap) {
    let Entry::Occupied(values) = headers.entry(header::WWW_AUTHENTICATE) else { return };
    if !values.iter().any(|value| split(value.as_bytes()).into_iter().any(is_connection_bound)) {
        return;
    }
    let (name, values) = values.remove_entry_mult();
    let left: Vec<HeaderValue> = values.filter_map(without_connection_bound).collect();
    for value in left {
        headers.append(&name, value);
    }
}

fn without_connection_bound(value: HeaderValue) -> Option<HeaderValue> {
    let all = split(value.as_bytes());
    let left: Vec<&[u8]> = all.iter().copied().filter(|challenge| !is_connection_bound(challenge)).collect();
    if left.len() == all.len() {
        return Some(value);
    }
    // Invariant: parts of a value, with a comma between them, are one.
    HeaderValue::from_bytes(&left.join(&b", "[..])).ok().filter(|_| !left.is_empty())
}

/// Whether two `host[:port]` are the same, where a default port counts as none.
fn is_same_host(one: &[u8], other: &[u8]) -> bool {
    let ((one, one_port), (other, other_port)) = (host_and_port(one), host_and_port(other));
    one.eq_ignore_ascii_case(other) && one_port == other_port
}

/// Which port is the default is for the scheme to say, which doesn't count: either is none.
fn host_and_port(authority: &[u8]) -> (&[u8], &[u8]) {
    let colon = authority.iter().rposition(|byte| matches!(byte, b':' | b']')).filter(|at| authority[*at] == b':');
    let (host, port) = colon.map_or((authority, &b""[..]), |at| (&authority[..at], &authority[at + 1..]));
    (host, if matches!(port, b"80" | b"443") { b"" } else { port })
}

fn strip_ignore_case<'a>(bytes: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let (start, rest) = bytes.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix.as_bytes()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        let uri: http::Uri = url.parse().unwrap();
        Origin { scheme: uri.scheme().unwrap().clone(), authority: uri.authority().unwrap().clone() }
    }

    fn side(origin: &Origin) -> Side {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        let peer = value("10.0.0.1");
        Side { scheme: value(origin.scheme.as_str()), host: value(origin.authority.as_str()), peer, subject: None }
    }

    /// What a client that knows backref as `client` gets of a header of the registry at `upstream`.
    fn rewritten(upstream: &str, client: &str, name: &HeaderName, value: &str) -> String {
        let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_str(value).unwrap())]);
        Addresses { upstream: &origin(upstream), realm: true }.to_client(&mut headers, &side(&origin(client)));
        headers[name].to_str().unwrap().to_owned()
    }

    #[test]
    fn addresses_of_the_upstream_become_the_one_that_the_client_uses() {
        let plain = ("http://up:5000", "http://proxy:5080");
        let tls = ("https://up", "https://reg.example");
        let v6 = ("http://[::1]:5000", "http://[::2]");
        for ((upstream, client), ours) in [
            (plain, "http://up:5000"),
            (plain, "HTTP://UP:5000"),
            (plain, "https://up:5000"),
            (plain, "https://proxy:5080"),
            (plain, "https://Proxy:5080"),
            (plain, "http://proxy:5080"),
            (tls, "https://up"),
            (tls, "https://up:443"),
            (tls, "http://up"),
            (tls, "http://up:80"),
            (tls, "http://reg.example"),
            (tls, "https://reg.example:443"),
            (v6, "https://[::1]:5000"),
            (v6, "https://[::2]"),
            (v6, "http://[::2]:80"),
        ] {
            for (name, before, after) in [
                (header::LOCATION, "", "/v2/a?_state=x%3D&b"),
                (header::LOCATION, "", ""),
                (header::LINK, "<", "/v2/a?n=1>; rel=\"next\""),
                (header::WWW_AUTHENTICATE, "Bearer Realm=\"", "/token\",service=\"x\""),
            ] {
                let expected = format!("{before}{client}{after}");
                assert_eq!(rewritten(upstream, client, &name, &format!("{before}{ours}{after}")), expected);
            }
        }
    }

    #[test]
    fn addresses_of_other_hosts_stay() {
        let plain = ("http://up:5000", "http://proxy:5080");
        let tls = ("https://up", "https://reg.example");
        for ((upstream, client), elsewhere) in [
            (plain, "http://up:50001/v2"),
            (plain, "http://up/v2"),
            (plain, "https://proxy/v2"),
            (plain, "ftp://up:5000/v2"),
            (plain, "http://user@up:5000/v2"),
            (plain, "https://storage/x?to=http://up:5000/"),
            (plain, "/v2/a"),
            (plain, "//up:5000/v2"),
            (tls, "https://up.evil/a"),
            (tls, "https://up:8443/a"),
            (tls, "https://up\\.evil/a"),
            (tls, "https://reg.example.evil/a"),
            (("http://[::1]", "http://proxy"), "http://[::1"),
        ] {
            for (name, before, after) in [
                (header::LOCATION, "", ""),
                (header::LINK, "<", ">; rel=\"next\""),
                (header::WWW_AUTHENTICATE, "Bearer realm=\"", "\""),
            ] {
                let value = format!("{before}{elsewhere}{after}");
                assert_eq!(rewritten(upstream, client, &name, &value), value);
            }
        }
    }

    #[test]
    fn addresses_in_one_value_are_all_rewritten() {
        let links = "<http://up/a>; rel=\"next\", <https://elsewhere/b>, <https://up:443/c>";
        let expected = "<http://proxy/a>; rel=\"next\", <https://elsewhere/b>, <http://proxy/c>";
        assert_eq!(rewritten("http://up", "http://proxy", &header::LINK, links), expected);
    }

    #[test]
    fn addresses_give_a_path_where_they_are_the_upstreams() {
        let (upstream, client) = (origin("http://up:5000"), side(&origin("http://proxy:5080")));
        let path = |address| Addresses { upstream: &upstream, realm: true }.path(address, &client);
        for ours in ["/v2/a?b", "https://up:5000/v2/a?b", "http://proxy:5080/v2/a?b"] {
            assert_eq!(path(ours), Some("/v2/a?b"), "{ours}");
        }
        for other in ["https://elsewhere/v2/a", "//elsewhere/v2/a", "v2/a", "", "http://up:5000", "http://up:5000//e/a"]
        {
            assert_eq!(path(other), None, "{other}");
        }
    }
}
