//! A member's regular expression, as the service models write them: Java's dialect, matched against the whole text.

use regex::Regex;
use std::sync::OnceLock;

/// A pattern, compiled at its first use: most of them never see a request.
#[derive(Debug)]
pub struct Pattern {
    source: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// A pattern in the model's own words.
    pub fn new(source: impl Into<String>) -> Self {
        Self { source: source.into(), compiled: OnceLock::new() }
    }

    /// The model's own words, as error messages quote them.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether all of `text` matches. A pattern that does not compile matches nothing; a test shows that every
    /// pattern of the committed facts compiles.
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled().is_some_and(|regex| regex.is_match(text))
    }

    pub(crate) fn compiled(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&translate(&self.source)).ok()).as_ref()
    }
}

/// Java's dialect in this crate's: `\w` and `\d` are ASCII, code points beyond the basic plane take braces (the
/// models write `\u10000`), and a slash may be escaped.
fn translate(java: &str) -> String {
    let mut out = String::from(r"\A(?:");
    let mut chars = java.chars().peekable();
    let mut class = false;
    while let Some(c) = chars.next() {
        match c {
            '[' => class = true,
            ']' => class = false,
            _ => {}
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('w') if class => out.push_str("A-Za-z0-9_"),
            Some('w') => out.push_str("[A-Za-z0-9_]"),
            Some('d') if class => out.push_str("0-9"),
            Some('d') => out.push_str("[0-9]"),
            Some('/') => out.push('/'),
            Some('u') => {
                let mut hex = String::new();
                while let Some(digit) = chars.next_if(|c| c.is_ascii_hexdigit() && hex.len() < wide(&hex)) {
                    hex.push(digit);
                }
                out.push_str(&format!(r"\x{{{hex}}}"));
            }
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out + r")\z"
}

/// How many digits a code point may have that starts with `hex`: the models mean `10000` and `10FFFF` with more than
/// four, and write nothing else that starts so.
fn wide(hex: &str) -> usize {
    match hex {
        _ if hex.starts_with("10FF") => 6,
        _ if hex.starts_with("1000") => 5,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_must_match() {
        let name = Pattern::new(r"^[0-9A-Za-z][A-Za-z0-9\-_]*");
        assert!(name.is_match("my-eks_1"));
        assert!(!name.is_match("my eks"));
        assert!(!name.is_match(""));
        assert!(!name.is_match("a\n"));
    }

    #[test]
    fn words_are_ascii() {
        let role = Pattern::new(r"[\w+=,.@-]+");
        assert!(role.is_match("eks-Role_1@x"));
        assert!(!role.is_match("rôle"));
        assert!(!role.is_match("a/b"));
        assert!(Pattern::new(r"[\w+=,.@:\/-]*").is_match("arn:aws:iam::1:role/x"));
    }

    #[test]
    fn code_points_have_four_digits_or_are_beyond_the_basic_plane() {
        let text = Pattern::new(r"[\u0020-\u007E\uE000-\uFFFD\u10000-\u10FFFF]+");
        assert!(text.is_match("plain 0 F"));
        assert!(text.is_match("😀"));
        assert!(!text.is_match("é"));
        assert!(Pattern::new(r"\u002F[\u0021-\u007F]*").is_match("/path/"));
    }

    #[test]
    fn unicode_categories_are_known() {
        assert!(Pattern::new(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*").is_match("Größe 3"));
        assert!(!Pattern::new(r"[\p{L}]+").is_match("3"));
    }
}
