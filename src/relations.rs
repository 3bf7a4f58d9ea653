//! Who refers to whom, as the upstream has it: attempts of pushes and deletes, what a manifest or a tag says, settling what
//! was left open. ARCHITECTURE.md, "What is believed", has the rules.

mod attempts;
mod corroborating;
mod digest_tag;
mod learned;
mod reading;
mod relation_tags;
mod settle;
mod tag_attempts;
mod tag_reading;

pub use attempts::{ROUNDS, begin, confirm, end, end_unsuccessful, forward, holds, is_definite};
pub use corroborating::CorroboratingOk;
pub use digest_tag::DigestTagCopy;
pub use learned::{is_known, learn_listing, lists_pushes, lose_api, remember, remember_api};
pub use reading::{Fetched, fetch};
pub use relation_tags::{SetTag, Tagging, belongs_to, set_by, subject_of, taggings};
pub use settle::{RecentlyAsked, learn, look_for_lost, settle};
pub use tag_attempts::{NotedTag, begin_tag_attempt, conclude_noted, confirm_tag, note_tags};
pub use tag_reading::read_tag;
