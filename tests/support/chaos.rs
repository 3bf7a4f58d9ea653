//! What may happen to a request between backref and a registry: a proxy that delays, cuts, loses, lies and repeats.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Head;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mishap {
    Nothing,
    /// It comes to the registry after so many milliseconds.
    Delay(u64),
    /// The connection ends before the registry hears of it.
    Lost,
    /// The registry gets half of it.
    CutRequest,
    /// The registry carries it out, and half of the answer comes back.
    CutAnswer,
    /// The registry carries it out, and the connection ends without an answer.
    NoAnswer,
    /// This status instead, and the registry never hears of it.
    Refused(u16),
    /// The registry carries it out, and this status comes back.
    Denied(u16),
    /// The registry carries it out twice; the first answer comes back.
    Twice,
    /// The connection ends, and the registry carries it out after so many milliseconds.
    Late(u64),
}

type Script = dyn Fn(&Head) -> Mishap + Send + Sync;

/// The proxy. Dropped, it closes its port; calmed down, it passes everything on.
pub(crate) struct Chaos {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    upstream: String,
    state: Mutex<State>,
}

struct State {
    script: Arc<Script>,
    happened: BTreeMap<String, usize>,
    late: Vec<JoinHandle<()>>,
    stopped: bool,
}

/// A request, and what the registry said to it.
struct Message {
    head: Head,
    body: Vec<u8>,
}

impl Chaos {
    /// In front of the registry at `host:port`; the script is asked about each request.
    pub(crate) fn before(upstream: &str, script: impl Fn(&Head) -> Mishap + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = State { script: Arc::new(script), happened: BTreeMap::new(), late: Vec::new(), stopped: false };
        let shared = Arc::new(Shared { upstream: upstream.to_owned(), state: Mutex::new(state) });
        let accepted = Arc::clone(&shared);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if accepted.state().stopped {
                    return;
                }
                let (stream, shared) = (stream.expect("a connection"), Arc::clone(&accepted));
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on nothing happens, and all that was late has landed.
    pub(crate) fn calm(&self) {
        self.shared.state().script = Arc::new(|_| Mishap::Nothing);
        loop {
            let Some(late) = self.shared.state().late.pop() else { return };
            late.join().expect("it has landed");
        }
    }

    /// How often each mishap has happened, by method and mishap.
    pub(crate) fn happened(&self) -> BTreeMap<String, usize> {
        self.shared.state().happened.clone()
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        // Wakes the accepting thread, which then lets go of the port.
        drop(TcpStream::connect(self.address));
        self.accepting.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panicked")
    }

    /// The registry's answer; `None` when there is none.
    fn pass_on(&self, request: &Message) -> Option<Message> {
        let mut upstream = TcpStream::connect(&self.upstream).ok()?;
        upstream.write_all(&request.bytes()).ok()?;
        let mut answers = BufReader::new(upstream);
        let head = Head::read(&mut answers)?;
        let bodiless = request.head.method() == "HEAD" || matches!(head.status(), 204 | 304);
        let body = if bodiless { Vec::new() } else { head.read_body(&mut answers)? };
        Some(Message { head, body })
    }
}

impl Message {
    /// As it came, but that a body is sent as one piece.
    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.head.line);
        let chunked = self.head.header("Transfer-Encoding").is_some();
        for line in self.head.headers.iter().filter(|line| !line.to_ascii_lowercase().starts_with("transfer-encoding:"))
        {
            text.push_str(line);
            text.push_str("\r\n");
        }
        if chunked {
            text.extend(["Content-Length: ", &self.body.len().to_string(), "\r\n"]);
        }
        text.push_str("\r\n");
        [text.as_bytes(), &self.body].concat()
    }
}

fn serve(stream: TcpStream, shared: &Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some(head) = Head::read(&mut stream) {
        let Some(body) = head.read_body(&mut stream) else { break };
        let script = Arc::clone(&shared.state().script);
        let mishap = script(&head);
        if mishap != Mishap::Nothing {
            let name = format!("{} {mishap:?}", head.method());
            let name = name.split('(').next().unwrap_or_default().to_owned();
            *shared.state().happened.entry(name).or_default() += 1;
        }
        let Some(answer) = happen(mishap, Message { head, body }, shared) else { break };
        if stream.get_mut().write_all(&answer).is_err() || mishap == Mishap::CutAnswer {
            break;
        }
    }
    // The other side may be gone already.
    let _ = stream.get_ref().shutdown(Shutdown::Both);
}

/// What is answered; `None`: the connection ends.
fn happen(mishap: Mishap, request: Message, shared: &Arc<Shared>) -> Option<Vec<u8>> {
    let status = |status| format!("HTTP/1.1 {status} Mishap\r\nContent-Length: 0\r\n\r\n").into_bytes();
    match mishap {
        Mishap::Nothing => Some(shared.pass_on(&request)?.bytes()),
        Mishap::Delay(time) => {
            pause(time);
            Some(shared.pass_on(&request)?.bytes())
        }
        Mishap::Lost => None,
        Mishap::CutRequest => {
            let bytes = request.bytes();
            let mut upstream = TcpStream::connect(&shared.upstream).ok()?;
            upstream.write_all(&bytes[..bytes.len() - request.body.len().div_ceil(2).max(1)]).ok()?;
            None
        }
        Mishap::CutAnswer => {
            let bytes = shared.pass_on(&request)?.bytes();
            Some(bytes[..bytes.len() / 2].to_owned())
        }
        Mishap::NoAnswer => {
            shared.pass_on(&request);
            None
        }
        Mishap::Refused(code) => Some(status(code)),
        Mishap::Denied(code) => {
            shared.pass_on(&request);
            Some(status(code))
        }
        Mishap::Twice => {
            let first = shared.pass_on(&request)?;
            shared.pass_on(&request);
            Some(first.bytes())
        }
        Mishap::Late(time) => {
            let carrying_out = Arc::clone(shared);
            let late = thread::spawn(move || {
                pause(time);
                carrying_out.pass_on(&request);
            });
            shared.state().late.push(late);
            None
        }
    }
}

fn pause(milliseconds: u64) {
    #[allow(clippy::disallowed_methods, reason = "a slow network is what this is")]
    thread::sleep(Duration::from_millis(milliseconds));
}
