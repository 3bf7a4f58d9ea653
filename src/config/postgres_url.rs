//! Where a database is, and who asks for it.

use std::{fmt, path::PathBuf};

use tokio_postgres::config::{Config, Host, SslMode, TargetSessionAttrs};

/// `postgres://USER[:PASSWORD]@HOST[:PORT][,HOST…]/DATABASE[?OPTION=VALUE…]`, as libpq has it (PostgreSQL's documentation,
/// "Connection URIs").
#[derive(Clone, PartialEq)]
pub struct PostgresUrl {
    /// What to connect by. `Require` in it: by TLS.
    pub connect: Config,
    /// A file with the authorities that may have signed the database's certificate, beside those of the system
    /// (`sslrootcert`).
    pub ca_file: Option<PathBuf>,
    /// A file with the password, read for each connection.
    pub password_file: Option<PathBuf>,
    /// As it was written, without the password.
    shown: String,
}

impl PostgresUrl {
    /// Reads it. An error says what was expected, without repeating what may be a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (url, options) = text.split_once('?').unwrap_or((text, ""));
        let (mut kept, mut mode, mut ca_file) = (Vec::new(), None, None);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", "system")) => ca_file = None,
                Some(("sslrootcert", path)) => {
                    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
                    ca_file = Some(PathBuf::from(path.as_ref()));
                }
                _ => kept.push(option),
            }
        }
        let plain = if kept.is_empty() { url.to_owned() } else { format!("{url}?{}", kept.join("&")) };
        let mut connect: Config = plain.parse().map_err(|error: tokio_postgres::Error| {
            let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            format!("it is not {FORM}: {why}")
        })?;
        if connect.get_user().is_none() {
            return Err(format!("it names no user: {FORM}"));
        }
        if connect.get_hosts().is_empty() {
            return Err(format!("it names no host: {FORM}"));
        }
        let encrypted = match mode {
            Some("disable") => false,
            // What others call `require` encrypts for whoever answers; here the certificate is looked at in any case.
            Some("require" | "verify-ca" | "verify-full") => true,
            None => !connect.get_hosts().iter().all(is_this_machine),
            Some(_) => return Err("sslmode is neither disable, require nor verify-full".to_owned()),
        };
        connect.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        if connect.get_target_session_attrs() == TargetSessionAttrs::Any {
            // Of several, the one that takes writes.
            connect.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self { connect, ca_file, password_file: None, shown: without_password(url, options) })
    }

    /// Whether by TLS.
    pub fn is_encrypted(&self) -> bool {
        self.connect.get_ssl_mode() == SslMode::Require
    }
}

const FORM: &str = "postgres://USER@HOST[:PORT]/DATABASE";

fn without_password(url: &str, options: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = user.split(':').next().unwrap_or_default();
    let mut shown = format!("{scheme}://{user}@{hosts}{path}");
    let options = options.split('&').filter(|option| !option.is_empty() && !option.starts_with("password="));
    for (at, option) in options.enumerate() {
        shown.push(if at == 0 { '?' } else { '&' });
        shown.push_str(option);
    }
    shown
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
        f.write_str(&self.shown)
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
    fn config_database_is_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://me:a%40b@db:5433/refs", "postgres://me@db:5433/refs"),
            ("postgresql://me@%2Frun%2Fpostgresql/refs", "postgresql://me@%2Frun%2Fpostgresql/refs"),
            (
                "postgres://me@a,[::1]:5/refs?password=secret&connect_timeout=3&sslmode=disable",
                "postgres://me@a,[::1]:5/refs?connect_timeout=3&sslmode=disable",
            ),
        ] {
            let url = PostgresUrl::parse(text).unwrap();
            assert_eq!(format!("{url} {url:?}"), format!("{shown} {shown}"));
        }
        for wrong in ["postgres://me:secret@db:port/refs", "postgres://me@db/refs?password=secret&what=1"] {
            let error = PostgresUrl::parse(wrong).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn config_database_shows_a_certificate_unless_it_is_here_or_its_url_says_not_to() {
        let tls = |text| {
            let url = PostgresUrl::parse(text).unwrap();
            (url.is_encrypted(), url.ca_file)
        };
        assert_eq!(tls("postgres://me@localhost/refs"), (false, None));
        assert_eq!(tls("postgres://me@%2Frun%2Fpostgresql/refs"), (false, None));
        assert_eq!(tls("postgres://me@db/refs?sslmode=disable"), (false, None));
        assert_eq!(tls("postgres://me@db/refs"), (true, None));
        assert_eq!(tls("postgres://me@127.0.0.1,db/refs"), (true, None));
        let file = Some(PathBuf::from("/etc/a b.pem"));
        assert_eq!(tls("postgres://me@[::1]/refs?sslmode=verify-full&sslrootcert=/etc/a%20b.pem"), (true, file));
        for wrong in ["postgres://me@db/refs?sslmode=prefer", "postgres://db/refs", "postgres:///refs", "postgres://"] {
            assert!(PostgresUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
