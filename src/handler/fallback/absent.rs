//! Registries refuse an index with an absent child: one referrer that vanished would block its subject's tag for good.

use http::HeaderMap;

use crate::{
    error::Error,
    handler::exchange::Hop,
    oci::Listed,
    referrers::ManifestKey,
    step::step,
    store::{Basis, Close, Verdict},
};

/// How many referrers are asked about for a 200 beside which a 404 counts.
const WITNESSES: usize = 3;

impl Hop {
    /// The upstream wants every manifest that a list names to be there. Those that are not become missing, or leave what
    /// is kept as it was found; `false` where all are there.
    pub(super) async fn miss(
        &self,
        caller: &HeaderMap,
        subject: &ManifestKey,
        entries: &[Listed],
        undecided: &mut Vec<Listed>,
        said: &[u8],
    ) -> Result<bool, Error> {
        let store = &self.handler.app.store;
        let said = String::from_utf8_lossy(said);
        let named = entries.iter().filter(|entry| said.contains(entry.digest.as_str()));
        let mut asked: Vec<&Listed> = named.collect();
        if asked.is_empty() && said.contains("TAG_INVALID") {
            return Ok(false); // a tag that may not be changed: nothing is said of what it names
        }
        if asked.is_empty() {
            asked = entries.iter().collect();
        }
        let (mut beside, mut gone) = (false, Vec::new());
        for entry in asked {
            let key = subject.sibling(entry.digest.clone());
            let seen = store.look(&key).await?;
            if self.holds(caller, &key).await? {
                beside = true;
            } else {
                gone.push((key, seen));
            }
        }
        // A 404 may mean "not yours to see": it counts beside a 200.
        if gone.is_empty() || !(beside || self.is_somebody_there(caller, subject, entries).await?) {
            return Ok(false);
        }
        for (key, seen) in gone {
            undecided.retain(|entry| entry.digest != key.digest);
            let basis = Basis { version: seen.version, alone: true };
            store.apply(&key, Verdict::Absent, basis, Close::Nothing).await?;
        }
        step("tag-missed");
        Ok(true)
    }

    /// Whether the upstream shows this caller the subject, or one of those that refer to it.
    async fn is_somebody_there(
        &self,
        caller: &HeaderMap,
        subject: &ManifestKey,
        entries: &[Listed],
    ) -> Result<bool, Error> {
        if self.holds(caller, subject).await? {
            return Ok(true);
        }
        for entry in entries.iter().rev().take(WITNESSES) {
            if self.holds(caller, &subject.sibling(entry.digest.clone())).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
