//! Headers on their way through: what belongs to one hop stays there, and each side sees its own addresses.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};

use crate::{config::Origin, oci::MANIFEST_ACCEPT};

/// How a client sees backref, and backref the client.
#[derive(Clone)]
pub struct Side {
    /// `http` or `https`.
    pub scheme: HeaderValue,
    /// `host[:port]`
    pub host: HeaderValue,
    /// The client's address.
    pub peer: HeaderValue,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// RFC 9110, 7.6.1, and what proxies of before it put there. HTTP2-Settings goes with an `Upgrade: h2c` (RFC 7540, 3.2.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if let Entry::Occupied(connection) = headers.entry(header::CONNECTION) {
        let (_, values) = connection.remove_entry_mult();
        let named: Vec<HeaderName> = values
            .filter_map(|value| value.to_str().map(str::to_owned).ok())
            .flat_map(|value| value.split(',').filter_map(|name| name.trim().parse().ok()).collect::<Vec<_>>())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// A client's headers as the upstream is to see them. Forwarding headers are set, never appended: what a client
/// claims about itself is not passed on.
pub fn to_upstream(headers: &mut HeaderMap, upstream: &HeaderValue, client: &Side) {
    strip_hop_by_hop(headers);
    headers.remove(header::FORWARDED);
    headers.remove(header::TE);
    headers.insert(header::HOST, upstream.clone());
    headers.insert(FORWARDED_HOST, client.host.clone());
    headers.insert(FORWARDED_PROTO, client.scheme.clone());
    headers.insert(FORWARDED_FOR, client.peer.clone());
}

/// A caller's headers for a request of backref's own on its behalf: whoever it is, asking for any manifest, without
/// conditions (distribution answers a 304 before it looks whether the manifest exists).
pub fn on_behalf(caller: &HeaderMap) -> HeaderMap {
    let mut headers = caller.clone();
    for name in [
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
        header::RANGE,
        header::EXPECT,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::ACCEPT_ENCODING,
    ] {
        headers.remove(name);
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static(MANIFEST_ACCEPT));
    headers
}

/// What of a refusal a client needs to do better: the challenge, how long to wait, what is left.
pub fn of_refusal(headers: &HeaderMap) -> HeaderMap {
    let kept = |name: &HeaderName| {
        matches!(name.as_str(), "www-authenticate" | "retry-after" | "warning" | "docker-distribution-api-version")
            || name.as_str().contains("ratelimit")
    };
    headers.iter().filter(|(name, _)| kept(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Turns addresses of the upstream into addresses of backref's.
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
        strip_hop_by_hop(headers);
        for (name, opening) in [(header::LOCATION, ""), (header::LINK, "<")] {
            self.rewrite(headers, &name, opening, client);
        }
        if self.realm {
            self.rewrite(headers, &header::WWW_AUTHENTICATE, "realm=\"", client);
        }
    }

    /// Rewrites each upstream origin that follows `opening` in the values of a header.
    fn rewrite(&self, headers: &mut HeaderMap, name: &HeaderName, opening: &str, client: &Side) {
        let Entry::Occupied(mut values) = headers.entry(name) else { return };
        for value in values.iter_mut() {
            let Some(rewritten) = self.rewritten(value.as_bytes(), opening.as_bytes(), client) else { continue };
            if let Ok(rewritten) = HeaderValue::from_bytes(&rewritten) {
                *value = rewritten;
            }
        }
    }

    fn rewritten(&self, value: &[u8], opening: &[u8], client: &Side) -> Option<Vec<u8>> {
        let mut rewritten = Vec::new();
        let mut done = 0;
        let mut at = 0;
        while at < value.len() {
            let found = value[at..].starts_with(opening).then(|| at + opening.len());
            if let Some((start, end)) = found.and_then(|start| Some((start, start + self.origin_len(&value[start..])?)))
            {
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

    /// The length of the upstream's origin at the start of `url`, with its port written or left out.
    fn origin_len(&self, url: &[u8]) -> Option<usize> {
        let scheme = self.upstream.scheme.as_str();
        let rest = strip_ignore_case(url, scheme)?.strip_prefix(b"://")?;
        let rest = strip_ignore_case(rest, self.upstream.authority.host())?;
        let port = format!(":{}", self.upstream.port());
        let rest = match rest.strip_prefix(port.as_bytes()) {
            Some(rest) => rest,
            None if self.upstream.port() == if scheme == "https" { 443 } else { 80 } => rest,
            None => return None,
        };
        matches!(rest.first(), None | Some(b'/' | b'?' | b'#' | b'"' | b'>')).then_some(url.len() - rest.len())
    }
}

fn strip_ignore_case<'a>(bytes: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let (start, rest) = bytes.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix.as_bytes()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side() -> Side {
        let value = HeaderValue::from_static;
        Side { scheme: value("http"), host: value("proxy:5080"), peer: value("10.0.0.1") }
    }

    fn to_client(upstream: &str, name: HeaderName, value: &'static str) -> String {
        let uri: http::Uri = upstream.parse().unwrap();
        let upstream = Origin { scheme: uri.scheme().unwrap().clone(), authority: uri.authority().unwrap().clone() };
        let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(value))]);
        Addresses { upstream: &upstream, realm: true }.to_client(&mut headers, &side());
        headers[name].to_str().unwrap().to_owned()
    }

    #[test]
    fn addresses_of_the_upstream_become_ours_and_others_stay() {
        use header::{LINK, LOCATION, WWW_AUTHENTICATE};
        let up = "http://up:5000";
        for (name, from, to) in [
            (LOCATION, "http://up:5000/v2/a?_state=x%3D&b", "http://proxy:5080/v2/a?_state=x%3D&b"),
            (LOCATION, "HTTP://UP:5000/", "http://proxy:5080/"),
            (LOCATION, "http://up:50001/v2", "http://up:50001/v2"),
            (LOCATION, "http://up/v2", "http://up/v2"),
            (LOCATION, "https://up:5000/v2", "https://up:5000/v2"),
            (LOCATION, "https://storage/x?to=http://up:5000/", "https://storage/x?to=http://up:5000/"),
            (LOCATION, "/v2/a", "/v2/a"),
            (LINK, "<http://up:5000/v2/a?n=1>; rel=\"next\"", "<http://proxy:5080/v2/a?n=1>; rel=\"next\""),
            (LINK, "</v2/a>; rel=\"next\"", "</v2/a>; rel=\"next\""),
            (
                WWW_AUTHENTICATE,
                "Bearer realm=\"http://up:5000/token\",service=\"x\"",
                "Bearer realm=\"http://proxy:5080/token\",service=\"x\"",
            ),
        ] {
            assert_eq!(to_client(up, name, from), to);
        }
        assert_eq!(to_client("https://up", LOCATION, "https://up:443/a"), "http://proxy:5080/a");
        assert_eq!(to_client("https://up", LOCATION, "https://up.evil/a"), "https://up.evil/a");
    }

    #[test]
    fn what_belongs_to_one_hop_stays_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("connection", "x-yours"),
            ("x-mine", "1"),
            ("x-yours", "1"),
            ("te", "trailers"),
            ("forwarded", "host=evil"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-host", "more"),
            ("authorization", "Basic Og=="),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        to_upstream(&mut headers, &HeaderValue::from_static("up:5000"), &side());
        let mut left: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        left.sort();
        assert_eq!(
            left,
            [
                "authorization: Basic Og==",
                "host: up:5000",
                "x-forwarded-for: 10.0.0.1",
                "x-forwarded-host: proxy:5080",
                "x-forwarded-proto: http"
            ]
        );
    }
}
