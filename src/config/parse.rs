//! Values: text in, the type that the program uses out, or what was expected.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use http::{
    HeaderName,
    uri::{Authority, Scheme, Uri},
};
use ipnet::IpNet;

use super::postgres_url::PostgresUrl;

type Parsed<T> = Result<T, String>;

/// `http://host[:port]` or `https://host[:port]`, nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// `host[:port]`, as it was written.
    pub authority: Authority,
}

impl Origin {
    /// The port, by the scheme where it isn't written.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.scheme == Scheme::HTTPS { 443 } else { 80 })
    }

    /// What stands where the one that has to be given was not: it is never used, since that is a mistake.
    pub(super) fn nowhere() -> Self {
        Self { scheme: Scheme::HTTP, authority: Authority::from_static("nowhere.invalid") }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

pub(super) fn origin(text: &str) -> Parsed<Origin> {
    if text.contains('@') {
        // Not repeated: it may be a password.
        return Err(
            "it has a user or a password; leave them out: what each client sends goes to the registry".to_owned()
        );
    }
    let refuse = || format!("{text:?} is not http://HOST[:PORT] or https://HOST[:PORT]");
    let uri: Uri = text.parse().map_err(|_| refuse())?;
    let parts = uri.into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", http::uri::PathAndQuery::as_str);
    match (parts.scheme, parts.authority) {
        (Some(scheme), Some(authority)) if path == "/" && (scheme == Scheme::HTTP || scheme == Scheme::HTTPS) => {
            Ok(Origin { scheme, authority })
        }
        _ => Err(refuse()),
    }
}

pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| format!("{text:?} is not an address such as 127.0.0.1:5080 or [::]:5080"))
}

pub(super) fn count(text: &str) -> Parsed<usize> {
    text.parse().map_err(|_| format!("{text:?} is not a whole number"))
}

pub(super) fn at_least_one(text: &str) -> Parsed<usize> {
    count(text).and_then(|number| if number == 0 { Err("nothing would be served".to_owned()) } else { Ok(number) })
}

pub(super) fn flag(text: &str) -> Parsed<bool> {
    text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
}

/// A part of all, from 0 to 1.
pub(super) fn share(text: &str) -> Parsed<f64> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("{text:?} is no number from 0 (none) to 1 (all)"))
}

#[allow(clippy::unnecessary_wraps, reason = "one shape for all parsers")]
pub(super) fn text(text: &str) -> Parsed<String> {
    Ok(text.to_owned())
}

#[allow(clippy::unnecessary_wraps, reason = "one shape for all parsers")]
pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    Ok(PathBuf::from(text))
}

/// Where the rows are.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A database, which several processes may share.
    Postgres(Box<PostgresUrl>),
}

/// Without a password.
impl std::fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

pub(super) fn store(text: &str) -> Parsed<StoreUrl> {
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        return PostgresUrl::parse(text).map(Box::new).map(StoreUrl::Postgres);
    }
    match text.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() => Ok(StoreUrl::Sqlite(PathBuf::from(path))),
        // Not repeated: it may hold a password, in whichever form.
        _ => Err("it is neither sqlite:PATH nor postgres://USER@HOST/DATABASE".to_owned()),
    }
}

pub(super) fn duration(text: &str) -> Parsed<Duration> {
    let refuse = || format!("{text:?} is not a duration such as 500ms, 30s or 5m");
    let duration: jiff::SignedDuration = text.parse().map_err(|_| refuse())?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero()).ok_or_else(refuse)
}

/// A duration of at most `most`; zero is one, and means never.
pub(super) fn at_most(most: Duration) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        let parsed = if matches!(text, "0" | "0s") { Ok(Duration::ZERO) } else { duration(text) }?;
        if parsed <= most { Ok(parsed) } else { Err(format!("{text:?} is more than {}s", most.as_secs())) }
    }
}

pub(super) fn size(text: &str) -> Parsed<usize> {
    let refuse = || format!("{text:?} is not a size such as 4096, 32KiB or 4MiB");
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(refuse()),
    };
    number.parse::<usize>().ok().and_then(|number| number.checked_mul(1 << shift)).ok_or_else(refuse)
}

/// From what any client sends to what one read takes.
pub(super) fn head_size(text: &str) -> Parsed<usize> {
    within(size(text)?, 1 << 10, 128 << 10, "1KiB", "128KiB")
}

/// Room for two manifests at least.
pub(super) fn buffer_size(text: &str) -> Parsed<usize> {
    within(size(text)?, 8 << 20, 1 << 40, "8MiB", "1024GiB")
}

fn within(value: usize, least: usize, most: usize, least_text: &str, most_text: &str) -> Parsed<usize> {
    if (least..=most).contains(&value) { Ok(value) } else { Err(format!("it can be from {least_text} to {most_text}")) }
}

/// For an upstream. What was deleted is remembered for longer than this can make any request.
pub(super) fn patience(text: &str) -> Parsed<Duration> {
    at_most(Duration::from_mins(30))(text)
        .and_then(|time| if time.is_zero() { Err("nothing would be waited for".to_owned()) } else { Ok(time) })
}

