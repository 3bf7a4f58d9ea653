//! The registry's own list of a subject's referrers, for an operator.

use std::collections::HashSet;

use crate::{
    error::Error,
    oci::{Digest, ErrorCode, ReferrersList},
    referrers::ManifestKey,
    upstream::{PageWalk, Registry, native_page, native_path},
};

/// How many referrers of one subject are held to be compared.
const MAX_REFERRERS: usize = 100_000;

/// All that the registry's own list of a subject names. `None`: it has no such API.
pub(super) async fn own_list(registry: &Registry, subject: &ManifestKey) -> Result<Option<HashSet<Digest>>, Error> {
    let mut listed = HashSet::new();
    let mut path = native_path(&subject.repository, &subject.digest);
    let mut walk = PageWalk::from(&path);
    loop {
        let Some(page) = native_page(registry, &path).await? else { return Ok(None) };
        let Some(list) = ReferrersList::parse(&page.bytes, &subject.digest) else { return Ok(None) };
        let digests: Vec<Digest> = list.entries.into_iter().map(|entry| entry.digest).collect();
        let endless = walk.go_on(&digests, page.next.as_deref());
        endless.map_err(|endless| Error::bad(ErrorCode::Unsupported, endless.to_string()))?;
        listed.extend(digests);
        let Some(next) = page.next else { return Ok(Some(listed)) };
        if listed.len() > MAX_REFERRERS {
            let message = format!("the registry's own list has more than {MAX_REFERRERS} referrers");
            return Err(Error::bad(ErrorCode::Unsupported, message));
        }
        path = next;
    }
}
