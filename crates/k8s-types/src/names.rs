//! The forms that names, keys and numbers must have, and what the API says where they haven't.
//!
//! A rule takes the text and answers the sentences about it, in the order in which API servers give them; none means
//! that it is fine, and costs no allocation. Lengths are bytes.

use crate::field::{Errors, FieldError, Path};
use serde_json::{Map, Value};

/// A DNS label's greatest length.
pub const LABEL_MAX: usize = 63;
/// A DNS name's greatest length.
pub const SUBDOMAIN_MAX: usize = 253;
/// The greatest length of all annotations' keys and values together.
pub const ANNOTATIONS_MAX: usize = 256 * 1024;

/// A rule for object names. Its second argument tells that more will be appended (`metadata.generateName`), so that a
/// trailing dash is fine.
pub type NameRule = fn(&str, bool) -> Vec<String>;

const LABEL_FORM: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL_TEXT: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                          start and end with an alphanumeric character";
const SUBDOMAIN_FORM: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const SUBDOMAIN_TEXT: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
                              '.', and must start and end with an alphanumeric character";
const UNDERSCORE_FORM: &str = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*";
const UNDERSCORE_TEXT: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', \
                               '-' or '.', and must start and end with an alphanumeric character";
const WILDCARD_FORM: &str = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const WILDCARD_TEXT: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, \
                             which must consist of lower case alphanumeric characters, '-' or '.' and end with an \
                             alphanumeric character";
const LABEL_1035_FORM: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const LABEL_1035_TEXT: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                               alphabetic character, and end with an alphanumeric character";
const QUALIFIED_FORM: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const QUALIFIED_TEXT: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                              alphanumeric character";
const VALUE_FORM: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const VALUE_TEXT: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
                          and must start and end with an alphanumeric character";
const PATH_FORM: &str = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+";

/// The sentence about text that has not the form that a regular expression tells.
pub fn form_error(text: &str, form: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{text} (regex used for validation is '{form}')");
    }
    let examples: Vec<String> = examples.iter().map(|it| format!("'{it}', ")).collect();
    format!("{text} (e.g. {}regex used for validation is '{form}')", examples.join(" or "))
}

/// The sentence about text that is too long.
pub fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

/// The sentence about a number that is out of range.
pub fn range_error(least: i64, most: i64) -> String {
    format!("must be between {least} and {most}, inclusive")
}

/// A DNS label as RFC 1123 has it, in lower case.
pub fn dns1123_label(it: &str) -> Vec<String> {
    let mut errors = longer_than(it, LABEL_MAX);
    if !is_label(it) {
        errors.push(if is_subdomain(it) {
            "must not contain dots".to_owned()
        } else {
            form_error(LABEL_TEXT, LABEL_FORM, &["my-name", "123-abc"])
        });
    }
    errors
}

/// A DNS name as RFC 1123 has it, in lower case.
pub fn dns1123_subdomain(it: &str) -> Vec<String> {
    let mut errors = longer_than(it, SUBDOMAIN_MAX);
    if !is_subdomain(it) {
        errors.push(form_error(SUBDOMAIN_TEXT, SUBDOMAIN_FORM, &["example.com"]));
    }
    errors
}

/// A DNS name whose labels may have underscores, as service records do.
pub fn dns1123_subdomain_with_underscore(it: &str) -> Vec<String> {
    let mut errors = longer_than(it, SUBDOMAIN_MAX);
    let label = |it: &str| {
        let it = it.strip_prefix('_').unwrap_or(it);
        framed(it, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| c == b'-' || c == b'_')
    };
    if !it.split('.').all(label) {
        errors.push(form_error(UNDERSCORE_TEXT, UNDERSCORE_FORM, &["example.com"]));
    }
    errors
}

/// A DNS name whose first label is `*`.
pub fn wildcard_dns1123_subdomain(it: &str) -> Vec<String> {
    let mut errors = longer_than(it, SUBDOMAIN_MAX);
    if !it.strip_prefix("*.").is_some_and(is_subdomain) {
        errors.push(form_error(WILDCARD_TEXT, WILDCARD_FORM, &["*.example.com"]));
    }
    errors
}

