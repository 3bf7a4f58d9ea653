//! A `Host`, by its grammar.

/// Whether that is a `Host` (RFC 9110, 7.2): a name or an address (RFC 3986, 3.2.2), which may be empty, and perhaps a
/// port.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (name, port) = match value.iter().rposition(|byte| *byte == b':') {
        Some(at) if !value[at..].contains(&b']') => (&value[..at], &value[at + 1..]),
        _ => (value, &[][..]),
    };
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
    let of_literal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(byte);
    let is_name = match name.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
        Some(literal) => !literal.is_empty() && literal.iter().all(of_literal),
        None => name.iter().all(of_name),
    };
    is_name && port.iter().all(u8::is_ascii_digit)
}
