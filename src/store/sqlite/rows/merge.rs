//! Several statements, each of which gives its rows in one order, as one that does.

use std::{collections::BinaryHeap, ops::ControlFlow};

use rusqlite::{Result, Row, Rows, fallible_streaming_iterator::FallibleStreamingIterator};

/// Gives the rows of all `parts` to `each`, the greatest `key` first, until it has enough. No part is read further than
/// needed.
pub(crate) fn merge<K: Ord>(
    mut parts: Vec<Rows<'_>>,
    key: impl Fn(&Row<'_>) -> Result<K>,
    mut each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let mut heads = BinaryHeap::with_capacity(parts.len());
    for (at, part) in parts.iter_mut().enumerate() {
        if let Some(row) = part.next()? {
            heads.push((key(row)?, at));
        }
    }
    while let Some((_, at)) = heads.pop() {
        let part = &mut parts[at];
        if let Some(row) = FallibleStreamingIterator::get(part)
            && each(row)?.is_break()
        {
            break;
        }
        if let Some(row) = part.next()? {
            heads.push((key(row)?, at));
        }
    }
    Ok(())
}
