//! Where a database is, and who asks for it.

use std::{fmt, path::PathBuf};

use tokio_postgres::config::{Config, Host, SslMode, TargetSessionAttrs};

/// `postgres://USER[:PASSWORD]@HOST[:PORT][,HOST…]/DATABASE[?OPTION=VALUE…]`, as libpq has it.
#[derive(Clone, PartialEq)]
pub struct PostgresUrl {
    pub(super) config: Config,
    /// How the database's certificate is judged; `None`: no TLS.
    pub(super) tls: Option<Authorities>,
}

/// Who may have signed the database's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authorities {
    /// Those of the system.
    System,
    /// And those in a file (`sslrootcert`).
    File(PathBuf),
}

impl PostgresUrl {
    /// Reads it. An error says what was expected, without repeating what may be a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (text, options) = text.split_once('?').map_or((text, ""), |(url, options)| (url, options));
        let (mut kept, mut mode, mut authorities) = (Vec::new(), None, Authorities::System);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", "system")) => authorities = Authorities::System,
                Some(("sslrootcert", path)) => {
                    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
                    authorities = Authorities::File(PathBuf::from(path.as_ref()));
                }
                _ => kept.push(option),
            }
        }
        let url = if kept.is_empty() { text.to_owned() } else { format!("{text}?{}", kept.join("&")) };
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            format!("it is not postgres://USER@HOST[:PORT]/DATABASE: {}", super::errors::in_words(&error))
        })?;
        if config.get_user().is_none() {
            return Err("it names no user: postgres://USER@HOST[:PORT]/DATABASE".to_owned());
        }
        if config.get_hosts().is_empty() {
            return Err("it names no host: postgres://USER@HOST[:PORT]/DATABASE".to_owned());
        }
        let encrypted = match mode {
            Some("disable") => false,
            // What others call `require` encrypts for whoever answers; here the certificate is looked at in any case.
            Some("require" | "verify-ca" | "verify-full") => true,
            None => !config.get_hosts().iter().all(is_this_machine),
            Some(_) => return Err("sslmode is neither disable, require nor verify-full".to_owned()),
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            // Of several, the one that takes writes.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self { config, tls: encrypted.then_some(authorities) })
    }

    /// The same with a password from elsewhere.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
        Host::Unix(_) => true,
    }
}

/// Without the password.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        let host = |(at, host): (usize, &Host)| {
            let name = match host {
                Host::Tcp(name) if name.contains(':') => format!("[{name}]"),
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string().replace('/', "%2F"),
            };
            match ports.get(at).or(ports.first()) {
                Some(port) => format!("{name}:{port}"),
                None => name,
            }
        };
        let hosts: Vec<String> = self.config.get_hosts().iter().enumerate().map(host).collect();
        write!(f, "postgres://{}@{}", self.config.get_user().unwrap_or_default(), hosts.join(","))?;
        self.config.get_dbname().map_or(Ok(()), |name| write!(f, "/{name}"))
    }
}

/// Without the password.
impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_url_is_shown_without_its_password() {
        let url = PostgresUrl::parse("postgres://me:secret@db.example:5433/refs?connect_timeout=3").unwrap();
        assert_eq!(format!("{url} {url:?}"), "postgres://me@db.example:5433/refs postgres://me@db.example:5433/refs");
        let url = PostgresUrl::parse("postgresql://me@%2Frun%2Fpostgresql/refs").unwrap().with_password("secret");
        assert_eq!(url.to_string(), "postgres://me@%2Frun%2Fpostgresql/refs");
        let error = PostgresUrl::parse("postgres://me:secret@db:port/refs").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn store_url_asks_for_a_certificate_unless_the_database_is_here_or_it_says_not_to() {
        let tls = |text| PostgresUrl::parse(text).unwrap().tls;
        assert_eq!(tls("postgres://me@localhost/refs"), None);
        assert_eq!(tls("postgres://me@%2Frun%2Fpostgresql/refs"), None);
        assert_eq!(tls("postgres://me@db/refs?sslmode=disable"), None);
        assert_eq!(tls("postgres://me@db/refs"), Some(Authorities::System));
        assert_eq!(tls("postgres://me@127.0.0.1,db/refs"), Some(Authorities::System));
        let file = Authorities::File(PathBuf::from("/etc/a b.pem"));
        assert_eq!(tls("postgres://me@[::1]/refs?sslmode=verify-full&sslrootcert=/etc/a%20b.pem"), Some(file));
        assert!(PostgresUrl::parse("postgres://me@db/refs?sslmode=prefer").is_err());
        assert!(PostgresUrl::parse("postgres://db/refs").is_err() && PostgresUrl::parse("postgres:///refs").is_err());
    }
}
