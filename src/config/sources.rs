//! Where settings come from, and every mistake in them with its place.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use serde::Serialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::mistake::Mistake;

/// What was given, by key, the strongest source last; what was found wrong on the way.
#[derive(Default)]
pub struct Sources {
    settings: BTreeMap<String, Setting>,
    variables: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
    known: Vec<&'static str>,
    /// What was given and used.
    pub(super) given: Vec<Shown>,
}

struct Setting {
    text: String,
    place: String,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// `upstream.url`
    pub setting: String,
    /// As it was written; `None`: there is none.
    pub value: Option<String>,
    /// `FILE:LINE:COLUMN`, a variable's name, a flag, or `default`.
    pub source: String,
}

impl Shown {
    fn new(key: &str, setting: &Setting) -> Self {
        Self { setting: key.to_owned(), value: Some(setting.text.clone()), source: setting.place.clone() }
    }
}

impl Sources {
    /// Adds a file.
    pub fn file(&mut self, path: &Path) {
        match std::fs::read_to_string(path) {
            Ok(text) => self.toml(&path.display().to_string(), &text),
            Err(error) => self.mistake(&path.display().to_string(), format!("cannot be read: {error}")),
        }
    }

    /// Adds a file's text, called `name` in messages.
    pub fn toml(&mut self, name: &str, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let place = |at: usize| {
            let before = &text[..at.min(text.len())];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, str::len) + 1;
            format!("{name}:{line}:{column}")
        };
        for error in errors {
            self.mistake(&place(error.span().map_or(0, |span| span.start)), error.message().to_owned());
        }
        self.table("", table.get_ref(), &place);
    }

    fn table(&mut self, above: &str, table: &DeTable<'_>, place: &dyn Fn(usize) -> String) {
        // Of an empty key the parser has complained already.
        for (name, value) in table.iter().filter(|(name, _)| !name.get_ref().is_empty()) {
            self.value(format!("{above}{}", name.get_ref()), value, place);
        }
    }

    /// Lists are settings too, one an entry: `gate[0].tags[1]`. A table in a list stands there itself as well, since it
    /// may be empty.
    fn value(&mut self, key: String, value: &Spanned<DeValue<'_>>, place: &dyn Fn(usize) -> String) {
        let place_of_value = place(value.span().start);
        let text = match value.get_ref() {
            DeValue::Table(inner) => {
                self.table(&format!("{key}."), inner, place);
                if !key.ends_with(']') {
                    return;
                }
                String::new()
            }
            DeValue::Array(entries) if entries.is_empty() => {
                return self.mistake(&place_of_value, format!("{key} is an empty list"));
            }
            DeValue::Array(entries) if entries.iter().all(|one| one.get_ref().is_str() || one.get_ref().is_table()) => {
                for (n, entry) in entries.iter().enumerate() {
                    self.value(format!("{key}[{n}]"), entry, place);
                }
                return;
            }
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            other => return self.mistake(&place_of_value, format!("{key} cannot be {}", other.type_str())),
        };
        self.settings.insert(key, Setting { text, place: place_of_value });
    }

    /// Adds `BACKREF_*` variables.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        self.variables.extend(variables.into_iter().filter(|(name, _)| name.starts_with("BACKREF_")));
    }

    /// Adds a flag's value.
    pub fn flag(&mut self, flag: &str, key: &str, value: Option<&str>) {
        if let Some(text) = value {
            // A flag is stronger than a variable of the same setting.
            self.variables.remove(&variable(key));
            self.settings.insert(key.to_owned(), Setting { text: text.to_owned(), place: flag.to_owned() });
        }
    }

    pub(super) fn optional<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        self.known.push(key);
        let from_file = self.settings.remove(key);
        let name = variable(key);
        let setting = match self.variables.remove(&name) {
            Some(text) => Setting { text, place: name },
            None => from_file?,
        };
        self.given.push(Shown::new(key, &setting));
        parse(&setting.text).map_err(|what| self.mistake(&setting.place, format!("{key}: {what}"))).ok()
    }

    pub(super) fn or<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>, default: T) -> T {
        self.optional(key, parse).unwrap_or(default)
    }

    pub(super) fn required<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let before = self.mistakes.len();
        let value = self.optional(key, parse);
        if value.is_none() && self.mistakes.len() == before {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            let what = format!("give it as --{section}, {}, or `{name}` under [{section}] in the file", variable(key));
            self.mistake(key, what);
        }
        value
    }

    /// A setting of a table that may stand in a list, `upstream[0].url`; `None`: it stands alone, and has variables and flags
    /// too.
    pub(super) fn in_table<T>(
        &mut self,
        table: Option<&str>,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(table) = table else { return self.optional(key, parse) };
        self.known.push(key);
        let (_, name) = key.split_once('.')?;
        let key = format!("{table}.{name}");
        let setting = self.settings.remove(&key)?;
        self.given.push(Shown::new(&key, &setting));
        parse(&setting.text).map_err(|what| self.mistake(&setting.place, format!("{key}: {what}"))).ok()
    }

    /// The tables of a list, each with its place. Only a file has such.
    pub(super) fn tables_of(&mut self, key: &str) -> Vec<(String, String)> {
        let table = |n| format!("{key}[{n}]");
        (0..).map_while(|n| Some((table(n), self.settings.remove(&table(n))?.place))).collect()
    }

    /// Takes a setting out, wherever it is given.
    pub(super) fn take(&mut self, key: &str) -> Option<(String, String)> {
        let given = self.variables.remove(&variable(key)).map(|text| Setting { text, place: variable(key) });
        given.or_else(|| self.settings.remove(key)).map(|setting| (setting.text, setting.place))
    }

    /// The tables of a list, as [`Sources::list`] takes them, each with its place; `known`: what they can hold. Only a
    /// file has such.
    pub(super) fn tables(&mut self, key: &'static str, known: &[&'static str]) -> Vec<(String, String)> {
        self.known.push(key);
        self.known.extend(known);
        self.tables_of(key)
    }

    /// What a list in a table holds, without the entries that are wrong; `None` where there is no list.
    pub(super) fn list<T>(
        &mut self,
        table: &str,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let entry = |n| format!("{table}.{name}[{n}]");
        let entries: Vec<_> = (0..).map_while(|n| Some((entry(n), self.settings.remove(&entry(n))?))).collect();
        if entries.is_empty() {
            return None;
        }
        self.given.extend(entries.iter().map(|(key, setting)| Shown::new(key, setting)));
        let parse = |(key, setting): (String, Setting)| {
            parse(&setting.text).map_err(|what| self.mistake(&setting.place, format!("{key}: {what}"))).ok()
        };
        Some(entries.into_iter().filter_map(parse).collect())
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> &[&'static str] {
        &self.known
    }

    pub(super) fn mistake(&mut self, place: &str, what: String) {
        self.mistakes.push(Mistake { place: place.to_owned(), what });
    }

    /// Every mistake, once every setting was asked for: what is left over is none.
    pub(super) fn finish(mut self) -> Vec<Mistake> {
        for (key, setting) in std::mem::take(&mut self.settings) {
            let plain = without_numbers(&key);
            let nearest = self.known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, &plain));
            let nearest = nearest.copied().unwrap_or_default();
            let within = |known: &&&str| known.strip_prefix(&*plain).is_some_and(|rest| rest.starts_with('.'));
            let what = match self.known.iter().find(within) {
                // A table is written as a value.
                Some(first) => format!("{key} is a table: write {first} and what belongs to it below [{plain}]"),
                // Known, but one value where there should be a list, or the other way round.
                None if nearest == plain => format!("{key} is not written so; the nearest is {nearest}"),
                None => format!("{key} is no setting; the nearest is {nearest}"),
            };
            self.mistake(&setting.place, what);
        }
        self.variables.remove("BACKREF_CONFIG"); // names the file
        for (name, value) in std::mem::take(&mut self.variables) {
            if !is_service_link(&name, &value) {
                self.mistake(&name, "names no setting".to_owned());
            }
        }
        self.mistakes
    }
}

