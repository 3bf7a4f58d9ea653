//! A registry's words on a terminal.

use std::fmt::{self, Write};

/// Text as it is, but for control characters and others that would not be seen: those are escaped.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '"' | '\'' | '\\' => f.write_char(char)?,
                _ => write!(f, "{}", char.escape_debug())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_registry_are_printed_without_what_is_not_seen() {
        assert_eq!(Printable("{\"a\":\"b\\n\"} „ä“ 'c'").to_string(), "{\"a\":\"b\\n\"} „ä“ 'c'");
        assert_eq!(Printable("\x1b[31m\u{202e}\n").to_string(), "\\u{1b}[31m\\u{202e}\\n");
    }
}
