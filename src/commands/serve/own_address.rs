//! Whether the upstream's address is where backref itself listens. Only addresses are looked at: a name is resolved when it is
//! needed, and may be another then.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use crate::config::Origin;

/// Whether requests to `upstream` come to `listener`.
pub(super) fn leads_to(upstream: &Origin, listener: SocketAddr) -> bool {
    let host = upstream.authority.host().trim_start_matches('[').trim_end_matches(']');
    let address = if host == "localhost" { Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { host.parse() };
    let Ok(address) = address else { return false };
    upstream.port() == listener.port()
        && (listener.ip() == address || (listener.ip().is_unspecified() && is_of_this_machine(address)))
}

/// Whoever would send to an address of its own machine would do so from that address, and from 127.0.0.1 to all of 127.0.0.0/8.
fn is_of_this_machine(address: IpAddr) -> bool {
    let any = SocketAddr::new(if address.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() }, 0);
    let source = || {
        let socket = UdpSocket::bind(any)?;
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    address.is_loopback() || source().is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests {
    use http::uri::{Authority, Scheme};

    use super::*;

    #[test]
    fn startup_address_of_the_upstream_is_held_against_the_listeners() {
        let leads = |upstream: &str, listener: &str| {
            let authority = upstream.parse::<Authority>().unwrap();
            leads_to(&Origin { scheme: Scheme::HTTP, authority }, listener.parse().unwrap())
        };
        for (upstream, listener, expected) in [
            ("127.0.0.1:5080", "127.0.0.1:5080", true),
            ("localhost:5080", "0.0.0.0:5080", true),
            ("127.0.0.9:80", "0.0.0.0:80", true),
            ("127.0.0.9", "0.0.0.0:80", true),
            ("[::1]:5080", "[::]:5080", true),
            ("127.0.0.1:5000", "127.0.0.1:5080", false),
            ("127.0.0.2:5080", "127.0.0.1:5080", false),
            ("192.0.2.1:5080", "0.0.0.0:5080", false),
            ("registry.test:5080", "0.0.0.0:5080", false),
        ] {
            assert_eq!(leads(upstream, listener), expected, "{upstream} {listener}");
        }
    }
}
