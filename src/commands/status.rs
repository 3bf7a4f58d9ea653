//! How a command ended.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExitStatus {
    /// 0
    Fine,
    /// 1: something was found, or could not be done.
    Finding,
    /// 2: bad usage or configuration.
    Usage,
}
