//! The protocol by which no referrer is lost, as a model: ARCHITECTURE.md's "What is believed" and "The referrers tag",
//! checked in every order in which requests, answers, crashes and commits can come. `protocol.rs` and `everybody.rs`
//! check that it holds, `without/` that each rule is needed. `--nocapture` shows the number of states, and how things
//! go wrong.
//!
//! - `upstream.rs`, `rights.rs` and `store.rs`: what there is. `process.rs`: who takes part, and how far each has come.
//! - `world.rs`: what can happen next. `steps.rs`, `changes.rs`, `tag.rs`, `writing.rs` and `adopting.rs`: what a process
//!   does then.
//! - `rules.rs`: the rules. `properties.rs` and `strangers.rs`: what must hold. `checks.rs`: how it is looked at.
//!
//! There is one subject, and two referrers. Time isn't counted: a deadline has passed, and so has `unsettled_until`, when
//! no request from before it can land any more. To be acknowledged is to be committed: the earliest moment at which
//! a client could be told.

mod adopting;
mod changes;
mod checks;
mod everybody;
mod process;
mod properties;
mod protocol;
mod rights;
mod rules;
mod steps;
mod store;
mod strangers;
mod tag;
mod upstream;
mod without;
mod world;
mod writing;
