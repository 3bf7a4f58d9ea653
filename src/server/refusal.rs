//! Why the server refuses a request, or what should have become one.

use std::time::Duration;

/// Why the server refuses a request, or what should have become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body is framed in two ways, by a length and by chunks (RFC 9112, 6.3): one server reads the one, the next the
    /// other.
    FramedTwice,
    /// The request is chunked and came right behind another request's body, so that its head was not seen whole.
    HeadUnseen,
    /// The request line and the headers take more bytes than this limit, or more than a hundred lines.
    HeadTooLarge(usize),
    /// The head was begun, but was not complete within this time.
    HeadTimeout(Duration),
    /// The client speaks TLS where HTTP is spoken in the clear.
    NotPlain,
    /// The client speaks plain HTTP where TLS is spoken.
    NotTls,
    /// As many requests are under way as clients may have connections.
    NoPlace,
}
