//! What a proxy in front of backref says of a client (`X-Forwarded-*`): believed of those that the settings trust, and of
//! nobody else.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::host::is_host;
use crate::{app::App, upstream::headers::Side};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How the client sees backref, and backref the client. `connection`: the same of the connection's two ends.
pub(super) fn side(app: &App, headers: &HeaderMap, connection: &Side) -> Side {
    let host = headers.get(header::HOST).unwrap_or(&connection.host).clone();
    let Side { scheme, peer, subject, .. } = connection;
    let mut side = Side { scheme: scheme.clone(), host, peer: peer.clone(), subject: subject.clone() };
    if is_trusted(app, &connection.peer) {
        believe(app, headers, &mut side);
    } else if app.public_side.is_none() && last(headers, &PROTO) == Some("https") {
        app.untrusted_https.call_once(|| {
            tracing::warn!(
                "a proxy at {} says that its clients use https, and is not in trusted_proxies: uploads may be sent to http \
                 addresses; name it there, or set public_url",
                connection.peer.to_str().unwrap_or_default()
            );
        });
    }
    if let Some((scheme, host)) = &app.public_side {
        (side.scheme, side.host) = (scheme.clone(), host.clone());
    }
    side
}

/// The host that the client asked for, as the proxy in front says where it is trusted.
pub(super) fn host<'a>(app: &App, headers: &'a HeaderMap, connection: &Side) -> Option<&'a str> {
    let said = if is_trusted(app, &connection.peer) { last(headers, &HOST) } else { None };
    said.filter(|host| !host.is_empty()).or_else(|| headers.get(header::HOST)?.to_str().ok())
}

fn is_trusted(app: &App, address: &HeaderValue) -> bool {
    let trusted = &app.config.trusted_proxies;
    !trusted.is_empty() && parse(address.to_str().unwrap_or_default()).is_some_and(|address| contains(app, address))
}

fn contains(app: &App, address: IpAddr) -> bool {
    app.config.trusted_proxies.iter().any(|network| network.contains(&address))
}

fn parse(text: &str) -> Option<IpAddr> {
    text.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn believe(app: &App, headers: &HeaderMap, side: &mut Side) {
    if let Some(scheme) = last(headers, &PROTO).filter(|scheme| matches!(*scheme, "http" | "https")) {
        side.scheme = HeaderValue::from_str(scheme).unwrap_or_else(|_| side.scheme.clone());
    }
    if let Some(host) = last(headers, &HOST).filter(|host| !host.is_empty() && is_host(host.as_bytes())) {
        side.host = HeaderValue::from_str(host).unwrap_or_else(|_| side.host.clone());
    }
    // Each proxy adds whom it was asked by at the end: the last that is none of them is the client, whatever it said itself.
    let mut client = None;
    for text in headers.get_all(FOR).iter().rev().filter_map(|value| value.to_str().ok()) {
        for address in text.rsplit(',') {
            let Some(address) = parse(address) else { return set_peer(side, client) };
            client = Some(address);
            if !contains(app, address) {
                return set_peer(side, client);
            }
        }
    }
    set_peer(side, client);
}

fn set_peer(side: &mut Side, client: Option<IpAddr>) {
    if let Some(peer) = client.and_then(|client| HeaderValue::try_from(client.to_string()).ok()) {
        side.peer = peer;
    }
}

/// The last value of a header, as the nearest proxy wrote it.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim)
}
