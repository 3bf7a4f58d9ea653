//! The proxy on the way to the upstream, as the environment names it: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, but for the hosts
//! of `NO_PROXY`, in either case. Never to this machine itself.

use std::{future::ready, io, net::IpAddr};

use http::{HeaderValue, Uri, uri::Scheme};
use hyper_util::{
    client::{legacy::connect::proxy::Tunnel, proxy::matcher::Matcher},
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower::{ServiceExt, service_fn};

use super::race;
use crate::config::Origin;

/// A proxy that speaks HTTP/1.1 in the clear.
#[derive(Clone)]
pub(in crate::upstream) struct Proxy {
    host: String,
    port: u16,
    /// `Proxy-Authorization`
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// The one for that upstream, if any. `Err`: why it can't be used.
    pub(super) fn from_environment(upstream: &Origin) -> Result<Option<Self>, String> {
        let left_out = ["NO_PROXY", "no_proxy"].iter().find_map(|name| std::env::var(name).ok());
        Self::by(&Matcher::from_env(), &left_out.unwrap_or_default(), upstream)
    }

    fn by(matcher: &Matcher, left_out: &str, upstream: &Origin) -> Result<Option<Self>, String> {
        let host = upstream.authority.host();
        if is_here(host) || left_out.split(',').any(|entry| leaves_out(entry.trim(), host, upstream.port())) {
            return Ok(None);
        }
        // Invariant: an origin with a path is a URI.
        let Ok(uri) = Uri::try_from(format!("{upstream}/")) else { return Ok(None) };
        let Some(found) = matcher.intercept(&uri) else { return Ok(None) };
        let proxy = found.uri();
        if proxy.scheme() != Some(&Scheme::HTTP) {
            let scheme = proxy.scheme_str().unwrap_or_default();
            return Err(format!("speaks {scheme}: http:// is what is understood"));
        }
        let authority = proxy.authority().map_or("", http::uri::Authority::as_str);
        if proxy.port_u16().is_none() && !authority.ends_with(proxy.host().unwrap_or_default()) {
            return Err("has no port that there could be".to_owned());
        }
        let host = proxy.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        Ok(Some(Self { host, port: proxy.port_u16().unwrap_or(80), authorization: found.basic_auth().cloned() }))
    }

    /// What it is told of who asks.
    pub(in crate::upstream) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// `host:port`, for the log.
    pub(super) fn address(&self) -> String {
        written(&self.host, self.port)
    }

    /// A connection to it.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let connected = race::connect(&self.host, self.port).await;
        connected.map_err(|error| io::Error::new(error.kind(), format!("the proxy {}: {error}", self.address())))
    }

    /// A connection through it to another host, to speak TLS over (RFC 9110, 9.3.6).
    pub(super) async fn tunnel(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let target = written(host, port);
        let uri = |text: String| Uri::try_from(text).map_err(io::Error::other);
        let proxy = uri(format!("http://{}", self.address()))?;
        let mut connection = Some(TokioIo::new(self.connect().await?));
        let connect = service_fn(move |_| ready(connection.take().ok_or(io::Error::from(io::ErrorKind::NotConnected))));
        let mut tunnel = Tunnel::new(proxy, connect);
        if let Some(authorization) = &self.authorization {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let opened = tunnel.oneshot(uri(format!("https://{target}"))?).await;
        let failed =
            |error| io::Error::other(format!("the proxy {} opens no way to {target}: {error}", self.address()));
        opened.map(TokioIo::into_inner).map_err(failed)
    }
}

/// `host:port`, with brackets around an address that has colons (RFC 3986, 3.2.2).
fn written(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Whether an entry of `NO_PROXY` names a host in one of the ways that other programs read, beside those of the matcher: with a
/// port, with `*.` in front, with a dot at the end.
fn leaves_out(entry: &str, host: &str, port: u16) -> bool {
    let (name, of_port) = match entry.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?)))
    {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (entry, None),
    };
    let name = name.strip_prefix("*.").unwrap_or(name).trim_matches('.').to_ascii_lowercase();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let within = host.strip_suffix(&*name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.is_empty() && within && of_port.is_none_or(|one| one == port)
}

/// This machine, by a name or address of its own.
fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(matcher: &Matcher, upstream: &str) -> Result<Option<String>, String> {
        let uri: Uri = upstream.parse().unwrap();
        let parts = uri.into_parts();
        let origin = Origin { scheme: parts.scheme.unwrap(), authority: parts.authority.unwrap() };
        Proxy::by(matcher, "registry.test:444,*.one.test,two.test.,[fd00::1]:5000", &origin)
            .map(|proxy| proxy.map(|proxy| proxy.address()))
    }

    #[test]
    fn proxy_is_that_of_the_scheme_but_for_hosts_that_are_left_out_and_this_machine() {
        let all = Matcher::builder().http("http://p:1").https("http://u:s@q").no("in.test,10.0.0.0/8").build();
        assert_eq!(proxy(&all, "http://registry.test:5000"), Ok(Some("p:1".to_owned())));
        assert_eq!(proxy(&all, "https://registry.test"), Ok(Some("q:80".to_owned())));
        for direct in
            ["https://a.in.test", "http://10.1.2.3", "http://127.0.0.1:5000", "https://localhost", "http://[::1]"]
        {
            assert_eq!(proxy(&all, direct), Ok(None), "{direct}");
        }
        // As other programs read it.
        for direct in ["https://registry.test:444", "https://a.one.test", "https://TWO.test", "http://[fd00::1]:5000"] {
            assert_eq!(proxy(&all, direct), Ok(None), "{direct}");
        }
        for by_proxy in ["https://registry.test:443", "https://onetwo.test", "http://[fd00::1]:80", "https://twoXtest"]
        {
            assert!(proxy(&all, by_proxy).unwrap().is_some(), "{by_proxy}");
        }
        let nowhere = Matcher::builder().all("http://u:p@h:76000").build();
        assert_eq!(proxy(&nowhere, "https://registry.test"), Err("has no port that there could be".to_owned()));
        let socks = Matcher::builder().all("socks5://p:1080").build();
        assert_eq!(
            proxy(&socks, "https://registry.test"),
            Err("speaks socks5: http:// is what is understood".to_owned())
        );
    }
}