/// A DNS label as RFC 1035 has it: it starts with a letter.
pub fn dns1035_label(it: &str) -> Vec<String> {
    let mut errors = longer_than(it, LABEL_MAX);
    if !(is_label(it) && it.starts_with(|c: char| c.is_ascii_lowercase())) {
        errors.push(form_error(LABEL_1035_TEXT, LABEL_1035_FORM, &["my-name", "abc-123"]));
    }
    errors
}

/// A label's key: a name, with a DNS name and a slash before it or not.
pub fn qualified_name(it: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let examples = ["MyName", "my.name", "123-abc"];
    let mut parts = it.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, None) => name,
        (Some(""), Some(name), None) => {
            errors.push("prefix part must be non-empty".to_owned());
            name
        }
        (Some(prefix), Some(name), None) => {
            errors.extend(dns1123_subdomain(prefix).iter().map(|text| format!("prefix part {text}")));
            name
        }
        _ => {
            let text = form_error(&format!("a qualified name {QUALIFIED_TEXT}"), QUALIFIED_FORM, &examples);
            return vec![format!("{text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        errors.push(format!("name part must be no more than {LABEL_MAX} bytes"));
    }
    if !is_key(name) {
        errors.push(form_error(&format!("name part {QUALIFIED_TEXT}"), QUALIFIED_FORM, &examples));
    }
    errors
}

/// A label's value.
pub fn label_value(it: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if it.len() > LABEL_MAX {
        errors.push(format!("must be no more than {LABEL_MAX} bytes"));
    }
    if !it.is_empty() && !is_key(it) {
        errors.push(form_error(VALUE_TEXT, VALUE_FORM, &["MyValue", "my_value", "12345"]));
    }
    errors
}

/// An annotation's key: as a label's, but for its case.
pub fn annotation_key(it: &str) -> Vec<String> {
    if it.bytes().any(|c| c.is_ascii_uppercase()) {
        qualified_name(&it.to_ascii_lowercase())
    } else {
        qualified_name(it)
    }
}

/// An object name that is a DNS name; what most kinds have.
pub fn name_is_subdomain(it: &str, prefix: bool) -> Vec<String> {
    if prefix { dns1123_subdomain(&mask_trailing_dash(it)) } else { dns1123_subdomain(it) }
}

/// An object name that is a DNS label; what namespaces have.
pub fn name_is_label(it: &str, prefix: bool) -> Vec<String> {
    if prefix { dns1123_label(&mask_trailing_dash(it)) } else { dns1123_label(it) }
}

/// An object name that is a DNS label of RFC 1035; what services have.
pub fn name_is_1035_label(it: &str, prefix: bool) -> Vec<String> {
    if prefix { dns1035_label(&mask_trailing_dash(it)) } else { dns1035_label(it) }
}

/// An object name that can stand in a URL path; what RBAC's kinds have.
pub fn name_is_path_segment(it: &str, prefix: bool) -> Vec<String> {
    if !prefix && (it == "." || it == "..") {
        return vec![format!("may not be '{it}'")];
    }
    ["/", "%"].iter().filter(|c| it.contains(**c)).map(|c| format!("may not contain '{c}'")).collect()
}

/// What a prefix of names is checked as: a trailing dash will be followed by something.
pub fn mask_trailing_dash(it: &str) -> String {
    // The character before the dash goes too, as API servers have it.
    match it.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let mut masked: String = rest.to_owned();
            masked.pop();
            masked.push('a');
            masked
        }
        _ => it.to_owned(),
    }
}

/// A port's name: IANA_SVC_NAME in lower case.
pub fn port_name(it: &str) -> Vec<String> {
    let mut errors = longer_than(it, 15);
    let fits = |c: u8| c == b'-' || c.is_ascii_lowercase() || c.is_ascii_digit();
    if it.is_empty() || !it.bytes().all(fits) {
        errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !it.bytes().any(|c| c.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)".to_owned());
    }
    if it.contains("--") {
        errors.push("must not contain consecutive hyphens".to_owned());
    }
    if it.starts_with('-') || it.ends_with('-') {
        errors.push("must not begin or end with a hyphen".to_owned());
    }
    errors
}

