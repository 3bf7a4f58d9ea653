//! How long rows are kept that say what isn't there any more, in microseconds.

/// A deleted row, so that nothing slow brings it back: longer than `upstream.answer_timeout` can make any request.
pub(super) const DELETED: i64 = 4 * 3600 * 1_000_000;

/// A row that is missing, before a second 404 drops it.
pub(super) const MISSING: i64 = 24 * 3600 * 1_000_000;
