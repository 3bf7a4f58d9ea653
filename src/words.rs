//! Numbers, for people.

/// A number with its thousands apart.
pub(crate) fn number(count: impl TryInto<i64>) -> String {
    let count = count.try_into().unwrap_or(i64::MAX);
    let digits = count.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if count < 0 { format!("-{text}") } else { text }
}

/// How many of something: `1 referrer`, `2 referrers`.
pub(crate) fn many(count: impl TryInto<i64>, one: &str, several: &str) -> String {
    let count = count.try_into().unwrap_or(i64::MAX);
    format!("{} {}", number(count), if count == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!([0, 999, 1000, 1_234_567, -1000].map(number), ["0", "999", "1,000", "1,234,567", "-1,000"]);
        assert_eq!((many(1, "tag", "tags"), many(2000, "tag", "tags")), ("1 tag".to_owned(), "2,000 tags".to_owned()));
        assert_eq!(number(u64::MAX), "9,223,372,036,854,775,807");
    }
}
