//! Who takes shares, and how much may be taken.

/// Who takes: a hash of credentials and address, and a hash of the address. The second bounds those who make
/// credentials up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Of credentials and address.
    pub caller: [u8; 32],
    /// Of the address.
    pub address: [u8; 32],
}

/// How much may be taken at a time, in units of whatever it is.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// By all.
    pub all: usize,
    /// By all callers at one address.
    pub for_address: usize,
    /// By one caller.
    pub for_caller: usize,
}