/// A port's number.
pub fn port_number(it: i64) -> Vec<String> {
    in_range(it, 1, 65535)
}

/// A number between two others.
pub fn in_range(it: i64, least: i64, most: i64) -> Vec<String> {
    if (least..=most).contains(&it) { Vec::new() } else { vec![range_error(least, most)] }
}

/// A Unix user's or group's number.
pub fn unix_id(it: i64) -> Vec<String> {
    in_range(it, 0, i64::from(i32::MAX))
}

/// A name of an environment variable, as minors before 1.34 want it.
pub fn env_name(it: &str) -> Vec<String> {
    let text = "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and \
                must not start with a digit";
    let rest = |c: u8| matches!(c, b'-' | b'.' | b'_') || c.is_ascii_alphanumeric();
    let mut errors = Vec::new();
    if it.is_empty() || it.starts_with(|c: char| c.is_ascii_digit()) || !it.bytes().all(rest) {
        let examples = ["my.env-name", "MY_ENV.NAME", "MyEnvName1"];
        errors.push(form_error(text, "[-._a-zA-Z][-._a-zA-Z0-9]*", &examples));
    }
    errors.extend(leaves_directory(it));
    errors
}

/// A name of an environment variable: anything that prints, but `=`.
pub fn relaxed_env_name(it: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if it.is_empty() {
        errors.push("environment variable name must be non-empty".to_owned());
    }
    if !it.bytes().all(|c| (b' '..=b'~').contains(&c) && c != b'=') {
        let text = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        errors.push(text.to_owned());
    }
    errors
}

/// A key of a ConfigMap or Secret; it becomes a file's name.
pub fn config_map_key(it: &str) -> Vec<String> {
    let mut errors = longer_than(it, SUBDOMAIN_MAX);
    let fits = |c: u8| matches!(c, b'-' | b'.' | b'_') || c.is_ascii_alphanumeric();
    if it.is_empty() || !it.bytes().all(fits) {
        let text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        errors.push(form_error(text, "[-._a-zA-Z0-9]+", &["key.name", "KEY_NAME", "key-name"]));
    }
    errors.extend(leaves_directory(it));
    errors
}

/// An identifier of the language C.
pub fn c_identifier(it: &str) -> Vec<String> {
    let fits = |c: u8| c == b'_' || c.is_ascii_alphanumeric();
    if !it.is_empty() && !it.starts_with(|c: char| c.is_ascii_digit()) && it.bytes().all(fits) {
        return Vec::new();
    }
    let text = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric \
                characters or '_'";
    vec![form_error(text, "[A-Za-z_][A-Za-z0-9_]*", &["my_name", "MY_NAME", "MyName"])]
}

/// An HTTP header's name.
pub fn http_header_name(it: &str) -> Vec<String> {
    if !it.is_empty() && it.bytes().all(|c| c == b'-' || c.is_ascii_alphanumeric()) {
        return Vec::new();
    }
    let text = "a valid HTTP header must consist of alphanumeric characters or '-'";
    vec![form_error(text, "[-A-Za-z0-9]+", &["X-Header-Name"])]
}

/// A number with `%` after it.
pub fn percent(it: &str) -> Vec<String> {
    let digits = it.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()) {
        return Vec::new();
    }
    let text = "a valid percent string must be a numeric string followed by an ending '%'";
    vec![form_error(text, "[0-9]+%", &["1%", "93%"])]
}

/// A DNS name of three labels or more; what signers, drivers and webhooks are called.
pub fn fully_qualified_name(path: &Path, it: &str) -> Errors {
    domain(path, it, 3, "three")
}

/// A DNS name of two labels or more, which may end in a dot.
pub fn fully_qualified_domain_name(path: &Path, it: &str) -> Errors {
    if it.is_empty() {
        return vec![FieldError::required(path, "")];
    }
    let it = it.strip_suffix('.').unwrap_or(it);
    let errors = domain(path, it, 2, "two");
    if !errors.is_empty() {
        return errors;
    }
    for label in it.split('.') {
        let texts = dns1123_label(label);
        if !texts.is_empty() {
            return vec![FieldError::invalid(path, label, &texts.join(","))];
        }
    }
    errors
}

