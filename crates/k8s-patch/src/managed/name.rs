//! Names of managers.

use k8s_types::{Errors, FieldError, Path};

/// The longest name that a manager may have, in bytes.
pub const MAX_NAME: usize = 128;

/// What is wrong with the parameter `fieldManager` of a request. An apply needs one.
pub fn check_name(name: &str, apply: bool) -> Errors {
    let path = Path::new("fieldManager");
    let mut errors = Errors::new();
    if apply && name.is_empty() {
        errors.push(FieldError::required(&path, "is required for apply patch"));
    }
    if name.len() > MAX_NAME {
        errors.push(FieldError::too_long(&path, MAX_NAME));
    }
    for (at, c) in name.char_indices().filter(|it| !is_printable(it.1)) {
        let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(c));
        errors.push(FieldError::invalid(&path, name, &detail));
    }
    errors
}

/// The name of a manager that does not name itself: the client's, from its User-Agent.
pub fn name_from_user_agent(user_agent: &str) -> String {
    let name = user_agent.split('/').next().unwrap_or_default();
    let mut short = String::new();
    for c in name.chars().filter(|it| is_printable(*it)) {
        if short.len() + c.len_utf8() > MAX_NAME {
            break;
        }
        short.push(c);
    }
    short
}

/// Whether a character can be seen; of blanks only the plain one counts.
fn is_printable(c: char) -> bool {
    let format = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    !(c.is_control() || (c.is_whitespace() && c != ' ') || format || private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_the_user_agent() {
        assert_eq!(name_from_user_agent("kubectl/v1.30.0 (linux)"), "kubectl");
        assert_eq!(name_from_user_agent("a\nb"), "ab");
        assert_eq!(name_from_user_agent(&"x".repeat(200)).len(), MAX_NAME);
    }

    #[test]
    fn wrong_names_are_told() {
        let text = |name: &str, apply| check_name(name, apply).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(text("mgr 1", true).is_empty() && text("", false).is_empty());
        assert_eq!(text("", true), ["fieldManager: Required value: is required for apply patch"]);
        assert_eq!(text(&"m".repeat(129), false), ["fieldManager: Too long: may not be more than 128 bytes"]);
        assert_eq!(
            text("a\nb", false),
            ["fieldManager: Invalid value: \"a\\nb\": invalid character U+000A (at position 1)"]
        );
    }
}
