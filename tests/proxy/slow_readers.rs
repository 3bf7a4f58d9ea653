//! Clients that read their answer late: they get all of it, however much was still to be written when the upstream had
//! nothing more to say.

use std::time::{Duration, Instant};

use crate::support::{Backref, Fake, clients, until};
use crate::wire::Wire;

/// Lengths of answers. A few of them are a little more than the sockets between backref and a client hold, whatever that
/// is here: their last bytes wait in backref alone.
fn lengths() -> impl Iterator<Item = usize> {
    (4..72).map(|step| step * (96 << 10))
}

/// Asks for an answer of each length with these headers, and reads nothing until no byte moves any more.
fn unread(headers: &str) -> (Backref, Fake, Vec<(usize, Wire)>) {
    let fake = Fake::start(|visit| {
        let length: usize = visit.head.target()[1..].parse().expect("a length");
        visit.answer("200 OK", &[], "x".repeat(length));
    });
    let backref = Backref::of(&fake.url()).start();
    let ask = |length| {
        let mut wire = Wire::to(backref.host());
        wire.send(format!("GET /{length} HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
        (length, wire)
    };
    let wires: Vec<_> = lengths().map(ask).collect();
    let mut last = (Instant::now(), queues(&backref));
    until("the answers to stand still", || {
        let now = queues(&backref);
        if now != last.1 {
            last = (Instant::now(), now);
        }
        // Longer than backref keeps what it has for the next request of a connection.
        (last.0.elapsed() > Duration::from_millis(500)).then_some(())
    });
    (backref, fake, wires)
}

/// What waits in backref's sockets to its clients.
fn queues(backref: &Backref) -> Vec<String> {
    clients(backref).map(|socket| socket.text()).collect()
}

#[test]
fn listener_continues_a_connection_after_an_answer_that_was_read_late() {
    let (_backref, _fake, mut wires) = unread("");
    for (length, wire) in &mut wires {
        wire.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = wire.head();
        assert_eq!((head.status(), head.values("Connection")), (200, vec![]), "{length}");
        assert_eq!(wire.take(*length).len(), *length);
        assert_eq!(wire.answer().text(), "x", "{length}");
    }
}

#[test]
fn listener_gives_a_whole_answer_that_ends_its_connection() {
    for headers in ["Connection: close\r\n", "Content-Length: 5\r\n", "Content-Length: 5\r\nUpgrade: h2c\r\n"] {
        let (_backref, _fake, mut wires) = unread(headers);
        for (length, wire) in &mut wires {
            if headers.starts_with("Content-Length") {
                // The answer came before the body, which ends the connection. hyper would end it without the rest of the
                // answer, if the request asked for an upgrade.
                wire.send("12345");
            }
            assert_eq!(wire.head().status(), 200);
            assert_eq!(wire.rest().len(), *length, "{headers}");
        }
    }
}
