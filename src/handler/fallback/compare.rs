//! What a referrers tag says beside what is on record, for an operator who wants to know.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};
use http::HeaderMap;

use super::read::{AT_A_TIME, Found, Word};
use crate::{
    error::Error,
    handler::exchange::Hop,
    oci::{Digest, Listed},
    referrers::ManifestKey,
    upstream::ReadPermit,
};

/// One way in which what is known of a subject's referrers differs from what the registry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The referrer, where it is about one.
    pub referrer: Option<Digest>,
    /// What is different.
    pub what: What,
}

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum What {
    NotInTag,
    NotOnRecord,
    Untrue,
    Gone,
    Described,
    Order,
    Foreign,
    NotInApi,
    OnlyInApi,
    Unseen,
}

impl What {
    /// For machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotInTag => "not-in-tag",
            Self::NotOnRecord => "not-on-record",
            Self::Untrue => "untrue-in-tag",
            Self::Gone => "gone-from-registry",
            Self::Described => "described-differently",
            Self::Order => "order",
            Self::Foreign => "foreign-tag",
            Self::NotInApi => "not-in-api",
            Self::OnlyInApi => "only-in-api",
            Self::Unseen => "unseen",
        }
    }

    /// For people.
    pub fn message(self) -> &'static str {
        match self {
            Self::NotInTag => "is on record, but not in the referrers tag (`backref repair` writes it)",
            Self::NotOnRecord => "is in the referrers tag, but not on record (`backref backfill` reads it)",
            Self::Untrue => "is in the referrers tag, and does not refer to the subject",
            Self::Gone => "is in the referrers tag, and gone from the registry",
            Self::Described => "has another artifact type in the referrers tag than in the manifest",
            Self::Order => "the referrers tag has another order than what is on record",
            Self::Foreign => "something else stands under the referrers tag: it is never written",
            Self::NotInApi => "is on record, but not in the registry's own list",
            Self::OnlyInApi => "is in the registry's own list, but not on record",
            Self::Unseen => "referrers are on record, and the registry shows neither them nor the subject",
        }
    }

    pub(in crate::handler) fn of(self, referrer: &Digest) -> Difference {
        Difference { referrer: Some(referrer.clone()), what: self }
    }

    pub(in crate::handler) fn at_all(self) -> Difference {
        Difference { referrer: None, what: self }
    }
}

impl Hop {
    /// The list on record, for whoever may read it.
    pub(in crate::handler) async fn recorded_list(
        &self,
        _: &ReadPermit,
        subject: &ManifestKey,
    ) -> Result<Vec<Listed>, Error> {
        Ok(self.content(subject, &[], &[]).await?.1)
    }

    /// How the subject's tag differs from the list on record.
    pub(in crate::handler) async fn compare_tag(
        &self,
        caller: &HeaderMap,
        subject: &ManifestKey,
        recorded: &[Listed],
    ) -> Result<Vec<Difference>, Error> {
        let mut found = match self.find(caller, subject, None).await? {
            Found::List(_, list) => list.entries,
            Found::Nothing | Found::Known(_) => Vec::new(),
            // An ordinary tag, as long as nobody refers to what it looks like.
            Found::Foreign if recorded.is_empty() => return Ok(Vec::new()),
            Found::Foreign => return Ok(vec![What::Foreign.at_all()]),
        };
        let mut seen = HashSet::new();
        found.retain(|entry| seen.insert(entry.digest.clone()));
        let known: HashSet<&Digest> = recorded.iter().map(|entry| &entry.digest).collect();

        let missing = recorded.iter().filter(|entry| !seen.contains(&entry.digest));
        let mut differences: Vec<Difference> = missing.map(|entry| What::NotInTag.of(&entry.digest)).collect();
        let forms = self.forms(subject).await;
        let unknown: Vec<Digest> =
            found.iter().filter(|entry| !known.contains(&entry.digest)).map(|entry| entry.digest.clone()).collect();
        let words = stream::iter(unknown).map(async |digest| {
            let word = self.word(caller, &forms, digest.clone()).await;
            (digest, word)
        });
        for (digest, word) in words.buffered(AT_A_TIME).collect::<Vec<_>>().await {
            differences.push(match word {
                Word::Refers(_) => What::NotOnRecord.of(&digest),
                Word::Other => What::Untrue.of(&digest),
                Word::Gone => What::Gone.of(&digest),
                Word::Withheld | Word::Unclear => return Err(Error::Incomplete),
            });
        }
        let common: Vec<&Listed> = found.iter().filter(|entry| known.contains(&entry.digest)).collect();
        let in_order = recorded.iter().filter(|entry| seen.contains(&entry.digest));
        if !in_order.clone().map(|entry| &entry.digest).eq(common.iter().map(|entry| &entry.digest)) {
            differences.push(What::Order.at_all());
        }
        let types = |entry: &Listed| {
            let fields: Option<serde_json::Value> = serde_json::from_str(&entry.descriptor).ok();
            fields.and_then(|fields| fields.get("artifactType").cloned())
        };
        for entry in in_order {
            let tagged = common.iter().find(|other| other.digest == entry.digest);
            if tagged.is_some_and(|tagged| types(tagged) != types(entry)) {
                differences.push(What::Described.of(&entry.digest));
            }
        }
        // An ordinary index, tagged like a list.
        if recorded.is_empty() && differences.iter().all(|one| one.what == What::Untrue) {
            differences.clear();
        }
        Ok(differences)
    }
}
