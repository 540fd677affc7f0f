//! Percent-encoding and query strings, read as Go's standard library reads them, for that is what clients expect.

/// Decodes `%XX`. `None` for an escape that is none; bytes that are not UTF-8 become U+FFFD.
pub fn decode_path(text: &str) -> Option<String> {
    decode(text, false)
}

/// The values of `key`, in their order, decoded. A pair that can't be decoded is left out.
pub fn values<'a>(query: &'a str, key: &'a str) -> impl Iterator<Item = String> + 'a {
    query.split('&').filter_map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name, true)? == key).then(|| decode(value, true)).flatten()
    })
}

/// The first value of `key`.
pub fn value(query: &str, key: &str) -> Option<String> {
    values(query, key).next()
}

/// A boolean as Go's `strconv.ParseBool` reads it; anything else is false.
pub fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(decode_path("/a%3Cb%3e+c").as_deref(), Some("/a<b>+c"));
        assert_eq!(decode_path("/%ff").as_deref(), Some("/\u{fffd}"));
        for bad in ["%", "%4", "%zz", "/a%+1"] {
            assert_eq!(decode_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_are_found_in_order() {
        let query = "a=1&b&a=x+y%26&%61=3&a=%zz";
        assert_eq!(values(query, "a").collect::<Vec<_>>(), ["1", "x y&", "3"]);
        assert_eq!(value(query, "b").as_deref(), Some(""));
        assert_eq!(value(query, "c"), None);
        assert!(is_true("1") && is_true("True") && !is_true("yes") && !is_true(""));
    }
}
