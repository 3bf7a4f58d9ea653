//! `[upstream]`, or several as `[[upstream]]`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    parse::{Origin, at_least_one, count, duration, flag, hosts, origin, path, patience, text},
    sources::Sources,
};

/// One registry that is fronted.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see Config")]
pub struct Upstream {
    pub url: Origin,
    pub name: Arc<str>,
    /// The hosts by which clients ask for it, in lower case; none: it is asked for by all others.
    pub hosts: Vec<String>,
    /// Names without a slash are of its `library/`, as Docker Hub's.
    pub library: bool,
    pub ca_file: Option<PathBuf>,
    pub insecure_skip_verify: bool,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub rewrite_realm: bool,
    pub connect_timeout: Duration,
    pub answer_timeout: Duration,
    pub idle_timeout: Duration,
    pub idle_connections: usize,
    pub connections: usize,
}

impl Upstream {
    /// The certificate that is shown to it, and its key.
    pub fn shown(&self) -> Option<(&Path, &Path)> {
        self.certificate.as_deref().zip(self.key.as_deref())
    }

    /// The one that is fronted, or the first of several, and the others. With `upstream.url` given beside several, it names
    /// the one that is meant: by its name or address.
    pub(super) fn read_all(s: &mut Sources) -> (Self, Vec<Self>) {
        let tables = s.tables_of("upstream");
        if tables.is_empty() {
            return (Self::read(s, None, "upstream.url"), Vec::new());
        }
        let meant = s.take("upstream.url");
        let mut all: Vec<Self> = tables.iter().map(|(table, place)| Self::read(s, Some(table), place)).collect();
        let mut seen = HashSet::new();
        for ((table, place), one) in tables.iter().zip(&all) {
            if !seen.insert(format!("the name {}", one.name)) {
                s.mistake(place, format!("{table}: another upstream has the name {} as well", one.name));
            }
            if one.hosts.is_empty() && !seen.insert("no hosts".to_owned()) {
                s.mistake(
                    place,
                    format!("{table}: another upstream has no hosts as well: one can take all that is left"),
                );
            }
            for host in &one.hosts {
                if !seen.insert(host.clone()) {
                    s.mistake(place, format!("{table}.hosts: {host} is another upstream's"));
                }
            }
        }
        if let Some((meant, place)) = meant {
            let is_it = |one: &Self| *one.name == *meant || one.url.to_string() == meant;
            if let Some(at) = all.iter().position(is_it) {
                return (Self { hosts: Vec::new(), ..all.swap_remove(at) }, Vec::new());
            }
            let names: Vec<&str> = all.iter().map(|one| &*one.name).collect();
            s.mistake(&place, format!("{meant:?} is none of the upstreams: {}", names.join(", ")));
        }
        // Whoever has no hosts takes what is left: first, as if it were the only one.
        all.sort_by_key(|one| !one.hosts.is_empty());
        let first = all.remove(0);
        (first, all)
    }

    fn read(s: &mut Sources, table: Option<&str>, place: &str) -> Self {
        let minute = Duration::from_mins(1);
        let url = match table {
            None => s.required("upstream.url", origin),
            Some(table) => {
                let url = s.in_table(Some(table), "upstream.url", origin);
                if url.is_none() {
                    s.mistake(place, format!("{table}: it needs an `url`"));
                }
                url
            }
        };
        let certificate = s.in_table(table, "upstream.certificate", path);
        let key = s.in_table(table, "upstream.key", path);
        if certificate.is_some() != key.is_some() {
            let missing = if key.is_none() { "upstream.key" } else { "upstream.certificate" };
            s.mistake(place, format!("{missing} is missing: a certificate and its key are shown together"));
        }
        let name = s.in_table(table, "upstream.name", text);
        let name = name.unwrap_or_else(|| url.as_ref().map_or_else(String::new, |url| url.authority.to_string()));
        Self {
            name: name.into(),
            url: url.unwrap_or_else(Origin::nowhere),
            hosts: s.in_table(table, "upstream.hosts", hosts).unwrap_or_default(),
            library: s.in_table(table, "upstream.library", flag).unwrap_or_default(),
            ca_file: s.in_table(table, "upstream.ca_file", path),
            insecure_skip_verify: s.in_table(table, "upstream.insecure_skip_verify", flag).unwrap_or_default(),
            certificate,
            key,
            rewrite_realm: s.in_table(table, "upstream.rewrite_realm", flag).unwrap_or(true),
            connect_timeout: s.in_table(table, "upstream.connect_timeout", patience).unwrap_or(Duration::from_secs(5)),
            answer_timeout: s.in_table(table, "upstream.answer_timeout", patience).unwrap_or(5 * minute),
            idle_timeout: s.in_table(table, "upstream.idle_timeout", duration).unwrap_or(Duration::from_secs(30)),
            idle_connections: s.in_table(table, "upstream.idle_connections", count).unwrap_or(64),
            connections: s.in_table(table, "upstream.connections", at_least_one).unwrap_or(1024),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn load(text: &str, meant: Option<&str>) -> Result<Config, Vec<String>> {
        let mut sources = Sources::default();
        sources.toml("f.toml", text);
        sources.flag("--upstream", "upstream.url", meant);
        Config::load(sources).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    const TWO: &str = "[[upstream]]\nurl = \"https://registry-1.docker.io\"\nname = \"hub\"\nhosts = \"docker.io, Hub.Test\"\n\
                       library = true\n[[upstream]]\nurl = \"http://rest:5000\"\n";

    #[test]
    fn upstreams_are_several_by_their_hosts_and_one_for_the_rest() {
        let config = load(TWO, None).unwrap();
        assert_eq!((&*config.upstream.name, config.upstream.hosts.len()), ("rest:5000", 0));
        let [hub] = &config.others[..] else { panic!("{config:?}") };
        assert_eq!(
            (&*hub.name, hub.library, &hub.hosts[..]),
            ("hub", true, &["docker.io".to_owned(), "hub.test".to_owned()][..])
        );
        for meant in ["hub", "https://registry-1.docker.io"] {
            let config = load(TWO, Some(meant)).unwrap();
            assert!(&*config.upstream.name == "hub" && config.others.is_empty(), "{config:?}");
        }
    }

    #[test]
    fn upstreams_that_can_not_be_told_apart_are_mistakes() {
        for (text, meant, expected) in [
            (TWO, Some("other"), "--upstream: \"other\" is none of the upstreams: hub, rest:5000"),
            ("[[upstream]]\nhosts = \"a\"\n", None, "f.toml:1:1: upstream[0]: it needs an `url`"),
            (
                "[[upstream]]\nurl = \"http://a\"\n[[upstream]]\nurl = \"http://b\"\n",
                None,
                "f.toml:3:1: upstream[1]: another upstream has no hosts as well",
            ),
            (
                "[[upstream]]\nurl = \"http://a\"\nhosts = \"x\"\n[[upstream]]\nurl = \"http://b\"\nhosts = \"x\"\n",
                None,
                "f.toml:4:1: upstream[1].hosts: x is another upstream's",
            ),
            ("[[upstream]]\nurl = \"http://a\"\nhosts = \"a b\"\n", None, "f.toml:3:9: upstream[0].hosts: \"a b\""),
        ] {
            let mistakes = load(text, meant).expect_err(text);
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(expected)), "{expected}: {mistakes:#?}");
        }
    }
}
