//! The settings as they are used, each with where it comes from, for an operator to look at.

use super::{
    Config,
    mistake::Mistake,
    sources::{Shown, Sources},
};

/// The file that names every setting with its default; a test holds it against the program.
const EXAMPLE: &str = include_str!("../../deploy/backref.example.toml");

impl Config {
    /// All settings, in the example's order, and the gates behind them. `Err` names every mistake.
    pub fn show(sources: Sources) -> Result<Vec<Shown>, Vec<Mistake>> {
        Self::load_and_show(sources).map(|(_, shown)| shown)
    }

    /// The configuration, and the same to be shown: its files are read once.
    pub fn load_and_show(mut sources: Sources) -> Result<(Self, Vec<Shown>), Vec<Mistake>> {
        let config = Self::read(&mut sources);
        let mut given = std::mem::take(&mut sources.given);
        let mistakes = sources.finish();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        // Without its password.
        if let Some(one) = given.iter_mut().find(|one| one.setting == "store.url") {
            one.value = Some(config.store.url.to_string());
        }
        let of = |setting: String, default: Option<String>| {
            let found = given.iter().find(|one| one.setting == setting).cloned();
            found.unwrap_or_else(|| Shown { setting, value: default, source: "default".to_owned() })
        };
        let mut all: Vec<Shown> = defaults().map(|(setting, default)| of(setting, default)).collect();
        all.extend(given.iter().filter(|one| one.setting.starts_with("gate[")).cloned());
        Ok((config, all))
    }
}

/// Each setting of the example with its default; what has none is shown by an example there.
fn defaults() -> impl Iterator<Item = (String, Option<String>)> {
    const WITHOUT: [&str; 14] = [
        "public_url",
        "admin.token_file",
        "tls.certificate",
        "tls.key",
        "tls.client_ca",
        "tls.subject_header",
        "upstream.url",
        "upstream.name",
        "upstream.ca_file",
        "upstream.certificate",
        "upstream.key",
        "store.password_file",
        "rewrite.config_type",
        "notifications.token_file",
    ];
    let mut section = String::new();
    EXAMPLE.lines().filter_map(move |line| {
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
            return None;
        }
        let (key, value) = line.split_once(" = ").filter(|(key, _)| !key.contains(' '))?;
        if section.starts_with('[') {
            return None;
        }
        let key = format!("{section}{key}");
        let default = (!WITHOUT.contains(&key.as_str())).then(|| value.trim_matches('"').to_owned());
        Some((key, default))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_is_shown_whole_with_its_sources() {
        let mut sources = Sources::default();
        sources.toml("f.toml", "[limits]\nconnections = 7\n[[gate]]\nrepositories = [\"a\"]\nrequire = [\"b\"]\n");
        sources.flag("--upstream", "upstream.url", Some("http://a"));
        let variables = [("BACKREF_REFERRERS_TAG", "off"), ("BACKREF_STORE", "postgres://me:secret@db/refs")];
        sources.environment(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let all = Config::show(sources).unwrap();
        let of = |setting: &str| {
            let one = all.iter().find(|one| one.setting == setting).unwrap_or_else(|| panic!("{setting}: {all:?}"));
            (one.value.as_deref(), one.source.as_str())
        };
        assert_eq!(of("upstream.url"), (Some("http://a"), "--upstream"));
        assert_eq!(of("limits.connections"), (Some("7"), "f.toml:2:15"));
        assert_eq!(of("referrers.tag"), (Some("off"), "BACKREF_REFERRERS_TAG"));
        assert_eq!(of("listen"), (Some("127.0.0.1:5080"), "default"));
        assert_eq!(of("upstream.ca_file"), (None, "default"));
        assert_eq!(of("store.url"), (Some("postgres://me@db/refs"), "BACKREF_STORE"));
        assert_eq!(of("gate[0].require[0]"), (Some("b"), "f.toml:5:12"));
        let mut known = Sources::default();
        Config::read(&mut known);
        let shown = |key: &&str| all.iter().any(|one| one.setting == **key);
        let hidden: Vec<_> = known.known().iter().filter(|key| !shown(key) && !key.starts_with("gate")).collect();
        assert!(hidden.is_empty(), "{hidden:?}");
    }
}
