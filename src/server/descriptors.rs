//! How many files the process may have open, and how many connections that is enough for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for what is no client's: the store, event loops, logs, the admin listener, unused connections to the
/// upstream.
const RESERVE: u64 = 256;

/// A client's connection, and one to the upstream for it.
const EACH: u64 = 2;

/// The bound on open files; `None`: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors(Option<u64>);

/// Raises the soft limit of open files to the hard one, which no other privilege is needed for. Where that fails, the
/// soft one stays.
pub fn raise_descriptor_limit() -> Descriptors {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => Descriptors(maximum),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            Descriptors(current)
        }
    }
}

impl Descriptors {
    /// How many of `wanted` connections can be open at a time so that the reserve stays free; a quarter of the
    /// descriptors at least. One that waits for its next request takes one descriptor.
    pub fn connections(self, wanted: usize) -> usize {
        let Some(limit) = self.0 else { return wanted };
        let most = limit.saturating_sub(RESERVE).max(limit / 4).max(1);
        usize::try_from(most).map_or(wanted, |most| most.min(wanted))
    }

    /// Why `wanted` connections that are all being answered would be too many.
    pub fn warning(self, wanted: usize) -> Option<String> {
        let limit = self.0?;
        let needed = (wanted as u64).saturating_mul(EACH).saturating_add(RESERVE);
        (needed > limit).then(|| {
            format!(
                "limits.connections is {wanted}, for which up to {needed} files are open; the system allows this process \
                 {limit}: raise that limit (ulimit -n, LimitNOFILE=) or lower limits.connections"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_leaves_file_descriptors_for_more_than_client_connections() {
        for (limit, wanted, connections) in [
            (None, 10_000, 10_000),
            (Some(1_000_000), 10_000, 10_000),
            (Some(20_000), 10_000, 10_000),
            (Some(1024), 10_000, 768),
            (Some(1024), 100, 100),
            (Some(100), 100, 25),
            (Some(1), 100, 1),
        ] {
            assert_eq!(Descriptors(limit).connections(wanted), connections, "{limit:?} {wanted}");
        }
    }

    #[test]
    fn listener_warns_where_connections_could_need_too_many_file_descriptors() {
        let warned = |limit, wanted| Descriptors(limit).warning(wanted).is_some();
        assert!(!warned(None, 10_000) && !warned(Some(20_256), 10_000) && warned(Some(20_255), 10_000));
        let text = Descriptors(Some(1024)).warning(10_000).unwrap();
        assert!(text.contains("limits.connections is 10000") && text.contains("1024"), "{text}");
    }
}
