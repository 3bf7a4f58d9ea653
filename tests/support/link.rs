//! A link between two processes, byte by byte: it can be slow, cut, or swallow everything.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

/// What happens on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Fine,
    /// Every piece comes so much later.
    Slow(Duration),
    /// Nothing comes, and nobody is told.
    Silent,
    /// Connections end, and nobody gets a new one.
    Cut,
}

/// The link. Dropped, it is cut.
pub(crate) struct Link {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    weather: Weather,
    streams: Vec<TcpStream>,
}

impl Link {
    /// To `host:port`.
    pub(crate) fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State { weather: Weather::Fine, streams: Vec::new() }));
        let (shared, target) = (state.clone(), target.to_owned());
        thread::spawn(move || {
            for here in listener.incoming() {
                let here = here.expect("a connection");
                if lock(&shared).weather == Weather::Cut {
                    drop(here.shutdown(Shutdown::Both));
                    continue;
                }
                let Ok(there) = TcpStream::connect(&target) else { continue };
                for (from, to) in [(&here, &there), (&there, &here)] {
                    let (from, to) = (from.try_clone().expect("a descriptor"), to.try_clone().expect("a descriptor"));
                    lock(&shared).streams.push(from.try_clone().expect("a descriptor"));
                    let shared = shared.clone();
                    thread::spawn(move || carry(from, to, &shared));
                }
            }
        });
        Self { address, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on; what is on its way already comes as before.
    pub(crate) fn set(&self, weather: Weather) {
        let mut state = lock(&self.state);
        state.weather = weather;
        if weather == Weather::Cut {
            for stream in state.streams.drain(..) {
                drop(stream.shutdown(Shutdown::Both));
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.set(Weather::Cut);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics with it")
}

#[allow(clippy::disallowed_methods, reason = "the delay is what is asked for")]
fn carry(mut from: TcpStream, mut to: TcpStream, state: &Mutex<State>) {
    let mut piece = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        loop {
            let weather = lock(state).weather;
            match weather {
                Weather::Fine | Weather::Cut => break,
                Weather::Slow(delay) => {
                    thread::sleep(delay);
                    break;
                }
                Weather::Silent => thread::sleep(Duration::from_millis(20)),
            }
        }
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}
