//! Log lines that would come again and again: each once in a while, with how many were left out.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Which lines there were. They are few: each has a name in the code.
#[derive(Default)]
pub struct Repeats(Mutex<BTreeMap<&'static str, Repeat>>);

struct Repeat {
    last: Instant,
    left_out: u64,
}

/// The least between two lines of one name.
const EVERY: Duration = Duration::from_secs(10);

impl Repeats {
    /// Whether a line is to be written now, and how many of its name were not since the last one.
    pub fn due(&self, name: &'static str) -> Option<u64> {
        // Nothing that holds it can panic half-way.
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(line) = lines.get_mut(name) else {
            lines.insert(name, Repeat { last: Instant::now(), left_out: 0 });
            return Some(0);
        };
        if line.last.elapsed() < EVERY {
            line.left_out += 1;
            return None;
        }
        line.last = Instant::now();
        Some(std::mem::take(&mut line.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_said_once_and_counted() {
        let repeats = Repeats::default();
        assert_eq!(
            [repeats.due("a"), repeats.due("a"), repeats.due("b"), repeats.due("a")],
            [Some(0), None, Some(0), None]
        );
        repeats.0.lock().unwrap().get_mut("a").unwrap().last -= EVERY;
        assert_eq!([repeats.due("a"), repeats.due("a")], [Some(2), None]);
    }
}
