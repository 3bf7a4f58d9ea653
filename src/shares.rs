//! Shares of something that there is a bounded amount of: memory, places. No caller has all of it, nor do all callers at
//! one address; who waits is served in turn (`shares/queue.rs`).

mod holder;
mod queue;
mod share;

pub use holder::{Bounds, Holder};
pub use share::{Exhausted, Share, Shares};
