//! Registries refuse an index with an absent child: one referrer that vanished would block its subject's tag for good.

use super::keeper::ReferrersTags;
use crate::{
    error::Error,
    oci::{Digest, Listed},
    referrers::ManifestKey,
    relations::{CorroboratingOk, holds},
    step::step,
    store::{Basis, Close, Verdict},
    upstream::Registry,
};

/// How many referrers are asked about for a 200 beside which a 404 counts.
const WITNESSES: usize = 3;

impl ReferrersTags {
    /// The upstream wants every manifest that a list names to be there. Those that are not become missing, or leave what
    /// is kept as it was found; `false` where all are there.
    pub(super) async fn miss(
        &self,
        registry: &Registry,
        subject: &ManifestKey,
        entries: &[Listed],
        as_found: &mut Vec<Listed>,
        said: &[u8],
    ) -> Result<bool, Error> {
        let said = String::from_utf8_lossy(said);
        let named = entries.iter().filter(|entry| said.contains(entry.digest.as_str()));
        let mut asked: Vec<&Listed> = named.collect();
        if asked.is_empty() && said.contains("TAG_INVALID") {
            return Ok(false); // a tag that may not be changed: nothing is said of what it names
        }
        if asked.is_empty() {
            asked = entries.iter().collect();
        }
        let witnesses = entries.iter().rev().take(WITNESSES).map(|entry| subject.sibling(entry.digest.clone()));
        let mut ok = CorroboratingOk::new(false, witnesses.chain([subject.clone()]).collect());
        let digests: Vec<Digest> = asked.iter().map(|entry| entry.digest.clone()).collect();
        let known = self.store.look_at_all(subject, &digests).await?;
        let mut gone = Vec::new();
        for (digest, seen) in digests.into_iter().zip(known) {
            let key = subject.sibling(digest);
            if holds(registry, &key).await? {
                ok.found();
            } else {
                gone.push((key, seen));
            }
        }
        if gone.is_empty() || !ok.is_there(registry).await? {
            return Ok(false);
        }
        for (key, seen) in gone {
            as_found.retain(|entry| entry.digest != key.digest);
            let basis = Basis { version: seen.version, alone: true };
            self.store.apply(&key, Verdict::Absent, basis, Close::Nothing).await?;
        }
        step("tag-missed");
        Ok(true)
    }
}
