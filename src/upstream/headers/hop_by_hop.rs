//! Headers that belong to one connection (RFC 9110, 7.6.1).

use http::{
    HeaderMap, HeaderName,
    header::{self, Entry},
};

/// RFC 9110, 7.6.1, and what proxies of before it put there. HTTP2-Settings goes with an `Upgrade: h2c` (RFC 7540, 3.2.1).
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Removes them, those that `Connection` names, and what `also` says. Most messages have none, which a look at the names
/// shows.
pub(super) fn strip(headers: &mut HeaderMap, also: impl Fn(&HeaderName) -> bool) {
    let goes = |name: &&HeaderName| is_hop_by_hop(name) || also(name);
    if !headers.keys().any(|name| goes(&name)) {
        return;
    }
    let mut names: Vec<HeaderName> = headers.keys().filter(goes).cloned().collect();
    if let Entry::Occupied(connection) = headers.entry(header::CONNECTION) {
        let (_, values) = connection.remove_entry_mult();
        for value in values {
            names.extend(
                value
                    .to_str()
                    .into_iter()
                    .flat_map(|value| value.split(','))
                    .filter_map(|name| name.trim().parse().ok())
                    // What the request is known by in the log is told to the registry, too.
                    .filter(|name| name != "x-request-id"),
            );
        }
    }
    for name in names {
        headers.remove(name);
    }
}
