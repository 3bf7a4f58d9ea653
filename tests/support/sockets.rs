//! The sockets of a process, as the system's table has them.

use std::collections::HashSet;

use super::Backref;

/// One end of a connection.
pub(crate) struct Socket {
    /// This end is the server's.
    is_server: bool,
    /// 01 is established, 02 being opened, 0A listening.
    state: String,
    /// Bytes to send, and to read.
    queues: String,
    /// The other end's address.
    peer: String,
}

impl Socket {
    /// All of it, to tell whether anything has changed.
    pub(crate) fn text(&self) -> String {
        let Self { peer, state, queues, .. } = self;
        format!("{peer} {state} {queues}")
    }
}

/// How many connections backref has from its clients, with nothing sent that it has not read.
pub(crate) fn served(backref: &Backref) -> usize {
    let has_read_all = |socket: &Socket| socket.state != "0A" && socket.queues.ends_with(":00000000");
    clients(backref).filter(has_read_all).count()
}

/// Backref's ends of its clients' connections, and where it listens.
pub(crate) fn clients(backref: &Backref) -> impl Iterator<Item = Socket> + use<> {
    sockets(backref.pid(), backref.host()).into_iter().filter(|socket| socket.is_server)
}

/// How many connections a process has to the server at `host`, open or being opened.
pub(crate) fn opened(pid: u32, host: &str) -> usize {
    let is_open = |socket: &Socket| !socket.is_server && matches!(&*socket.state, "01" | "02");
    sockets(pid, host).into_iter().filter(is_open).count()
}

/// The ends that a process has of connections with the server at `host`. Others may use the same port for something else,
/// so only the process's own are given, each once: the table is not read at one moment.
fn sockets(pid: u32, host: &str) -> Vec<Socket> {
    let port: u16 = host.rsplit(':').next().and_then(|port| port.parse().ok()).expect("host:port");
    let port = format!(":{port:04X}");
    let mut own = inodes(pid);
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let socket = |line: &str| {
        // Number, local address, remote address, state, queues, timer, retransmissions, user, timeout, inode.
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, local, remote, state, queues, _, _, _, _, inode, ..] = fields[..] else { return None };
        let is_server = local.ends_with(&port);
        let is_one = (is_server || remote.ends_with(&port)) && own.remove(inode);
        is_one.then(|| Socket { is_server, state: state.into(), queues: queues.into(), peer: remote.into() })
    };
    table.lines().filter_map(socket).collect()
}

/// The inodes of a process's sockets.
fn inodes(pid: u32) -> HashSet<String> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let inode = |file: std::fs::DirEntry| {
        let link = std::fs::read_link(file.path()).ok()?.into_os_string().into_string().ok()?;
        Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    files.flatten().filter_map(inode).collect()
}
