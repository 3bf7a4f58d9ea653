//! A client that says exactly what it is told, and shows every byte that comes back.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket, sockopt};

use serde_json::Value;

use crate::support::Head;

/// What doesn't come within this time doesn't come.
const BOUND: Duration = Duration::from_secs(30);

/// One connection to backref.
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
}

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    pub(crate) fn to(host: &str) -> Self {
        Self::over(TcpStream::connect(host).expect("backref takes connections"))
    }

    /// From any address of the loopback network; with room in the system for little of what it has not read, if it is
    /// to be a slow reader.
    pub(crate) fn from(address: [u8; 4], host: &str, slow: bool) -> Self {
        let to: SocketAddr = host.parse().expect("an address");
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        if slow {
            sockopt::set_socket_recv_buffer_size(&socket, 4 << 10).expect("a small buffer");
        }
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::from(address), 0)).expect("an address of the loopback network");
        connect(&socket, &to).expect("backref takes connections");
        Self::over(TcpStream::from(socket))
    }

    fn over(stream: TcpStream) -> Self {
        let wire = Self { stream: BufReader::new(stream) }.patient(BOUND);
        wire.stream.get_ref().set_nodelay(true).expect("an open socket");
        wire
    }

    /// What doesn't come within that time doesn't come.
    pub(crate) fn patient(self, bound: Duration) -> Self {
        self.stream.get_ref().set_read_timeout(Some(bound)).expect("a timeout");
        self
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("backref reads on");
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// The head of the next answer.
    pub(crate) fn head(&mut self) -> Head {
        Head::read(&mut self.stream).expect("an answer")
    }

    /// The next answer to anything but a HEAD.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("a whole answer")
    }

    /// `None` when the connection ends before the answer does.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        let head = Head::read(&mut self.stream)?;
        let body = head.read_body(&mut self.stream)?;
        Some(Answer { head, body })
    }

    /// The body behind that head.
    pub(crate) fn body_of(&mut self, head: &Head) -> Vec<u8> {
        head.read_body(&mut self.stream).expect("a whole body")
    }

    /// The next bytes.
    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).expect("so many bytes");
        bytes
    }

    /// All bytes until backref ends the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).expect("an orderly end");
        bytes
    }

    /// Whether nothing comes for that long, and the connection stays.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream.get_ref().set_read_timeout(Some(time)).expect("a timeout");
        let silent = self.stream.fill_buf().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        self.stream.get_ref().set_read_timeout(Some(BOUND)).expect("a timeout");
        silent
    }

    /// Says that nothing more will come, and goes on reading.
    pub(crate) fn finish(&mut self) {
        // What the other side has closed already can't be closed again.
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request over a connection of its own; the answer ends it.
pub(crate) fn ask(host: &str, request: &str) -> Answer {
    let mut wire = Wire::to(host);
    wire.send(request);
    wire.answer()
}

/// The code of an error body in the form of distribution-spec 1.1, "Error codes"; panics on any other body.
pub(crate) fn error_code(body: &[u8]) -> String {
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    let error = parsed.as_ref().ok().and_then(|body| body["errors"].as_array()?.first());
    let field = |name| error.and_then(|error| error[name].as_str()).filter(|text| !text.is_empty());
    let (code, message) = (field("code"), field("message"));
    match (code, message) {
        (Some(code), Some(_)) => code.to_owned(),
        _ => panic!("no OCI error body: {}", String::from_utf8_lossy(body)),
    }
}
