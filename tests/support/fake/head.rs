//! The heads of requests and answers, byte for byte, and the bodies behind them.

use std::io::BufRead;

/// The first lines of a request or an answer, byte for byte: bytes above ASCII as the characters of that number.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
}

impl Head {
    /// Up to and with the empty line; `None` when the connection ends before that.
    pub(crate) fn read(from: &mut impl BufRead) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            from.read_until(b'\n', &mut line).ok()?;
            line.strip_suffix(b"\r\n")?;
            line.truncate(line.len() - 2);
            if line.is_empty() {
                break;
            }
            lines.push(line.into_iter().map(char::from).collect::<String>());
        }
        let mut lines = lines.into_iter();
        Some(Self { line: lines.next()?, headers: lines.collect() })
    }

    pub(crate) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// Of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.target().parse().unwrap_or_else(|_| panic!("no status line: {self:?}"))
    }

    /// All values of a header, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let pairs = self.headers.iter().filter_map(|line| line.split_once(": "));
        pairs.filter(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The value of a header that stands there once, else nothing.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        if let [value] = values[..] { Some(value) } else { None }
    }

    /// The names of the headers, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.headers.iter().map(|line| line.split_once(':').map_or(line.as_str(), |(name, _)| name)).collect()
    }

    /// The body that follows; `None` when it is cut off.
    pub(crate) fn read_body(&self, from: &mut impl BufRead) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        if self.header("Transfer-Encoding") == Some("chunked") {
            loop {
                let mut size = String::new();
                from.read_line(&mut size).ok()?;
                let size = usize::from_str_radix(size.trim_end(), 16).ok()?;
                let mut chunk = vec![0; size + 2];
                from.read_exact(&mut chunk).ok()?;
                body.extend_from_slice(chunk.strip_suffix(b"\r\n")?);
                if size == 0 {
                    return Some(body);
                }
            }
        }
        let length = self.header("Content-Length").map_or(0, |length| length.parse().expect("a length"));
        body.resize(length, 0);
        from.read_exact(&mut body).ok()?;
        Some(body)
    }
}
