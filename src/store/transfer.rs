//! Rows as they stand, of any table: for copying a store to another.

use async_trait::async_trait;

use super::error::StoreError;

/// Rows of every kind, without a meaning.
#[async_trait]
pub trait Transfer {
    /// Up to `limit` rows of a table, in the order of their keys, from behind `after` on. Nobody's: owners are left out.
    async fn rows(&self, of: Table, after: Option<&RawRow>, limit: usize) -> Result<Vec<RawRow>, StoreError>;

    /// The last row of a table, in that order.
    async fn last_row(&self, of: Table) -> Result<Option<RawRow>, StoreError>;

    /// Puts rows, durably; they take the place of those with the same keys.
    async fn put_rows(&self, of: Table, rows: Vec<RawRow>) -> Result<(), StoreError>;
}

/// The tables that say something about manifests and registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Subjects and their tags.
    Subject,
    /// Who refers to them.
    Referrer,
    /// Pushes and deletes whose outcome is not known.
    Attempt,
    /// Tags that say who refers to whom.
    Tag,
    /// Manifests in two forms.
    Alias,
    /// What upstreams do.
    Capability,
}

/// A row's values, in the order of [`Table::columns`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRow(pub Vec<Cell>);

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// None.
    Null,
    /// A number, or 1 and 0 for yes and no.
    Number(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// Yes or no.
    Flag,
    /// Bytes.
    Bytes,
}

const TEXT: Kind = Kind::Text;
const NUMBER: Kind = Kind::Number;

impl Table {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Subject, Self::Referrer, Self::Attempt, Self::Tag, Self::Alias, Self::Capability];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Referrer => "referrer",
            Self::Attempt => "attempt",
            Self::Tag => "tag",
            Self::Alias => "alias",
            Self::Capability => "capability",
        }
    }

    /// Its columns without those that name a process; the first [`Table::key`] of them tell its rows apart, and begin with
    /// upstream and repository.
    pub fn columns(self) -> &'static [(&'static str, Kind)] {
        match self {
            Self::Subject => &[
                ("upstream", TEXT),
                ("repository", TEXT),
                ("subject", TEXT),
                ("last_arrival", NUMBER),
                ("version", NUMBER),
                ("tag_version", NUMBER),
                ("tag_digest", TEXT),
                ("tag_marked", Kind::Flag),
                ("unsettled_until", NUMBER),
                ("checked_at", NUMBER),
                ("tag_writes", NUMBER),
            ],
            Self::Referrer => &[
                ("upstream", TEXT),
                ("repository", TEXT),
                ("digest", TEXT),
                ("subject", TEXT),
                ("arrival", NUMBER),
                ("state", TEXT),
                ("via", TEXT),
                ("artifact_type", TEXT),
                ("created", NUMBER),
                ("descriptor", TEXT),
                ("original", TEXT),
                ("changed_at", NUMBER),
                ("version", NUMBER),
            ],
            Self::Attempt => &[
                ("upstream", TEXT),
                ("repository", TEXT),
                ("id", NUMBER),
                ("subject", TEXT),
                ("kind", TEXT),
                ("digest", TEXT),
                ("tag", TEXT),
                ("deadline", NUMBER),
            ],
            Self::Tag => &[
                ("upstream", TEXT),
                ("repository", TEXT),
                ("tag", TEXT),
                ("subject", TEXT),
                ("digest", TEXT),
                ("changed_at", NUMBER),
                ("version", NUMBER),
            ],
            Self::Alias => &[
                ("upstream", TEXT),
                ("repository", TEXT),
                ("original", TEXT),
                ("carrier", TEXT),
                ("carrier_size", NUMBER),
                ("media_type", TEXT),
                ("bytes", Kind::Bytes),
            ],
            Self::Capability => &[("upstream", TEXT), ("repository", TEXT), ("what", TEXT), ("until", NUMBER)],
        }
    }

    /// How many columns tell its rows apart.
    pub fn key(self) -> usize {
        match self {
            Self::Subject | Self::Tag | Self::Alias | Self::Capability => 3,
            Self::Referrer | Self::Attempt => 4,
        }
    }

    /// The names of its columns, with commas.
    pub(super) fn names(self) -> String {
        self.listed(self.columns().len(), |name, _| name.to_owned())
    }

    /// As many parameters as it has columns, with commas: `$1, $2`, which both kinds of store read.
    pub(super) fn parameters(self) -> String {
        self.listed(self.columns().len(), |_, at| format!("${at}"))
    }

    /// The names of the columns that tell its rows apart, with commas.
    pub(super) fn key_names(self) -> String {
        self.listed(self.key(), |name, _| name.to_owned())
    }

    /// Its rows in the order of their keys: those behind a key where one is given, which are the first parameters, and as many
    /// as the last parameter says.
    pub(super) fn select(self, behind: bool) -> String {
        let (name, columns, key) = (self.name(), self.names(), self.key_names());
        if behind {
            let parameters = self.listed(self.key(), |_, at| format!("${at}"));
            let limit = self.key() + 1;
            return format!(
                "SELECT {columns} FROM {name} WHERE ({key}) > ({parameters}) ORDER BY {key} LIMIT ${limit}"
            );
        }
        format!("SELECT {columns} FROM {name} ORDER BY {key} LIMIT $1")
    }

    /// The last of them.
    pub(super) fn select_last(self) -> String {
        let order = self.listed(self.key(), |name, _| format!("{name} DESC"));
        format!("SELECT {} FROM {} ORDER BY {order} LIMIT 1", self.names(), self.name())
    }

    /// Something for each of the first `count` columns, by its name and its place from 1 on, with commas.
    fn listed(self, count: usize, one: impl Fn(&str, usize) -> String) -> String {
        let all: Vec<String> = self.columns()[..count].iter().zip(1..).map(|((name, _), at)| one(name, at)).collect();
        all.join(", ")
    }
}
