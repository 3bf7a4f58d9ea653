//! A page of a list, made in place: rendered descriptors are appended to the answer's body as they are read.

use crate::{oci::Digest, referrers::Cursor};

/// A page that is being made.
pub struct PageWriter {
    body: Vec<u8>,
    max_len: usize,
    limit: usize,
    count: usize,
    full: bool,
    last: Place,
    next: Option<Cursor>,
}

/// Where in a list an entry stands.
#[derive(Default)]
struct Place {
    created: i64,
    arrival: i64,
    digest: String,
}

/// A page: the opening of a body, descriptors with commas between them, and what comes after.
#[derive(Debug)]
pub struct Page {
    /// The body, without its end.
    pub body: Vec<u8>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Cursor>,
    /// There was more, but no room for it in `max_bytes`.
    pub full: bool,
}

impl PageWriter {
    /// As much as several clients read of an answer (containerd's limit), less room for what stands around the list.
    pub const MAX_BYTES: usize = (4 << 20) - 4096;

    /// A page without entries. `limit`: at most that many; `max_bytes`: at most that many bytes, but one descriptor always.
    pub fn new(opening: &str, limit: usize, max_bytes: usize) -> Self {
        let body = opening.as_bytes().to_vec();
        let max_len = body.len() + max_bytes;
        Self { body, max_len, limit, count: 0, full: false, last: Place::default(), next: None }
    }

    /// Appends an entry; `false` when it is the first that has no place here.
    pub fn push(&mut self, created: i64, arrival: i64, digest: &str, descriptor: &str) -> bool {
        if self.count > 0 {
            self.full = self.body.len() + 1 + descriptor.len() > self.max_len;
            if self.full || self.count == self.limit {
                // Invariant: the last digest was one.
                let digest = Digest::parse(&self.last.digest).ok();
                let Place { created, arrival, .. } = self.last;
                self.next = digest.map(|digest| Cursor { created, arrival, digest });
                return false;
            }
            self.body.push(b',');
        }
        self.count += 1;
        self.body.extend_from_slice(descriptor.as_bytes());
        self.last.created = created;
        self.last.arrival = arrival;
        self.last.digest.clear();
        self.last.digest.push_str(digest);
        true
    }

    /// The page.
    pub fn finish(self) -> Page {
        Page { body: self.body, next: self.next, full: self.full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paging_page_takes_what_fits_and_always_its_first_entry() {
        let mut page = PageWriter::new("[", 9, 3);
        assert!(page.push(0, 1, "a:1", "long") && !page.push(0, 2, "a:2", "y"));
        let page = page.finish();
        assert!(page.full && page.next.is_some_and(|next| next.digest.as_str() == "a:1"));
        let mut page = PageWriter::new("[", 9, 3);
        assert!(page.push(0, 1, "a:1", "a") && page.push(0, 2, "a:2", "b") && !page.push(0, 3, "a:3", "c"));
        assert_eq!(page.finish().body, b"[a,b");
        let mut page = PageWriter::new("[", 1, 100);
        assert!(page.push(0, 1, "a:1", "a") && !page.push(0, 2, "a:2", "b"));
        let page = page.finish();
        assert!(!page.full && page.next.is_some_and(|next| next.arrival == 1));
    }
}
