//! `backref healthcheck`: whether the `serve` with these settings is ready, for containers that have no other client.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::{config, status::ExitStatus};
use crate::{
    cli::{Output, Serve},
    config::Config,
    printable::Printable,
};

/// How long it takes at most.
const PATIENCE: Duration = Duration::from_secs(3);

/// How much of an answer is read.
const MOST: u64 = 64 << 10;

pub(super) fn run(args: &Serve) -> ExitStatus {
    let admin = match Config::load(args.sources()) {
        Ok(config) => here(config.admin.listen),
        Err(mistakes) => return config::say(Output::default(), &mistakes),
    };
    match ask(admin) {
        Ok((is_ready, text)) => {
            for line in text.lines() {
                println!("{}", Printable(line));
            }
            if is_ready { ExitStatus::Fine } else { ExitStatus::Finding }
        }
        Err(error) => {
            eprintln!("backref: http://{admin}/readyz: {error}");
            ExitStatus::Finding
        }
    }
}

/// Where whoever listens on all addresses is found.
fn here(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

/// Whether it is ready, and what it says.
fn ask(admin: SocketAddr) -> io::Result<(bool, String)> {
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    let (head, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("that is no answer of backref's"))?;
    Ok((head.starts_with("HTTP/1.1 200 "), body.to_owned()))
}
