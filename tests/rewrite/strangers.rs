//! Originals are served from the record: only to whom the upstream lets read their carrier, and nobody else learns that
//! they are there.

use crate::stand::{OCI, artifact, put};
use crate::support::{Backref, Fake, Visit};

#[test]
fn a_digest_that_can_t_be_verified_names_no_artifact() {
    let fake = Fake::start(|visit: &mut Visit| visit.answer("201 Created", &[], ""));
    let backref = Backref::of(&fake.url()).config("[rewrite]\nmode = \"always\"\n").start();
    let answer = put(&backref.url(), "blake3:00", OCI, &artifact(OCI, "a/b", None, "a"));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.text().contains("DIGEST_INVALID"), "{answer:?}");
    assert!(fake.seen().is_empty());
}