/// `gate[0].tags[1]` is one of `gate.tags`.
fn without_numbers(key: &str) -> String {
    key.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect()
}

/// `upstream.ca_file` is `BACKREF_UPSTREAM_CA_FILE`; a last `url` isn't said: `BACKREF_UPSTREAM`.
fn variable(key: &str) -> String {
    let key = if key == "admin.listen" { "admin" } else { key.strip_suffix(".url").unwrap_or(key) };
    format!("BACKREF_{}", key.replace('.', "_").to_uppercase())
}

/// Whether Kubernetes set a variable, as it does in every pod of a namespace for each Service: of one called `backref` or
/// `backref-gateway` they begin as ours do (Kubernetes' documentation, "Service", "Environment variables").
fn is_service_link(name: &str, value: &str) -> bool {
    let is_number = || value.parse::<u16>().is_ok();
    let is_address = || value.parse::<IpAddr>().is_ok();
    let is_protocol = |text: &str| matches!(text, "tcp" | "udp" | "sctp");
    let is_url = || value.split_once("://").is_some_and(|(protocol, _)| is_protocol(protocol));
    if name.ends_with("_SERVICE_HOST") {
        return is_address();
    }
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return is_number();
    }
    // `…_PORT`, `…_PORT_80_TCP`, and with `_PROTO`, `_PORT` or `_ADDR` behind that.
    let of_one = name.rsplit_once("_PORT_").map(|(_, rest)| rest.split('_').collect::<Vec<_>>());
    match of_one.as_deref() {
        Some([port, "TCP" | "UDP" | "SCTP", rest @ ..]) if port.parse::<u16>().is_ok() => match rest {
            [] => is_url(),
            ["PROTO"] => is_protocol(value),
            ["PORT"] => is_number(),
            ["ADDR"] => is_address(),
            _ => false,
        },
        _ => name.ends_with("_PORT") && is_url(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn load(file: &str, variables: &[(&str, &str)], flag: Option<&str>) -> Result<Config, Vec<String>> {
        let mut sources = Sources::default();
        sources.toml("f.toml", file);
        sources.environment(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        sources.flag("--upstream", "upstream.url", flag);
        Config::load(sources).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn config_later_source_overrides_the_earlier() {
        let file = "[upstream]\nurl = \"http://file\"\n";
        let host = |config: Result<Config, _>| config.unwrap().upstream.url.authority.to_string();
        assert_eq!(host(load(file, &[], None)), "file");
        assert_eq!(host(load(file, &[("BACKREF_UPSTREAM", "http://env")], None)), "env");
        assert_eq!(host(load(file, &[("BACKREF_UPSTREAM", "http://env")], Some("http://flag"))), "flag");
    }

    #[test]
    fn config_mistakes_are_all_reported_with_their_places() {
        let file = "listen = \"x\"\nadmin = \"x\"\nwhat = 1\n[limits]\nhead = \"1x\"\nbuffered = [1]\n= 3\n";
        let mistakes =
            load(file, &[("BACKREF_ADMIN", "y"), ("BACKREF_TYPO", "1"), ("BACKREF_LISTEN_PORT", "80")], None);
        let mistakes = mistakes.unwrap_err();
        for part in [
            "f.toml:1:10: listen",
            "f.toml:2:9: admin is a table: write admin.listen and what belongs to it below [admin]",
            "f.toml:3:8: what",
            "f.toml:5:8: limits.head",
            "f.toml:6:12: limits.buffered",
            "f.toml:7:1",
            "BACKREF_ADMIN: admin.listen",
            "BACKREF_TYPO: names no setting",
            "BACKREF_LISTEN_PORT: names no setting",
            "upstream.url: give it as --upstream",
        ] {
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(part)), "{part}: {mistakes:#?}");
        }
        assert_eq!(mistakes.len(), 10, "{mistakes:#?}");
    }

    /// As a pod has them beside Services called `backref` and `backref-gateway`, of a port with a name.
    #[test]
    fn config_passes_over_what_kubernetes_sets() {
        let mut variables = vec![("BACKREF_UPSTREAM".to_owned(), "http://registry:5000".to_owned())];
        for service in ["BACKREF", "BACKREF_GATEWAY", "BACKREF_UPSTREAM"] {
            for (name, value) in [
                ("SERVICE_HOST", "10.96.12.7"),
                ("SERVICE_PORT", "5080"),
                ("SERVICE_PORT_HTTP", "5080"),
                ("SERVICE_PORT_HTTP_ALT", "5081"),
                ("PORT", "tcp://10.96.12.7:5080"),
                ("PORT_5080_TCP", "tcp://10.96.12.7:5080"),
                ("PORT_5080_TCP_PROTO", "tcp"),
                ("PORT_5080_TCP_PORT", "5080"),
                ("PORT_5080_TCP_ADDR", "fd00::7"),
                ("PORT_53_UDP", "udp://10.96.12.7:53"),
            ] {
                variables.push((format!("{service}_{name}"), value.to_owned()));
            }
        }
        let mut sources = Sources::default();
        sources.environment(variables);
        assert_eq!(Config::load(sources).map_err(|mistakes| format!("{mistakes:?}")).map(drop), Ok(()));
        // What looks like one and isn't is a mistake like any other.
        for (name, value) in
            [("BACKREF_LISTEN_SERVICE_HOST", "0.0.0.0:80"), ("BACKREF_ADMIN_PORT", "5081"), ("BACKREF_PORT_80", "x")]
        {
            let mistakes = load("", &[("BACKREF_UPSTREAM", "http://a"), (name, value)], None).unwrap_err();
            assert_eq!(mistakes, [format!("{name}: names no setting")]);
        }
    }

    #[test]
    fn config_example_file_names_every_setting_with_its_default() {
        let example = include_str!("../../deploy/backref.example.toml");
        let settings: String = example
            .lines()
            .filter_map(|line| {
                let line = line.strip_prefix('#').unwrap_or(line);
                (line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')))
                    .then_some(line)
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        let mut sources = Sources::default();
        sources.toml("example", &settings);
        let mut named: Vec<String> = sources.settings.keys().map(|key| without_numbers(key)).collect();
        let mut ask = Sources::default();
        ask.flag("--upstream", "upstream.url", Some("http://127.0.0.1:5000"));
        // What has no default is shown by an example.
        let mut defaults = Config::load(ask).unwrap();
        let given = Config::load(sources).unwrap();
        defaults.public_url.clone_from(&given.public_url);
        defaults.tls.clone_from(&given.tls);
        defaults.upstream.ca_file.clone_from(&given.upstream.ca_file);
        defaults.upstream.certificate.clone_from(&given.upstream.certificate);
        defaults.upstream.key.clone_from(&given.upstream.key);
        defaults.rewrite.config_type.clone_from(&given.rewrite.config_type);
        defaults.gates.clone_from(&given.gates);
        defaults.admin.token_file.clone_from(&given.admin.token_file);
        defaults.notifications.clone_from(&given.notifications);
        assert_eq!(given, defaults);

        let mut ask = Sources::default();
        Config::read(&mut ask);
        let mut known = ask.known;
        named.sort_unstable();
        named.dedup();
        known.sort_unstable();
        assert_eq!(named, known);
    }
}
