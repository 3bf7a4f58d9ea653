//! `[[gate]]`: what has to refer to a digest before a tag may point at it.

use wildmatch::WildMatch;

use super::Sources;

/// One gate. Each that covers a tag has to be passed.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    repositories: Vec<WildMatch>,
    tags: Vec<WildMatch>,
    /// The artifact types that have to refer to what the tag is to point at, all of them.
    pub require: Vec<String>,
}

/// How many artifact types one gate may ask for: each is a look into the store.
const MAX_TYPES: usize = 32;

impl Gate {
    pub(super) fn read(s: &mut Sources) -> Vec<Self> {
        let tables = s.tables("gate", &["gate.repositories", "gate.tags", "gate.require"]);
        tables.into_iter().filter_map(|(table, place)| Self::read_one(s, &table, &place)).collect()
    }

    fn read_one(s: &mut Sources, table: &str, place: &str) -> Option<Self> {
        let repositories = s.list(table, "repositories", repositories);
        let tags = s.list(table, "tags", tags);
        let require = s.list(table, "require", artifact_type);
        for (name, is_missing) in [("repositories", repositories.is_none()), ("require", require.is_none())] {
            if is_missing {
                s.mistake(place, format!("{table}: it has no `{name}`, a list of strings"));
            }
        }
        let require = require?;
        if require.len() > MAX_TYPES {
            s.mistake(place, format!("{table}: it can require {MAX_TYPES} artifact types"));
        }
        Some(Self { repositories: repositories?, tags: tags.unwrap_or_else(|| vec![WildMatch::new("*")]), require })
    }

    /// Whether it is for this repository.
    pub fn is_for(&self, repository: &str) -> bool {
        self.repositories.iter().any(|pattern| pattern.matches(repository))
    }

    /// Whether it is for this tag of such a repository.
    pub fn covers(&self, tag: &str) -> bool {
        self.tags.iter().any(|pattern| pattern.matches(tag))
    }
}

/// Refuses what no name could match: the gate would stand open and nobody would notice.
fn repositories(text: &str) -> Result<WildMatch, String> {
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/._-*?".contains(&b);
    if text.is_empty() || !text.bytes().all(ok) || text.starts_with('/') || text.ends_with('/') {
        return Err(format!("{text:?} matches no repository: names are lower case, such as prod/* or team/app"));
    }
    Ok(WildMatch::new(text))
}

/// Upper and lower case are one: there are registries that read tags so.
fn tags(text: &str) -> Result<WildMatch, String> {
    let ok = |b: u8| b.is_ascii_alphanumeric() || b"._-*?".contains(&b);
    if text.is_empty() || !text.bytes().all(ok) || text.starts_with(['.', '-']) {
        return Err(format!("{text:?} matches no tag: write v*, latest or *"));
    }
    Ok(WildMatch::new_case_insensitive(text))
}

fn artifact_type(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("an artifact type can't be empty".to_owned()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn load(gates: &str) -> Result<Vec<Gate>, Vec<String>> {
        let mut sources = Sources::default();
        sources.toml("f.toml", &format!("upstream.url = \"http://a\"\n{gates}"));
        Config::load(sources)
            .map(|config| config.gates)
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn gate_covers_the_repositories_and_tags_that_its_patterns_match() {
        let two = "[[gate]]\nrepositories = [\"prod/*\", \"app\"]\nrequire = [\"a/b\"]\n\
                   [[gate]]\nrepositories = [\"*\"]\ntags = [\"v?.*\", \"latest\"]\nrequire = [\"c\", \"d\"]\n";
        let gates = load(two).unwrap();
        let [first, second] = &gates[..] else { panic!("not two: {gates:?}") };
        for (repository, is_it) in [("prod/a", true), ("prod/a/b", true), ("app", true), ("prod", false), ("ap", false)]
        {
            assert_eq!(first.is_for(repository), is_it, "{repository}");
        }
        assert!(first.covers("anything") && second.is_for("x/y"));
        for (tag, is_it) in [("v1.2", true), ("V1.2", true), ("LATEST", true), ("v10.2", false), ("latest2", false)] {
            assert_eq!(second.covers(tag), is_it, "{tag}");
        }
        assert_eq!(second.require, ["c", "d"]);
        assert_eq!(load("").unwrap(), []);
    }

    #[test]
    fn gate_configuration_mistakes_are_reported_with_their_places() {
        for (gate, expected) in [
            (
                "[[gate]]",
                vec!["f.toml:2:1: gate[0]: it has no `repositories`", "f.toml:2:1: gate[0]: it has no `require`"],
            ),
            (
                "[[gate]]\nrepositories = [\"a\"]\nrequire = []",
                vec!["f.toml:4:11: gate[0].require is an empty list", "f.toml:2:1: gate[0]: it has no `require`"],
            ),
            (
                "[[gate]]\nrepositories = [\"a\", \"Prod/*\"]\nrequire = [\"\"]\ntags = [\"a/b\"]",
                vec![
                    "f.toml:3:22: gate[0].repositories[1]: \"Prod/*\" matches no repository",
                    "f.toml:5:9: gate[0].tags[0]: \"a/b\" matches no tag",
                    "f.toml:4:12: gate[0].require[0]: an artifact type",
                ],
            ),
            (
                "[[gate]]\nrepositories = [\"a\"]\nrequire = [\"a\"]\nrequired = [\"b\"]",
                vec!["f.toml:5:13: gate[0].required[0] is no setting; the nearest is gate.require"],
            ),
            ("[gate]\nrequire = [\"a\"]", vec!["f.toml:3:12: gate.require[0] is not written so"]),
            (
                "[[gate]]\nrepositories = [\"a\"]\nrequire = \"a\"",
                vec![
                    "f.toml:2:1: gate[0]: it has no `require`, a list",
                    "f.toml:4:11: gate[0].require is not written so",
                ],
            ),
            ("workers = [\"1\"]", vec!["f.toml:2:12: workers[0] is not written so; the nearest is workers"]),
            ("workers = []", vec!["f.toml:2:11: workers is an empty list"]),
        ] {
            let mistakes = load(gate).expect_err(gate);
            assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
            for part in expected {
                assert!(mistakes.iter().any(|mistake| mistake.starts_with(part)), "{part}: {mistakes:#?}");
            }
        }
    }
}
