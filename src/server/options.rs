//! What the workers have in common.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio_util::sync::CancellationToken;

use crate::{config::Limits, repeats::Repeats, tasks::Tasks};

/// What the workers have in common.
#[derive(Clone)]
pub struct Options {
    /// Worker threads; 0: one a core.
    pub workers: usize,
    /// Clients' connections at a time; more wait to be accepted.
    pub connections: usize,
    /// Bounds on heads and on waiting.
    pub limits: Limits,
    /// Counts the open connections.
    pub open: Gauge,
    /// Lines that would come again and again.
    pub repeats: Arc<Repeats>,
    /// Work that outlives its request. The drain waits for it.
    pub tasks: Tasks,
    /// Cancelled when the process is about to stop: from then on each answer ends its connection, so that clients open
    /// their next one elsewhere.
    pub leaving: CancellationToken,
    /// Cancelled when draining begins: the listener closes, and so does each connection after its current answer.
    pub stop: CancellationToken,
}
