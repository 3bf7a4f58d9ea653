//! Who takes, and how much may be taken.

/// Who takes: a hash of credentials and address, and one of the address alone, since credentials can be made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// By credentials and address.
    pub caller: [u8; 32],
    /// By address.
    pub address: [u8; 32],
}

/// How much may be taken at a time.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// By all.
    pub all: usize,
    /// By all callers at one address.
    pub for_address: usize,
    /// By one caller.
    pub for_caller: usize,
}
