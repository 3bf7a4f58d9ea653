//! A TCP connection to a host that may have several addresses, some of which may not answer (RFC 8305).

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::net::{TcpStream, lookup_host};

/// How long an address is tried alone before the next is tried beside it (RFC 8305, 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to `host`, without a bound on the time.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    first(alternating(lookup_host((host, port)).await?)).await
}

/// The first that answers. Each is tried as soon as the one before failed, or had its head start.
async fn first(mut addresses: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    let mut trying = FuturesUnordered::new();
    let mut error = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        match addresses.pop_front() {
            Some(address) => trying.push(TcpStream::connect(address)),
            None if trying.is_empty() => return Err(error),
            None => {}
        }
        tokio::select! {
            Some(tried) = trying.next() => match tried {
                Ok(stream) => return Ok(stream),
                Err(failed) => error = failed,
            },
            () = tokio::time::sleep(HEAD_START), if !addresses.is_empty() => {}
        }
    }
}

/// One of each family in turn, beginning with the family that the resolver puts first (RFC 8305, 4).
fn alternating(addresses: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut addresses = addresses.peekable();
    let Some(v6_first) = addresses.peek().map(SocketAddr::is_ipv6) else { return VecDeque::new() };
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) = addresses.partition(|address| address.is_ipv6() == v6_first);
    let mut alternating = VecDeque::with_capacity(one.len() + other.len());
    while !one.is_empty() || !other.is_empty() {
        alternating.extend(one.pop_front());
        alternating.extend(other.pop_front());
    }
    alternating
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    /// A listener on 127.0.0.`last` that completes no more connections; with what fills its backlog.
    async fn silent(last: u8) -> (SocketAddr, tokio::net::TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        while let Ok(stream) = tokio::time::timeout(HEAD_START, TcpStream::connect(address)).await {
            filling.push(stream.unwrap());
        }
        (address, listener, filling)
    }

    #[tokio::test]
    async fn upstream_address_that_never_answers_does_not_hide_the_next() {
        let (silent, _listener, _filling) = silent(2).await;
        let answers = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = answers.local_addr().unwrap();
        let stream = tokio::time::timeout(Duration::from_secs(5), first([silent, address].into())).await;
        assert_eq!(stream.expect("in time").unwrap().peer_addr().unwrap(), address);
    }

    #[tokio::test]
    async fn upstream_address_that_refuses_gives_way_at_once_and_the_last_error_is_reported() {
        let refuses = |last| {
            let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
            listener.local_addr().unwrap()
        };
        let answers = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = answers.local_addr().unwrap();
        let stream = first([refuses(2), refuses(3), address].into()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        let error = first([refuses(2), refuses(3)].into()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(first(VecDeque::new()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn upstream_addresses_of_both_families_alternate() {
        let parse = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let resolved = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(parse);
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(parse);
        assert_eq!(alternating(resolved.into_iter()), expected);
        assert_eq!(alternating(std::iter::empty()), []);
    }
}
