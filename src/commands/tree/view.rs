//! What of a tree is shown.

use super::graph::{Graph, Node};
use crate::cli;

/// Which referrers are shown.
pub(super) struct View<'a> {
    graph: &'a Graph,
    /// Of these types; of any where there are none.
    types: &'a [String],
    pick: Pick,
}

/// How many of each manifest's referrers.
#[derive(Clone, Copy)]
enum Pick {
    All,
    First(usize),
    Last(usize),
}

impl<'a> View<'a> {
    /// As the command line asks for it.
    pub(super) fn new(graph: &'a Graph, args: &'a cli::Tree) -> Self {
        let pick = match (args.first, args.last) {
            (Some(most), _) => Pick::First(most),
            (None, Some(most)) => Pick::Last(most),
            (None, None) => Pick::All,
        };
        Self { graph, types: &args.artifact_type, pick }
    }

    /// The image itself; `None`: nothing was found.
    pub(super) fn root(&self) -> Option<&'a Node> {
        self.graph.nodes.first()
    }

    /// Those that refer to a node and are shown: in the registry's order, or from the oldest to the newest, before them those
    /// without a time.
    pub(super) fn referrers(&self, node: &Node) -> Vec<&'a Node> {
        let all = node.referrers.iter().map(|&place| &self.graph.nodes[place]);
        let mut shown: Vec<&Node> = all.filter(|one| self.is_shown(one)).collect();
        match self.pick {
            Pick::All => {}
            Pick::First(most) => {
                shown.sort_by_key(|one| one.created);
                shown.truncate(most);
            }
            Pick::Last(most) => {
                shown.sort_by_key(|one| one.created);
                shown.drain(..shown.len().saturating_sub(most));
            }
        }
        shown
    }

    /// It is of one of the types, or something is that refers to it.
    fn is_shown(&self, node: &Node) -> bool {
        let is_of = |wanted: &String| node.artifact_type.as_ref() == Some(wanted);
        self.types.is_empty()
            || self.types.iter().any(is_of)
            || node.referrers.iter().any(|&place| self.is_shown(&self.graph.nodes[place]))
    }

    /// How many characters of a digest tell it from all others in the tree; at least 12 of its encoded part.
    pub(super) fn short(&self) -> usize {
        const LEAST: usize = "sha256:".len() + 12;
        let mut digests: Vec<&str> = self.graph.nodes.iter().map(|node| node.digest.as_str()).collect();
        digests.sort_unstable();
        digests.dedup();
        let same = |pair: &[&str]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(one, other)| one == other).count();
        digests.windows(2).map(same).max().map_or(LEAST, |same| LEAST.max(same + 1))
    }
}
