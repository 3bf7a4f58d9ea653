//! An upstream that does as a test says and keeps what it saw: for what no real registry shows, and for exact timing.

mod gate;
mod head;
mod holdings;

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

pub(crate) use gate::Gate;
pub(crate) use head::Head;
pub(crate) use holdings::{Holdings, Reply, sha256, sha512};

/// An HTTP/1.1 server that answers as its script does. Dropped, it closes its port and every connection.
pub(crate) struct Fake {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    open: Vec<TcpStream>,
    stopped: bool,
}

/// A request that reached the upstream.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: Head,
    /// `None` until the script has read it to its end.
    pub(crate) body: Option<Vec<u8>>,
    /// Which of the upstream's connections it came over.
    pub(crate) connection: usize,
}

/// One request, as the script sees it.
pub(crate) struct Visit {
    pub(crate) head: Head,
    stream: BufReader<TcpStream>,
    shared: Arc<Shared>,
    number: usize,
    connection: usize,
    body: Body,
    open: bool,
}

/// A request's body, as far as the script has asked for it.
enum Body {
    Unread,
    /// `None`: it was cut off.
    Read(Option<Vec<u8>>),
}

impl Fake {
    pub(crate) fn start(script: impl Fn(&mut Visit) + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", script)
    }

    /// At the address of an earlier one: an upstream that comes back.
    pub(crate) fn start_at(address: &str, script: impl Fn(&mut Visit) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let (script, accepted) = (Arc::new(script), Arc::clone(&shared));
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                let mut connections = accepted.connections.lock().expect("no one panicked");
                if connections.stopped {
                    return;
                }
                let connection = connections.open.len();
                connections.open.push(stream.try_clone().expect("a handle"));
                let (script, shared) = (Arc::clone(&script), Arc::clone(&accepted));
                thread::spawn(move || serve(stream, connection, &shared, &*script));
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has reached it, in order of arrival.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no one panicked").clone()
    }

    /// How many requests with that method have reached it.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.seen().iter().filter(|seen| seen.head.method() == method).count()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let mut connections = self.shared.connections.lock().expect("no one panicked");
        connections.stopped = true;
        for stream in &connections.open {
            // One that the other side has closed already can't be closed again.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(connections);
        // Wakes the accepting thread, which then lets go of the port.
        drop(TcpStream::connect(self.address));
        self.accepting.take().map(JoinHandle::join);
    }
}

fn serve(stream: TcpStream, connection: usize, shared: &Arc<Shared>, script: &dyn Fn(&mut Visit)) {
    let mut stream = BufReader::new(stream);
    while let Some(head) = Head::read(&mut stream) {
        let mut seen = shared.seen.lock().expect("no one panicked");
        let number = seen.len();
        seen.push(Seen { head: head.clone(), body: None, connection });
        drop(seen);
        let shared = Arc::clone(shared);
        let mut visit = Visit { head, stream, shared, number, connection, body: Body::Unread, open: true };
        script(&mut visit);
        if visit.open {
            visit.body();
        }
        if !visit.open {
            let _ = visit.stream.get_ref().shutdown(Shutdown::Both);
            return;
        }
        stream = visit.stream;
    }
}

impl Visit {
    pub(crate) fn is(&self, method: &str) -> bool {
        self.head.method() == method
    }

    /// Which of the upstream's connections it came over.
    pub(crate) fn connection(&self) -> usize {
        self.connection
    }

    /// Whether the connection to backref is still open, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// The whole body; `None` when it was cut off, and the connection is of no use any more.
    pub(crate) fn body(&mut self) -> Option<Vec<u8>> {
        if let Body::Read(body) = &self.body {
            return body.clone();
        }
        let body = self.head.read_body(&mut self.stream);
        self.body = Body::Read(body.clone());
        self.open &= body.is_some();
        self.shared.seen.lock().expect("no one panicked")[self.number].body.clone_from(&body);
        body
    }

    /// Reads the whole body and keeps nothing of it. Whether it was whole.
    pub(crate) fn discard(&mut self) -> bool {
        let length: u64 = self.head.header("Content-Length").map_or(0, |length| length.parse().expect("a length"));
        let read = std::io::copy(&mut (&mut self.stream).take(length), &mut std::io::sink());
        let whole = read.is_ok_and(|read| read == length);
        self.body = Body::Read(whole.then(Vec::new));
        self.open &= whole;
        whole
    }

    /// The next bytes of the body as they come over the wire, framing and all.
    pub(crate) fn raw(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).expect("so many bytes of the body");
        bytes
    }

    /// Sends bytes to backref, which may have closed the connection.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.open &= self.stream.get_mut().write_all(bytes.as_ref()).is_ok();
    }

    /// A whole answer: `200 OK`, lines such as `Name: value`, and a body with its length.
    pub(crate) fn answer(&mut self, status: &str, headers: &[&str], body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        answer.extend(headers.iter().flat_map(|header| [header, "\r\n"]));
        answer.push_str("\r\n");
        let mut answer = answer.into_bytes();
        if !self.is("HEAD") {
            answer.extend_from_slice(body);
        }
        self.send(answer);
    }

    /// Says that nothing more will come and takes what still does: closed at once, the connection would be reset, and
    /// the answer lost on its way.
    pub(crate) fn linger(&mut self) {
        self.open = false;
        // The other side may be gone already.
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
        let _ = std::io::copy(&mut self.stream, &mut std::io::sink());
    }

    /// Ends the connection now, and goes on with what was asked.
    pub(crate) fn hang_up(&mut self) {
        self.open = false;
        // The other side may be gone already.
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
    }

    /// Ends the connection after this visit, whatever was sent.
    pub(crate) fn close(&mut self) {
        self.open = false;
    }
}
