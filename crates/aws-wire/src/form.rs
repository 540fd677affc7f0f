//! Percent-encoding, and `application/x-www-form-urlencoded` text both ways.

/// How `+` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plus {
    /// As a space: forms.
    Space,
    /// As itself: canonical query strings.
    Literal,
}

/// Decodes `%XX`, and `+` as asked. A broken escape stays as it is.
pub fn decode(text: &str, plus: Plus) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        match (bytes[i], bytes.get(i + 1).copied().and_then(hex), bytes.get(i + 2).copied().and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4) | low);
                i += 3;
                continue;
            }
            (b'+', ..) if plus == Plus::Space => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        i += 1;
    }
    out
}

/// Appends `bytes` percent-encoded; unreserved characters (RFC 3986) and those in `safe` stay.
pub fn encode_into(out: &mut String, bytes: &[u8], safe: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || safe.contains(&byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(DIGITS[usize::from(byte >> 4)] as char);
            out.push(DIGITS[usize::from(byte & 15)] as char);
        }
    }
}

/// `bytes` percent-encoded, unreserved characters kept.
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 8);
    encode_into(&mut out, bytes, b"");
    out
}

/// The pairs of a query string or form body, decoded. A name without `=` has an empty value; what is not UTF-8 after
/// decoding is refused.
pub fn pairs(text: &str, plus: Plus) -> Option<Vec<(String, String)>> {
    let text_of = |part: &str| String::from_utf8(decode(part, plus)).ok();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((text_of(name)?, text_of(value)?))
        })
        .collect()
}

/// Writes pairs as a form body or query string.
pub fn write<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        encode_into(&mut out, name.as_bytes(), b"");
        out.push('=');
        encode_into(&mut out, value.as_bytes(), b"");
    }
    out
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plus_is_read_as_asked() {
        assert_eq!(decode("a+b%2B", Plus::Space), b"a b+");
        assert_eq!(decode("a+b%2B", Plus::Literal), b"a+b+");
    }

    #[test]
    fn broken_escapes_stay() {
        assert_eq!(decode("%", Plus::Space), b"%");
        assert_eq!(decode("%4", Plus::Space), b"%4");
        assert_eq!(decode("%zz", Plus::Space), b"%zz");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        assert_eq!(pairs("a=%ff", Plus::Space), None);
        assert_eq!(pairs("a&b=c&&", Plus::Space).unwrap(), [("a".into(), String::new()), ("b".into(), "c".into())]);
    }

    proptest! {
        #[test]
        fn pairs_come_back_as_written(list in proptest::collection::vec(("[^\0]{1,8}", ".{0,8}"), 0..8)) {
            let text = write(list.iter().map(|(k, v)| (k.as_str(), v.as_str())));
            prop_assert_eq!(pairs(&text, Plus::Space).unwrap(), list);
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,64}") {
            let _ = pairs(&text, Plus::Space);
        }
    }
}
