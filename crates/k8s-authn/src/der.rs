//! Reading DER (X.690) as far as certificates and RSA keys need it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// The tag of a constructed element that the context numbers.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Elements, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

/// One element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next element, if there is a whole one.
    pub(crate) fn next(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        // Tag numbers above 30 take more than a byte; nothing that is read here has them.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Element { tag, content })
    }

    /// The content of the next element, which must have `tag`.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|it| it.tag == tag).map(|it| it.content)
    }

    /// The elements within the next one, which must have `tag`.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.take(tag).map(Reader)
    }

    /// The content of the next element if it has `tag`; any other one stays.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.take(tag) } else { None }
    }
}

/// A length in its only form, and what follows it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let count = usize::from(first & 0x7f);
    let (digits, rest) = rest.split_at_checked(count)?;
    if !(1..=4).contains(&count) || digits.first() == Some(&0) {
        return None;
    }
    let length = digits.iter().fold(0usize, |sum, digit| (sum << 8) | usize::from(*digit));
    (length >= 0x80).then_some((length, rest))
}

/// The digits of an integer that is not negative, without leading zeros.
pub(crate) fn unsigned(content: &[u8]) -> Option<&[u8]> {
    match content {
        [first, ..] if first & 0x80 != 0 => None,
        [0, rest @ ..] if !rest.is_empty() => Some(rest),
        [_, ..] => Some(content),
        [] => None,
    }
}

/// The text of a string of any of the types that names are made of.
pub(crate) fn text(element: Element<'_>) -> Option<String> {
    let bytes = element.content;
    let ascii =
        |fits: fn(&u8) -> bool| bytes.iter().all(fits).then(|| String::from_utf8(bytes.to_vec()).ok()).flatten();
    match element.tag {
        // UTF8String, TeletexString
        12 | 20 => String::from_utf8(bytes.to_vec()).ok(),
        // NumericString
        18 => ascii(|byte| byte.is_ascii_digit() || *byte == b' '),
        // PrintableString; `*`, `&` and `@` are not of its alphabet but in use
        19 => ascii(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&@".contains(byte)),
        // IA5String
        22 => ascii(u8::is_ascii),
        // BMPString
        30 => {
            let (units, rest) = bytes.as_chunks::<2>();
            let units = units.iter().map(|unit| u16::from_be_bytes(*unit));
            let text = char::decode_utf16(units).collect::<Result<String, _>>().ok();
            text.filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// A UTCTime or a GeneralizedTime, in the one form that certificates have (RFC 5280, 4.1.2.5).
pub(crate) fn time(element: Element<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (element.tag, text.len()) {
        (23, 12) => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (24, 14) => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let time = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    // 9999-12-31 means "never", and is past what a timestamp can be.
    Some(Offset::UTC.to_timestamp(time).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_form() {
        assert_eq!(Reader::new(&[4, 2, 1, 2, 9]).take(OCTET_STRING), Some(&[1u8, 2][..]));
        let mut long = vec![4, 0x81, 0x80];
        long.extend([0; 0x80]);
        assert_eq!(Reader::new(&long).take(OCTET_STRING).map(<[u8]>::len), Some(0x80));
        for bad in [&[4u8, 0x81, 1, 0][..], &[4, 0x80], &[4, 0x82, 0, 0x80], &[4, 3, 1], &[4], &[0x1f, 1, 0], &[]] {
            assert!(Reader::new(bad).next().is_none(), "{bad:?}");
        }
    }

    #[test]
    fn times_are_of_their_century() {
        let at = |tag, text: &'static str| time(Element { tag, content: text.as_bytes() }).map(|it| it.to_string());
        assert_eq!(at(23, "491231235959Z").as_deref(), Some("2049-12-31T23:59:59Z"));
        assert_eq!(at(23, "500101000000Z").as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(at(24, "99991231235959Z"), Some(Timestamp::MAX.to_string()), "never");
        assert_eq!(at(24, "20500101000000Z").as_deref(), Some("2050-01-01T00:00:00Z"));
        for bad in ["20500101000000", "2050010100000Z", "20501301000000Z", "2050010100+000Z"] {
            assert_eq!(at(24, bad), None, "{bad}");
        }
    }

    #[test]
    fn strings_are_of_their_alphabet() {
        let read = |tag, content: &[u8]| text(Element { tag, content });
        assert_eq!(read(12, "é".as_bytes()).as_deref(), Some("é"));
        assert_eq!(read(30, &[0, b'a', 0, 0xe9]).as_deref(), Some("aé"));
        assert_eq!(read(19, b"system:node:a").as_deref(), Some("system:node:a"));
        assert_eq!(read(19, b"a_b"), None);
        assert_eq!(read(30, &[0]), None);
        assert_eq!(read(12, &[0xff]), None);
        assert_eq!(read(INTEGER, b"1"), None);
    }
}
