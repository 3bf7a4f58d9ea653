//! Shares of something that there is a bounded amount of: memory, places for work. One caller can take a part of it
//! only, and so can all callers at one address. Whoever finds nothing free waits in a queue (`shares/queue.rs`).

mod holder;
mod queue;
mod share;

pub use holder::{Bounds, Holder};
pub use share::{Exhausted, Share, Shares};
