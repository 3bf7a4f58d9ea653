//! The registry's own referrers API (distribution-spec 1.1, "Listing Referrers").

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use ring::digest::{self, SHA256};

use super::{
    paging::{PageWalk, next_page},
    refusal::{ReadError, Refusal},
    registry::Registry,
};
use crate::{
    oci::{Digest, MAX_MANIFEST, MediaType, ReferrersList, Repository, header::media_type},
    referrers::ManifestKey,
};

/// How many referrers of one subject are read.
const MAX_REFERRERS: usize = 100_000;

/// A page of the registry's own list.
pub struct NativePage {
    /// An image index, up to 4 MiB. They keep their reservation.
    pub bytes: Bytes,
    /// Path and query of the page that follows.
    pub next: Option<String>,
    /// The head of the answer.
    pub headers: HeaderMap,
}

/// What the registry's own list of a subject is made of: the same bytes have the same one.
pub type ListHash = [u8; 32];

/// What a registry's own list of a subject's referrers names.
pub struct NativeList {
    /// The digests, in its order.
    pub digests: Vec<Digest>,
    /// Of all its pages.
    pub hash: ListHash,
    /// The head of its first page.
    pub headers: HeaderMap,
}

/// What a registry says to whoever asks for its own list.
pub enum NativeAnswer {
    /// It has no such API: it answers otherwise than the specification says.
    NoApi,
    /// The list that was known, and names somebody; the head of the answer.
    AsKnown(HeaderMap),
    /// Another.
    List(NativeList),
}

/// The registry's own list of a subject, all pages of it. `known`: the hash of one that names somebody, and need not be read
/// again.
pub async fn native_list(
    registry: &Registry,
    subject: &ManifestKey,
    known: Option<ListHash>,
) -> Result<NativeAnswer, ReadError> {
    let mut path = native_path(&subject.repository, &subject.digest);
    let mut walk = PageWalk::from(&path);
    let mut hash = digest::Context::new(&SHA256);
    let mut read: Option<NativeList> = None;
    loop {
        let Some(NativePage { bytes, next, headers }) = native_page(registry, &path).await? else {
            return Ok(NativeAnswer::NoApi);
        };
        hash.update(&bytes);
        let so_far = hash_of(&hash);
        if next.is_none() && known == Some(so_far) {
            return Ok(NativeAnswer::AsKnown(read.map_or(headers, |read| read.headers)));
        }
        let Some(list) = ReferrersList::parse(&bytes, &subject.digest) else { return Ok(NativeAnswer::NoApi) };
        drop(bytes);
        let list = list.entries.into_iter().map(|entry| entry.digest);
        let read = read.get_or_insert_with(|| NativeList { digests: Vec::new(), hash: so_far, headers });
        read.hash = so_far;
        let before = read.digests.len();
        read.digests.extend(list);
        let endless = walk.go_on(&read.digests[before..], next.as_deref());
        endless.map_err(|endless| ReadError::TooLong(endless.to_string()))?;
        let Some(next) = next else { break };
        if read.digests.len() > MAX_REFERRERS {
            let message = format!("the registry's own list has more than {MAX_REFERRERS} referrers");
            return Err(ReadError::TooLong(message));
        }
        path = next;
    }
    read.map(NativeAnswer::List).ok_or(ReadError::Incomplete)
}

fn hash_of(context: &digest::Context) -> ListHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.clone().finish().as_ref());
    hash
}

/// One page of it. `uri`: path and query. `None`: there is no such API; one that answers otherwise than the specification
/// says is none.
pub async fn native_page(registry: &Registry, uri: &str) -> Result<Option<NativePage>, ReadError> {
    let uri = Uri::try_from(uri).map_err(|_| ReadError::Incomplete)?;
    let answer = registry.get(uri).await?;
    if is_no_api(answer.status()) {
        return Ok(None);
    }
    if answer.status() != StatusCode::OK {
        return Err(ReadError::Refused(Refusal::of(answer.status(), answer.headers())));
    }
    if media_type(answer.headers()).is_none_or(|kind| kind.as_str() != MediaType::INDEX) {
        return Ok(None);
    }
    let headers = answer.headers().clone();
    let too_long =
        || ReadError::TooLong(format!("a page of the registry's own list has more than {MAX_MANIFEST} bytes"));
    let bytes = registry.read_whole(answer, too_long).await?;
    Ok(Some(NativePage { bytes, next: next_page(&headers), headers }))
}

/// `/v2/<name>/referrers/<digest>`
pub fn native_path(repository: &Repository, digest: &Digest) -> String {
    format!("/v2/{repository}/referrers/{digest}")
}

/// Whether a status means that there is no referrers API: 404 by the specification, the others seen of registries that know
/// no such path; a redirect leads to a page for people.
fn is_no_api(status: StatusCode) -> bool {
    status.is_redirection()
        || matches!(
            status,
            StatusCode::BAD_REQUEST
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_ACCEPTABLE
                | StatusCode::NOT_IMPLEMENTED
        )
}