/// A DNS name, a slash, and a path: `acme.io/foo`.
pub fn domain_prefixed_path(path: &Path, it: &str) -> Errors {
    if it.is_empty() {
        return vec![FieldError::required(path, "")];
    }
    let Some((host, rest)) = it.split_once('/').filter(|(host, rest)| !host.is_empty() && !rest.is_empty()) else {
        return vec![FieldError::invalid(path, it, r#"must be a domain-prefixed path (such as "acme.io/foo")"#)];
    };
    let mut errors = invalid_each(path, host, dns1123_subdomain(host));
    let fits = |c: u8| c.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&c);
    if !rest.bytes().all(fits) {
        errors.push(FieldError::invalid(path, rest, &form_error("Invalid path", PATH_FORM, &[])));
    }
    errors
}

/// A label's key that has a DNS name before it: `acme.io/foo`.
pub fn domain_prefixed_key(path: &Path, it: &str) -> Errors {
    if it.is_empty() {
        return vec![FieldError::required(path, "")];
    }
    let mut errors = invalid_each(path, it, qualified_name(it));
    if errors.is_empty() && !it.contains('/') {
        let text = r#"must be a domain-prefixed key (such as "acme.io/foo")"#;
        errors.push(FieldError::invalid(path, it, text));
    }
    errors
}

/// What is wrong with a map of labels. The errors stand on the map itself.
pub fn validate_labels(labels: &Map<String, Value>, path: &Path) -> Errors {
    let mut errors = Errors::new();
    for (key, value) in labels {
        let value = value.as_str().unwrap_or_default();
        errors.extend(invalid_each(path, key.as_str(), qualified_name(key)));
        errors.extend(invalid_each(path, value, label_value(value)));
    }
    errors
}

/// What is wrong with a map of annotations. The errors stand on the map itself.
pub fn validate_annotations(annotations: &Map<String, Value>, path: &Path) -> Errors {
    let mut errors = Errors::new();
    let mut total = 0;
    for (key, value) in annotations {
        total += key.len() + value.as_str().map_or(0, str::len);
        errors.extend(invalid_each(path, key.as_str(), annotation_key(key)));
    }
    if total > ANNOTATIONS_MAX {
        errors.push(FieldError::too_long(path, ANNOTATIONS_MAX));
    }
    errors
}

/// Each of a rule's sentences as an error about the value at `path`.
pub fn invalid_each(path: &Path, value: impl Into<Value> + Clone, texts: Vec<String>) -> Errors {
    texts.iter().map(|text| FieldError::invalid(path, value.clone(), text)).collect()
}

fn domain(path: &Path, it: &str, least: usize, word: &str) -> Errors {
    if it.is_empty() {
        return vec![FieldError::required(path, "")];
    }
    let texts = dns1123_subdomain(it);
    if !texts.is_empty() {
        return vec![FieldError::invalid(path, it, &texts.join(","))];
    }
    if it.split('.').count() < least {
        let text = format!("should be a domain with at least {word} segments separated by dots");
        return vec![FieldError::invalid(path, it, &text)];
    }
    Errors::new()
}

fn longer_than(it: &str, max: usize) -> Vec<String> {
    if it.len() > max { vec![too_long(max)] } else { Vec::new() }
}

/// What would name another directory when it is taken as a file's name.
fn leaves_directory(it: &str) -> Option<String> {
    match it {
        "." | ".." => Some(format!("must not be '{it}'")),
        it if it.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

fn is_label(it: &str) -> bool {
    framed(it, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| c == b'-')
}

fn is_subdomain(it: &str) -> bool {
    it.split('.').all(is_label)
}

fn is_key(it: &str) -> bool {
    framed(it, |c| c.is_ascii_alphanumeric(), |c| matches!(c, b'-' | b'_' | b'.'))
}

/// Whether there is something, all of it is `end` or `middle`, and `end` stands first and last.
fn framed(it: &str, end: impl Fn(u8) -> bool, middle: impl Fn(u8) -> bool) -> bool {
    let bytes = it.as_bytes();
    bytes.first().is_some_and(|c| end(*c))
        && bytes.last().is_some_and(|c| end(*c))
        && bytes.iter().all(|c| end(*c) || middle(*c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn texts_are_the_apis() {
        assert_eq!(
            dns1123_label("A"),
            [
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
                 end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                 '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(dns1123_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
        assert_eq!(port_name("1-"), ["must contain at least one letter (a-z)", "must not begin or end with a hyphen"]);
        assert_eq!(config_map_key(".."), ["must not be '..'"]);
        assert_eq!(config_map_key("..a"), ["must not start with '..'"]);
        assert_eq!(name_is_path_segment("a/%", false), ["may not contain '/'", "may not contain '%'"]);
        assert_eq!(name_is_path_segment(".", false), ["may not be '.'"]);
        assert_eq!(port_number(0), ["must be between 1 and 65535, inclusive"]);
        assert_eq!(qualified_name("a/b/c").len(), 1);
        assert_eq!(qualified_name("x.io/").len(), 2);
    }

    #[test]
    fn what_is_fine_has_no_text() {
        for it in ["a", "1", "a-b", "a.b.c"] {
            assert!(name_is_subdomain(it, false).is_empty(), "{it}");
        }
        for it in ["a", "A.b_c", "x.io/A", "1"] {
            assert!(qualified_name(it).is_empty(), "{it}");
        }
        assert!(annotation_key("X.io/a").is_empty() && !qualified_name("X.io/a").is_empty());
        assert!(name_is_1035_label("a-", true).is_empty() && !name_is_1035_label("1a", false).is_empty());
        assert!(dns1123_subdomain_with_underscore("_sip._tcp.example").is_empty());
        assert!(!dns1123_subdomain_with_underscore("__a").is_empty());
        assert!(wildcard_dns1123_subdomain("*.a.b").is_empty() && !wildcard_dns1123_subdomain("*").is_empty());
        assert!(env_name("A.b-c").is_empty() && !env_name("1a").is_empty());
        assert!(relaxed_env_name("1 a").is_empty() && !relaxed_env_name("a=").is_empty());
        assert!(percent("10%").is_empty() && !percent("%").is_empty());
        assert!(c_identifier("_a").is_empty() && !c_identifier("a-b").is_empty());
        assert!(http_header_name("X-A").is_empty() && !http_header_name("X_A").is_empty());
    }

    #[test]
    fn prefixed_forms() {
        let path = Path::new("p");
        assert!(fully_qualified_name(&path, "a.b.c").is_empty());
        assert_eq!(fully_qualified_name(&path, "a.b").len(), 1);
        assert!(fully_qualified_domain_name(&path, "a.b.").is_empty());
        assert!(domain_prefixed_path(&path, "a.io/b/c").is_empty());
        assert_eq!(domain_prefixed_path(&path, "a.io/").len(), 1);
        assert_eq!(domain_prefixed_key(&path, "a").len(), 1);
    }

    #[test]
    fn maps_are_checked_whole() {
        let path = Path::new("metadata.annotations");
        let map = json!({"a": "b".repeat(ANNOTATIONS_MAX)});
        let errors = validate_annotations(map.as_object().unwrap(), &path);
        assert_eq!(errors[0].to_string(), "metadata.annotations: Too long: may not be more than 262144 bytes");
        let map = json!({"-": "", "a": "-"});
        assert_eq!(validate_labels(map.as_object().unwrap(), &path).len(), 2);
    }

    proptest! {
        #[test]
        fn a_label_is_a_name_and_a_value(it in "[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?") {
            prop_assert!(dns1123_label(&it).is_empty());
            prop_assert!(dns1123_subdomain(&it).is_empty());
            prop_assert!(qualified_name(&it).is_empty());
            prop_assert!(label_value(&it).is_empty());
            prop_assert!(config_map_key(&it).is_empty());
        }

        #[test]
        fn nothing_panics(it in "\\PC*") {
            let path = Path::default();
            for rule in [name_is_label, name_is_1035_label, name_is_subdomain, name_is_path_segment] {
                rule(&it, true);
                rule(&it, false);
            }
            annotation_key(&it);
            domain_prefixed_path(&path, &it);
            fully_qualified_domain_name(&path, &it);
        }
    }
}
