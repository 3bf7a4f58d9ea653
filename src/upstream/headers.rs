//! Headers on their way through: what belongs to one hop stays there, and each side sees its own addresses.

mod addresses;
mod hop_by_hop;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::challenge::is_connection_bound;
pub use addresses::{Addresses, Side};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What is not for the upstream, beside what belongs to one connection: what a client says of its address and of what it asked
/// for, by headers that servers behind proxies believe; what is about trailers, which are not passed on; and how many more
/// proxies may see the request. A name with `_` goes too: to servers that hand headers on as variables (RFC 3875, 4.1.18), it
/// is the same as one with `-`, and might be one that backref sets itself.
fn is_not_passed_on(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "forwarded"
            | "max-forwards"
            | "te"
            | "trailer"
            | "true-client-ip"
            | "x-original-url"
            | "x-real-ip"
            | "x-rewrite-url"
    ) || name.starts_with("x-forwarded-")
        || name.contains('_')
}

/// A client's headers as the upstream is to see them. Forwarding headers are set, never appended: what a client
/// claims about itself is not passed on. `via` is added to what they came through (RFC 9110, 7.6.3).
pub fn to_upstream(headers: &mut HeaderMap, upstream: &HeaderValue, via: &HeaderValue, client: &Side) {
    hop_by_hop::strip(headers, is_not_passed_on);
    if headers.get_all(header::AUTHORIZATION).iter().any(|value| is_connection_bound(value.as_bytes())) {
        headers.remove(header::AUTHORIZATION);
    }
    headers.insert(header::HOST, upstream.clone());
    headers.insert(FORWARDED_HOST, client.host.clone());
    headers.insert(FORWARDED_PROTO, client.scheme.clone());
    headers.insert(FORWARDED_FOR, client.peer.clone());
    headers.append(header::VIA, via.clone());
}

/// A caller's headers for requests of backref's own on its behalf: who it is, without what belongs to one request, and
/// without conditions (distribution answers a 304 before it looks whether the manifest exists).
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
        header::ACCEPT,
        header::ACCEPT_ENCODING,
    ] {
        headers.remove(name);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn side() -> Side {
        let value = HeaderValue::from_static;
        Side { scheme: value("http"), host: value("proxy:5080"), peer: value("10.0.0.1"), subject: None }
    }

    #[test]
    fn passthrough_drops_hop_by_hop_headers_and_sets_the_forwarding_headers() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine, X-Request-Id"),
            ("connection", "x-yours"),
            ("x-mine", "1"),
            ("x-yours", "1"),
            ("te", "trailers"),
            ("forwarded", "host=evil"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-host", "more"),
            ("authorization", "Basic Og=="),
            ("via", "1.0 other"),
            ("x-forwarded-port", "80"),
            ("x_forwarded_for", "1.1.1.1"),
            ("content_length", "5"),
            ("x-real-ip", "1.1.1.1"),
            ("max-forwards", "0"),
            ("trailer", "x-mine"),
            ("x-request-id", "named in Connection"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let value = HeaderValue::from_static;
        to_upstream(&mut headers, &value("up:5000"), &value("1.1 backref-1"), &side());
        let mut left: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        left.sort();
        assert_eq!(
            left,
            [
                "authorization: Basic Og==",
                "host: up:5000",
                "via: 1.0 other",
                "via: 1.1 backref-1",
                "x-forwarded-for: 10.0.0.1",
                "x-forwarded-host: proxy:5080",
                "x-forwarded-proto: http",
                "x-request-id: named in Connection"
            ]
        );
    }
}
