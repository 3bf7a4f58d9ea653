//! What is done again: what others were in the way of, and what an old connection was used for.

use std::time::Duration;

use super::errors::Fault;
use crate::store::StoreError;

/// How often a change is made again that others were in the way of.
const ROUNDS: u32 = 10;

/// Does something, and again where that helps.
macro_rules! retried {
    ($done:expr) => {{
        let mut rounds = $crate::store::postgres::rounds::Rounds::default();
        loop {
            if let Some(done) = rounds.judge($done.await).await {
                break done;
            }
        }
    }};
}
pub(super) use retried;

/// Decides whether what failed is done again: where others were in its way, or the connection was an old one.
#[derive(Default)]
pub(super) struct Rounds {
    made: u32,
    lost: bool,
}

impl Rounds {
    /// What to tell whoever asked; `None`, after a moment: it is to be done again.
    pub(super) async fn judge<T>(&mut self, result: Result<T, Fault>) -> Option<Result<T, StoreError>> {
        match result {
            Err(Fault::Lost(_)) if !self.lost => self.lost = true,
            Err(Fault::Again) if self.made < ROUNDS => {
                // Whoever was in the way needs a moment, and not all may come back in the same.
                let most = 1_000_u64 << self.made;
                self.made += 1;
                tokio::time::sleep(Duration::from_micros(crate::random::u64() % most)).await;
            }
            result => return Some(result.map_err(Fault::into_error)),
        }
        None
    }
}
