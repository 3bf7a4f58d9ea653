//! Where clients and operators come in: sockets that a service manager has opened already (systemd's `sd_listen_fds(3)`), or
//! sockets of our own. What a manager holds stays open over a restart: whoever comes meanwhile waits.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;

/// The listening sockets.
pub(super) struct Sockets {
    pub(super) clients: TcpListener,
    pub(super) admin: TcpListener,
}

/// The name of the socket for operators (`FileDescriptorName=`). Whatever has another is for clients.
const ADMIN: &str = "admin";

impl Sockets {
    /// Those that were passed on, and for what is left, new ones at these addresses.
    pub(super) fn open(clients: SocketAddr, admin: SocketAddr) -> Result<Self, String> {
        let (mut for_clients, mut for_admin) = (None, None);
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        for at in 0..passed.len() {
            let is_admin = names.next() == Some(ADMIN);
            let taken =
                passed.take_tcp_listener(at).map_err(|error| format!("socket {at} of the service manager: {error}"))?;
            let place = if is_admin { &mut for_admin } else { &mut for_clients };
            if let Some(listener) = taken
                && place.replace(listener).is_some()
            {
                let whom = if is_admin { "operators" } else { "clients" };
                return Err(format!("the service manager passes two sockets for {whom}: one can be used"));
            }
        }
        Ok(Self { clients: usable("listen", for_clients, clients)?, admin: usable("admin", for_admin, admin)? })
    }
}

fn usable(setting: &str, passed: Option<TcpListener>, address: SocketAddr) -> Result<TcpListener, String> {
    let listen = || {
        let listener = passed.map_or_else(|| TcpListener::bind(address), Ok)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|error: io::Error| format!("{setting}: cannot listen on {address}: {error}"))
}
