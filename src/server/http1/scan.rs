//! One request head, read byte by byte as it comes: each byte is looked at once, however the head is cut into pieces.

use http::Method;

/// What is known of a head so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadScan {
    length: usize,
    lines: usize,
    names_a_length: bool,
    method: [u8; LONGEST_METHOD],
    method_length: usize,
    place: Place,
}

/// Where in a head the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the request line: empty lines may come first.
    Before,
    Method,
    LineStart,
    /// After a CR at the start of a line.
    EmptyLine,
    /// In a header's name, of which so many bytes are those of [`LENGTH`].
    Name(usize),
    /// In the rest of a line.
    Rest,
    /// After the empty line that ends the head.
    Behind,
}

const LENGTH: &[u8] = b"content-length";

#[cfg(test)]
thread_local! {
    /// How many bytes this thread has looked at.
    pub(super) static LOOKED_AT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Longer ones are not told from each other.
const LONGEST_METHOD: usize = 24;

impl Default for HeadScan {
    fn default() -> Self {
        let method = [0; LONGEST_METHOD];
        Self { length: 0, lines: 0, names_a_length: false, method, method_length: 0, place: Place::Before }
    }
}

impl HeadScan {
    /// Reads on, up to the end of the head. Returns how many bytes of `piece` belong to it.
    pub(super) fn read(&mut self, piece: &[u8]) -> usize {
        let mut at = 0;
        while at < piece.len() && self.place != Place::Behind {
            let rest = &piece[at..];
            // Most of a head is looked through for nothing but the end of the line.
            let skipped = match self.place {
                Place::Rest => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
                _ => 0,
            };
            at += skipped;
            if let Some(byte) = rest.get(skipped) {
                self.step(*byte);
                at += 1;
            }
        }
        self.length += at;
        #[cfg(test)]
        LOOKED_AT.with(|bytes| bytes.set(bytes.get() + at));
        at
    }

    fn step(&mut self, byte: u8) {
        if byte == b'\n' {
            self.lines += 1;
        }
        self.place = match (self.place, byte) {
            (Place::Before, b'\r' | b'\n') => Place::Before,
            (Place::LineStart | Place::EmptyLine, b'\n') => Place::Behind,
            (Place::LineStart, b'\r') => Place::EmptyLine,
            (_, b'\n') => Place::LineStart,
            (Place::Method, b' ') => Place::Rest,
            (Place::Before | Place::Method, byte) => {
                if let Some(free) = self.method.get_mut(self.method_length) {
                    *free = byte;
                }
                self.method_length += 1;
                Place::Method
            }
            (Place::LineStart, byte) => Self::name(0, byte),
            (Place::Name(known), b':') if known == LENGTH.len() => {
                self.names_a_length = true;
                Place::Rest
            }
            (Place::Name(known), byte) => Self::name(known, byte),
            _ => Place::Rest,
        };
    }

    fn name(known: usize, byte: u8) -> Place {
        let expected = LENGTH.get(known).is_some_and(|expected| byte.eq_ignore_ascii_case(expected));
        if expected { Place::Name(known + 1) } else { Place::Rest }
    }

    /// Nothing of a head came.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The head came to its end.
    pub(super) fn is_complete(&self) -> bool {
        self.place == Place::Behind
    }

    /// The bytes so far, with empty lines before the request line.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The lines so far: the request line, the headers, and empty ones.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// A header is called Content-Length.
    pub(super) fn names_a_length(&self) -> bool {
        self.names_a_length
    }

    /// The request line begins with this method and a space.
    pub(super) fn has_method(&self, method: &Method) -> bool {
        let read = self.method.get(..self.method_length);
        self.place != Place::Method && read.is_some_and(|read| read == method.as_str().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> HeadScan {
        let mut scan = HeadScan::default();
        scan.read(text.as_bytes());
        scan
    }

    #[test]
    fn listener_head_ends_after_its_empty_line_however_it_is_cut() {
        for (head, length) in [
            ("GET / HTTP/1.1\r\n\r\n", 18),
            ("GET / HTTP/1.1\n\n", 16),
            ("GET / HTTP/1.1\r\nA: b\r\n\r\n", 24),
            ("GET / HTTP/1.1\nA: b\n\r\n", 22),
            ("\r\n\n\r\nGET / HTTP/1.1\r\n\r\n", 23),
        ] {
            let text = format!("{head}next\r\n\r\n");
            for cut in 0..=length {
                let mut scan = HeadScan::default();
                let first = scan.read(&text.as_bytes()[..cut]);
                assert_eq!((first, scan.is_complete()), (cut, cut == length), "{head:?} {cut}");
                let second = scan.read(&text.as_bytes()[cut..]);
                assert_eq!((first + second, scan.length()), (length, length), "{head:?} {cut}");
                assert!(scan.is_complete() && scan.has_method(&Method::GET), "{head:?} {cut}");
            }
        }
        for open in ["", "\r\n\r\n", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA:\r\n\rx\r\n"] {
            assert!(!whole(open).is_complete(), "{open:?}");
        }
    }

    #[test]
    fn listener_head_has_a_length_in_any_letter_case_but_only_as_a_header_name() {
        for (line, names) in [
            ("Content-Length: 1", true),
            ("CONTENT-length:1", true),
            ("Content-Length", false),
            ("Content-Lengths: 1", false),
            ("Content-Length : 1", false),
            ("X-Content-Length: 1", false),
            ("X: Content-Length: 1", false),
            (" Content-Length: 1", false),
        ] {
            let head = format!("GET / HTTP/1.1\r\nA: b\r\n{line}\r\n\r\n");
            assert_eq!(whole(&head).names_a_length(), names, "{line}");
            let mut scan = HeadScan::default();
            assert_eq!(head.bytes().map(|byte| scan.read(&[byte])).sum::<usize>(), head.len());
            assert_eq!(scan.names_a_length(), names, "{line}");
        }
    }

    #[test]
    fn listener_head_begins_with_its_method() {
        let is = |text: &str, method: &str| whole(text).has_method(&Method::from_bytes(method.as_bytes()).unwrap());
        assert!(is("POST / HTTP/1.1\r\n", "POST"));
        for (text, method) in
            [("POST", "POST"), ("POSTS / ", "POST"), ("POS /", "POST"), ("X: POST /", "POST"), ("", "A")]
        {
            assert!(!is(text, method), "{text}");
        }
        let (long, longer) = ("M".repeat(LONGEST_METHOD), "M".repeat(LONGEST_METHOD + 1));
        assert!(is(&format!("{long} /"), &long));
        assert!(!is(&format!("{longer} /"), &longer));
    }
}
