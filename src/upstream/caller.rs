//! Who asks.

use std::sync::OnceLock;

use http::{HeaderMap, HeaderValue};

use super::headers::{Side, on_behalf};
use crate::shares::Holder;

/// Who asks: the headers by which the upstream knows the caller, and how the two ends of the caller's connection see each
/// other.
pub struct Caller {
    headers: HeaderMap,
    side: Side,
    /// Computed when it is first asked for.
    holder: OnceLock<Holder>,
}

impl Caller {
    /// A client. `headers`: of its request, as the upstream is to see them; only those that say who asks are kept.
    pub fn client(headers: &HeaderMap, side: Side) -> Self {
        Self::new(headers, side)
    }

    /// The operator of a command: what is answered ends here. `host`: the upstream's own.
    pub fn operator(headers: &HeaderMap, host: HeaderValue) -> Self {
        let (scheme, peer) = (HeaderValue::from_static("http"), HeaderValue::from_static("127.0.0.1"));
        let side = Side { scheme, host, peer, subject: None };
        Self::new(headers, side)
    }

    fn new(headers: &HeaderMap, side: Side) -> Self {
        Self { headers: on_behalf(headers), side, holder: OnceLock::new() }
    }

    /// Whose share is taken: `of` the headers and the address, once for all requests in this caller's name.
    pub(super) fn holder(&self, of: impl FnOnce(&HeaderMap, &HeaderValue) -> Holder) -> Holder {
        *self.holder.get_or_init(|| of(&self.headers, &self.side.peer))
    }

    /// The headers of a request in this caller's name, without what belongs to one request only.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// How the caller sees backref.
    pub fn side(&self) -> &Side {
        &self.side
    }
}