pub(super) fn log_filter(text: &str) -> Parsed<String> {
    tracing_subscriber::EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        // A filter takes any word for the name of a module, and then silences all others.
        let (target, level) = part.split_once('=').map_or((part, None), |(target, level)| (target, Some(level)));
        let target = target.split('[').next().unwrap_or_default();
        let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        if level.is_none() && is_level(target) || target.is_empty() || logs(target) {
            continue;
        }
        return Err(match level {
            None => format!("{target:?} is no level ({}) and no module that logs", LEVELS.join(", ")),
            Some(_) => format!(
                "{target:?} is no module that logs; write backref=LEVEL, backref::MODULE=LEVEL, or {}=LEVEL",
                OTHERS.join("=LEVEL, ")
            ),
        });
    }
    Ok(text.to_owned())
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Modules of backref that log, and the access log.
const MODULES: &[&str] = &[
    "access",
    "admin",
    "carrier",
    "changes",
    "commands",
    "config",
    "error",
    "http",
    "listing",
    "metrics",
    "policy",
    "operator",
    "referrers_tag",
    "relations",
    "server",
    "store",
    "tls",
    "traces",
    "upstream",
];

/// Crates that log and are part of it.
const OTHERS: [&str; 8] = ["hyper", "hyper_util", "mio", "reqwest", "rustls", "tokio", "tower", "want"];

fn logs(target: &str) -> bool {
    match target.split_once("::").map_or((target, None), |(name, rest)| (name, Some(rest))) {
        ("backref", None) => true,
        ("backref", Some(rest)) => MODULES.contains(&rest.split("::").next().unwrap_or_default()),
        (name, _) => OTHERS.contains(&name),
    }
}

/// The name of a header.
pub(super) fn header_name(text: &str) -> Parsed<HeaderName> {
    text.trim().parse().map_err(|_| format!("{:?} is no name of a header", text.trim()))
}

/// Names of headers, with commas between them.
pub(super) fn header_names(text: &str) -> Parsed<Vec<HeaderName>> {
    text.split(',').filter(|text| !text.trim().is_empty()).map(header_name).collect()
}

/// Addresses and networks, with commas between them.
pub(super) fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    let network = |text: &str| {
        let text = text.trim();
        let parsed = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        parsed.ok_or_else(|| format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))
    };
    text.split(',').filter(|text| !text.trim().is_empty()).map(network).collect()
}

/// Hosts, perhaps with ports, with commas between them; in lower case.
pub(super) fn hosts(text: &str) -> Parsed<Vec<String>> {
    let host = |text: &str| {
        let text = text.trim().to_ascii_lowercase();
        match text.parse::<Authority>() {
            Ok(authority) if !text.contains('@') && authority.as_str() == text => Ok(text),
            _ => Err(format!("{text:?} is no HOST or HOST:PORT")),
        }
    };
    text.split(',').filter(|text| !text.trim().is_empty()).map(host).collect()
}

/// One of a few words, each with what it stands for.
pub(super) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(&str) -> Parsed<T> {
    move |text| {
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let (last, before) = words.split_last().unwrap_or((&"", &[]));
            format!("{text:?} is neither {} nor {last}", before.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_origin_is_a_scheme_and_a_host_alone() {
        for good in ["http://a", "https://registry-1.docker.io/", "http://[::1]:5000"] {
            assert!(origin(good).is_ok(), "{good}");
        }
        for bad in ["", "a:5000", "ftp://a", "http://a/v2", "http://user@a", "http://a?x", "//a"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert!(!origin("http://user:secret@a").unwrap_err().contains("secret"));
        assert_eq!(origin("https://a").unwrap().port(), 443);
    }

    #[test]
    fn config_log_filter_names_levels_and_modules_that_log() {
        for good in
            ["info", "WARN", "info,backref::access=debug", "backref=trace", "off,hyper=debug", "backref::store::sqlite"]
        {
            assert_eq!(log_filter(good), Ok(good.to_owned()));
        }
        for (bad, says) in [
            ("inf", "\"inf\" is no level (off, error"),
            ("info,bakref=debug", "\"bakref\" is no module"),
            ("backref::acces=debug", "\"backref::acces\" is no module"),
            ("info,backref::stor", "no level"),
        ] {
            let error = log_filter(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    /// Whatever logs can be named.
    #[test]
    fn config_log_filter_knows_every_module_that_logs() {
        let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![sources.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read_to_string(&path).unwrap().contains("tracing::") {
                    let module = path.strip_prefix(&sources).unwrap().iter().next().unwrap().to_str().unwrap();
                    let module = module.trim_end_matches(".rs");
                    assert!(matches!(module, "main" | "lib") || logs(&format!("backref::{module}")), "{module}");
                }
            }
        }
    }

    #[test]
    fn config_networks_are_addresses_or_prefixes() {
        let parsed = networks("10.0.0.0/8, 192.0.2.1,fd00::/8").unwrap();
        assert_eq!(
            parsed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]
        );
        assert_eq!(networks(""), Ok(Vec::new()));
        assert!(networks("10.0.0.0/33").is_err() && networks("proxy.local").is_err());
    }

    #[test]
    fn config_choice_is_one_of_its_words() {
        let parse = one_of(&[("a", 1), ("b", 2), ("c", 3)]);
        assert_eq!(parse("b"), Ok(2));
        assert_eq!(parse("d"), Err("\"d\" is neither a, b nor c".to_owned()));
    }

    #[test]
    fn config_sizes_and_durations_are_parsed_within_their_bounds() {
        assert_eq!(size("32KiB"), Ok(32 << 10));
        assert_eq!(size("7"), Ok(7));
        assert!(size("7MB").is_err() && size("KiB").is_err() && size("99999999999GiB").is_err());
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(duration("0s").is_err() && duration("-1s").is_err() && duration("5").is_err());
        assert!(at_most(Duration::from_mins(1))("61s").is_err());
        assert_eq!(at_most(Duration::from_mins(1))("0"), Ok(Duration::ZERO));
    }
}
