//! The organizations in the subject of a certificate request: as much of PEM, base64 and DER as leads there.

/// The attribute's type, 2.5.4.10, as DER has it.
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const INTEGER: u8 = 0x02;

/// The organizations that a request (base64 of PEM) names; `None` where it is no request.
pub(super) fn organizations(request: &str) -> Option<Vec<String>> {
    let pem = String::from_utf8(base64(request)?).ok()?;
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE REQUEST-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE REQUEST-----")?;
    let der = base64(body)?;
    let mut info = Reader(Reader(Reader(&der).take(SEQUENCE)?).take(SEQUENCE)?);
    info.take(INTEGER)?;
    let mut subject = Reader(info.take(SEQUENCE)?);
    let mut found = Vec::new();
    while !subject.0.is_empty() {
        let mut names = Reader(subject.take(SET)?);
        while !names.0.is_empty() {
            let mut attribute = Reader(names.take(SEQUENCE)?);
            let kind = attribute.take(OBJECT_ID)?;
            let (_, value) = attribute.any()?;
            if kind == ORGANIZATION {
                found.push(String::from_utf8_lossy(value).into_owned());
            }
        }
    }
    Some(found)
}

/// Bytes of DER that are still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next value, which is of one type.
    fn take(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.any().filter(|(tag, _)| *tag == wanted).map(|(_, value)| value)
    }

    /// The next value with its tag.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            let bytes = usize::from(first & 0x7f);
            if bytes == 0 || bytes > 4 {
                return None;
            }
            let (digits, after) = rest.split_at_checked(bytes)?;
            length = digits.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            rest = after;
        }
        let (value, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, value))
    }
}

/// Decodes base64, with breaks between lines.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in text.bytes().filter(|it| !it.is_ascii_whitespace() && *it != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap_or_default());
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1));
        let digit = |at: usize| (0..6).fold(0, |sum, offset| sum << 1 | bit(at + offset));
        (0..bytes.len() * 8).step_by(6).map(|at| char::from(DIGITS[digit(at)])).collect()
    }

    /// A request in PEM with this content.
    fn pem(der: &[u8]) -> String {
        let body = encode(der);
        encode(format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n").as_bytes())
    }

    proptest! {
        #[test]
        fn base64_undoes_itself(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(base64(&encode(&bytes)), Some(bytes));
        }

        /// Whatever somebody sends is read to its end and no further.
        #[test]
        fn any_bytes_can_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0usize..400, byte: u8) {
            let _ = organizations(&pem(&bytes));
            let text = String::from_utf8(base64(REQUEST).unwrap()).unwrap();
            let mut der = base64(text.split("-----").nth(2).unwrap()).unwrap();
            prop_assert_eq!(organizations(&pem(&der)).map(|it| it.len()), Some(2));
            let at = at % der.len();
            der[at] = byte;
            let _ = organizations(&pem(&der));
        }
    }

    /// A request of CN=me, O=system:masters, O=dev.
    const REQUEST: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIdk1JR1dBZ0VBTURReEZ6QVZCZ05WQkFvTURuTjVjM1JsYlRw\
        dFlYTjBaWEp6TVF3d0NnWURWUVFLREFOawpaWFl4Q3pBSkJnTlZCQU1NQW0xbE1Ga3dFd1lIS29aSXpqMENBUVlJS29aSXpqMERB\
        UWNEUWdBRUgxS1loZFJxCkxod0dSbWhabXJON2hIYW9PQUdiTE9DOWtEM3pmd0hzZm8vNjZkUEwrdHpFWTFmdDFtVG9RSk5EaE1X\
        REdISDgKUFhESmw3MGZXU1NBemFBQU1Bb0dDQ3FHU000OUJBTUNBMGdBTUVVQ0lGSVpOaEM5UThUOHhHTUNaUGQ3K3o2MQpVWFho\
        ak1SUnp1eENWd0VMU0traUFpRUEvSy9zQndKcmJuSlBzZkJLaFYxTUVIREJNemZScSt1bzVJMEEzNDZ1ClFHND0KLS0tLS1FTkQg\
        Q0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==";

    #[test]
    fn organizations_are_found() {
        assert_eq!(organizations(REQUEST), Some(vec!["system:masters".to_owned(), "dev".to_owned()]));
        let half = &REQUEST[..REQUEST.len() / 2];
        assert_eq!(organizations(half), None);
    }

    #[test]
    fn base64_is_read_as_it_is_written() {
        assert_eq!(base64("aGVs\nbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64("a!"), None);
    }

    #[test]
    fn what_is_no_request_has_no_subject() {
        for text in [
            "",
            "aGVsbG8=",
            "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlJQgotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0=",
        ] {
            assert_eq!(organizations(text), None);
        }
    }
}
