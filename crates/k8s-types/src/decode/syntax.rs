//! What is wrong with a text that is no JSON, in the words that API servers have for it.

/// Where a scan stands.
struct Scan<'a> {
    rest: std::iter::Peekable<std::iter::Copied<std::slice::Iter<'a, u8>>>,
}

/// What was found where something else belongs.
enum Wrong {
    End,
    /// A byte, and where it stands.
    Byte(u8, String),
}

type Outcome = Result<(), Wrong>;

/// Says what is wrong; nothing where the text is one JSON value. Does not look into texts' UTF-8.
pub fn syntax_error(text: &[u8]) -> Option<String> {
    let mut scan = Scan { rest: text.iter().copied().peekable() };
    match scan.document() {
        Ok(()) => None,
        Err(Wrong::End) => Some("unexpected end of JSON input".to_owned()),
        Err(Wrong::Byte(byte, place)) => Some(format!("invalid character {} {place}", quote(byte))),
    }
}

/// A byte as a character between quotes.
fn quote(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        0x07 => r"'\a'".to_owned(),
        0x08 => r"'\b'".to_owned(),
        0x0b => r"'\v'".to_owned(),
        0x0c => r"'\f'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        0x00..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        // These have no picture.
        0x80..=0xa0 | 0xad => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

impl Scan<'_> {
    fn space(&mut self) {
        while self.rest.next_if(|it| matches!(it, b' ' | b'\t' | b'\n' | b'\r')).is_some() {}
    }

    fn next(&mut self) -> Result<u8, Wrong> {
        self.rest.next().ok_or(Wrong::End)
    }

    fn refuse<T>(byte: u8, place: &str) -> Result<T, Wrong> {
        Err(Wrong::Byte(byte, place.to_owned()))
    }

    fn document(&mut self) -> Outcome {
        self.value()?;
        self.space();
        self.rest.next().map_or(Ok(()), |byte| Self::refuse(byte, "after top-level value"))
    }

    /// One value. Open lists and objects are kept here, not on the program's stack.
    fn value(&mut self) -> Outcome {
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.space();
            match self.next()? {
                b'[' => {
                    self.space();
                    if self.rest.next_if_eq(&b']').is_none() {
                        open.push(b'[');
                        continue;
                    }
                }
                b'{' => {
                    self.space();
                    if self.rest.next_if_eq(&b'}').is_none() {
                        open.push(b'{');
                        self.key()?;
                        continue;
                    }
                }
                byte => self.scalar(byte)?,
            }
            if self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Goes on after a value: true where nothing is open any more, false where another value follows.
    fn close(&mut self, open: &mut Vec<u8>) -> Result<bool, Wrong> {
        loop {
            let Some(kind) = open.last().copied() else { return Ok(true) };
            self.space();
            match (kind, self.next()?) {
                (b'[', b',') => return Ok(false),
                (b'{', b',') => {
                    self.key()?;
                    return Ok(false);
                }
                (b'[', b']') | (b'{', b'}') => _ = open.pop(),
                (b'[', byte) => return Self::refuse(byte, "after array element"),
                (_, byte) => return Self::refuse(byte, "after object key:value pair"),
            }
        }
    }

    fn key(&mut self) -> Outcome {
        self.space();
        match self.next()? {
            b'"' => self.string()?,
            byte => return Self::refuse(byte, "looking for beginning of object key string"),
        }
        self.space();
        match self.next()? {
            b':' => Ok(()),
            byte => Self::refuse(byte, "after object key"),
        }
    }

    fn scalar(&mut self, first: u8) -> Outcome {
        match first {
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' => match self.next()? {
                byte @ b'0'..=b'9' => self.number(byte),
                byte => Self::refuse(byte, "in numeric literal"),
            },
            b'0'..=b'9' => self.number(first),
            byte => Self::refuse(byte, "looking for beginning of value"),
        }
    }

    fn literal(&mut self, word: &str) -> Outcome {
        for expected in word.bytes().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                return Err(Wrong::Byte(byte, format!("in literal {word} (expecting {})", quote(expected))));
            }
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.rest.next_if(u8::is_ascii_digit).is_some() {}
    }

    fn number(&mut self, first: u8) -> Outcome {
        if first != b'0' {
            self.digits();
        }
        if self.rest.next_if_eq(&b'.').is_some() {
            match self.next()? {
                b'0'..=b'9' => self.digits(),
                byte => return Self::refuse(byte, "after decimal point in numeric literal"),
            }
        }
        if self.rest.next_if(|it| matches!(it, b'e' | b'E')).is_some() {
            self.rest.next_if(|it| matches!(it, b'+' | b'-'));
            match self.next()? {
                b'0'..=b'9' => self.digits(),
                byte => return Self::refuse(byte, "in exponent of numeric literal"),
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Outcome {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.next()?;
                            if !byte.is_ascii_hexdigit() {
                                return Self::refuse(byte, "in \\u hexadecimal character escape");
                            }
                        }
                    }
                    byte => return Self::refuse(byte, "in string escape code"),
                },
                byte @ 0x00..0x20 => return Self::refuse(byte, "in string literal"),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_wrong_is_said_in_the_apis_words() {
        for (text, message) in [
            ("", "unexpected end of JSON input"),
            ("{\"a\":", "unexpected end of JSON input"),
            ("hello", "invalid character 'h' looking for beginning of value"),
            ("\u{feff}{}", "invalid character 'ï' looking for beginning of value"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("{'a':1}", "invalid character '\\'' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\":2}", "invalid character '\"' after object key:value pair"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[01]", "invalid character '1' after array element"),
            ("trUe", "invalid character 'U' in literal true (expecting 'u')"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1e]", "invalid character ']' in exponent of numeric literal"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            (r#""\x""#, "invalid character 'x' in string escape code"),
            (r#""\u00g0""#, "invalid character 'g' in \\u hexadecimal character escape"),
        ] {
            assert_eq!(syntax_error(text.as_bytes()).as_deref(), Some(message), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_reads_as_json_is_not_complained_of(text in "[\\[\\]{}\",:0-9eE.+\\-tfn ]{0,12}") {
            let reads = serde_json::from_str::<&serde_json::value::RawValue>(&text);
            prop_assert_eq!(reads.is_ok(), syntax_error(text.as_bytes()).is_none());
        }
    }
}
