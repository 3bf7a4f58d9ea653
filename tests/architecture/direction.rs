//! Which room of `src` may use which.

use crate::graph::{Graph, Use};

/// What a room may use of the others.
pub(crate) struct Direction {
    /// From the top: a room may use the rooms in the layers below its own, and none that shares its layer.
    pub(crate) layers: &'static [&'static [&'static str]],
    /// Every room may use these. They use each other at most.
    pub(crate) leaves: &'static [&'static str],
    /// A room, another that it may use, and the only names of it that it may use.
    pub(crate) names_only: &'static [(&'static str, &'static str, &'static [&'static str])],
}

/// The room that a file stands in: `store/sqlite.rs` in `store`.
pub(crate) fn room(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

impl Direction {
    /// Every arrow against the direction, with the lines that make it.
    pub(crate) fn wrong_arrows(&self, graph: &Graph) -> Vec<String> {
        let mut wrong = Vec::new();
        for (file, arrows) in graph.arrows.iter().filter(|(file, _)| *file != "lib.rs") {
            if let Err(reason) = self.layer(room(file)) {
                wrong.push(format!("{file}: {reason}"));
                continue;
            }
            for (other, uses) in arrows {
                let rooms = (room(file), room(other));
                let narrowed = self.names_only.iter().find(|(user, of, _)| (*user, *of) == rooms);
                let (reason, wrong_uses): (_, Vec<&Use>) = match (self.may_use(rooms.0, rooms.1), narrowed) {
                    (Err(reason), _) => (reason, uses.iter().collect()),
                    (Ok(()), Some((user, of, names))) => {
                        let is_wrong = |used: &&Use| !names.contains(&&used.name[..]);
                        (
                            format!("of {of}, {user} may use {} alone", names.join(", ")),
                            uses.iter().filter(is_wrong).collect(),
                        )
                    }
                    (Ok(()), None) => continue,
                };
                if !wrong_uses.is_empty() {
                    let lines = wrong_uses.iter().map(|used| format!("\n    {file}:{}: {}", used.line, used.text));
                    wrong.push(format!("{file} -> {other}: {reason}{}", lines.collect::<Vec<_>>().concat()));
                }
            }
        }
        wrong
    }

    /// Whether a room may use another, or why not.
    pub(crate) fn may_use(&self, user: &str, other: &str) -> Result<(), String> {
        if user == other {
            return Ok(());
        }
        match (self.layer(user)?, self.layer(other)?) {
            (_, None) => Ok(()),
            (None, Some(_)) => Err(format!("{user} is a leaf: it may use leaves only")),
            (Some(own), Some(below)) if own < below => Ok(()),
            (Some(own), Some(same)) if own == same => {
                Err(format!("{user} and {other} share a layer: neither may use the other"))
            }
            _ => Err(format!("{user} stands below {other}")),
        }
    }

    /// How far down a room stands, from 0; `None` for a leaf.
    fn layer(&self, room: &str) -> Result<Option<usize>, String> {
        if self.leaves.contains(&room) {
            return Ok(None);
        }
        let layer = self.layers.iter().position(|layer| layer.contains(&room));
        layer
            .map(Some)
            .ok_or_else(|| format!("the table in tests/architecture/main.rs does not say where {room} stands"))
    }
}
