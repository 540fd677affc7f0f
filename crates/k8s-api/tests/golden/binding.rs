//! What the placeholders of a record stand for in this run: bound where first seen, checked from then on.

use serde_json::Value;
use std::collections::HashMap;

/// What a text is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<'a> {
    /// As it is.
    Literal(&'a str),
    /// A placeholder: its name with its number, and without.
    Open(&'a str, &'a str),
}

/// Placeholders whose equal numbers are equal values.
const NUMBERED: [&str; 4] = ["uid", "rv", "continue", "rand"];

/// Placeholders that stand for anything of their form.
const FREE: [&str; 20] = [
    "uid",
    "continue",
    "rand",
    "time",
    "n",
    "clusterIP",
    "nodePort",
    "token",
    "pem",
    "prose",
    "pointer",
    "server",
    "evhash",
    "age",
    "apiserver",
    "path",
    "advertise-address",
    "port",
    "epoch",
    "kid",
];

/// Splits a recorded text. What looks like a placeholder and has no known name is literal: `<none>`, `<nil>`.
fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut literal, mut at) = (Vec::new(), 0, 0);
    while let Some(open) = text[at..].find('<').map(|it| at + it) {
        let Some(close) = text[open..].find('>').map(|it| open + it) else { break };
        let full = &text[open + 1..close];
        let base = full.trim_end_matches(|it: char| it.is_ascii_digit());
        let known = if base.len() < full.len() { NUMBERED.contains(&base) } else { FREE.contains(&base) };
        if !known {
            at = open + 1;
            continue;
        }
        if literal < open {
            parts.push(Part::Literal(&text[literal..open]));
        }
        parts.push(Part::Open(full, base));
        (literal, at) = (close + 1, close + 1);
    }
    if literal < text.len() {
        parts.push(Part::Literal(&text[literal..]));
    }
    parts
}

/// The values of one run of a scenario.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    values: HashMap<String, String>,
    /// The newest answer about each object.
    objects: HashMap<String, Value>,
    token: Option<String>,
}

/// A placeholder of a request that nothing is known of.
#[derive(Debug)]
pub struct Unbound(pub String);

impl Bindings {
    /// The value of a numbered placeholder, by its name in brackets.
    pub fn get(&self, placeholder: &str) -> Option<&str> {
        self.values.get(placeholder.trim_matches(['<', '>'])).map(String::as_str)
    }

    /// The newest token that was issued.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whether `got` is what `want` says, binding what is new in it.
    pub fn text(&mut self, want: &str, got: &str) -> bool {
        let parts = parts(want);
        if let [Part::Literal(_)] | [] = parts[..] {
            return want == got;
        }
        let mut bound = Vec::new();
        if !self.take(&parts, got, &mut bound) {
            return false;
        }
        for (name, value) in bound {
            if name == "token" {
                self.token = Some(value);
            } else {
                self.values.insert(name, value);
            }
        }
        true
    }

    fn take(&self, parts: &[Part<'_>], got: &str, bound: &mut Vec<(String, String)>) -> bool {
        match parts {
            [] => got.is_empty(),
            [Part::Literal(text), rest @ ..] => got.strip_prefix(text).is_some_and(|got| self.take(rest, got, bound)),
            [Part::Open(full, base), rest @ ..] => {
                let known =
                    self.values.get(*full).or_else(|| bound.iter().find(|(it, _)| it == full).map(|(_, it)| it));
                if let Some(known) = known.cloned().filter(|_| full != base) {
                    return got.strip_prefix(&known[..]).is_some_and(|got| self.take(rest, got, bound));
                }
                let keep = bound.len();
                let ends = (0..=got.len()).filter(|end| got.is_char_boundary(*end));
                // The shortest that fits; the whole rest where nothing follows.
                let mut ends: Vec<usize> = if rest.is_empty() { vec![got.len()] } else { ends.collect() };
                ends.retain(|end| fits(base, &got[..*end]));
                for end in ends {
                    if full != base || *base == "token" {
                        bound.push(((*full).to_owned(), got[..end].to_owned()));
                    }
                    if self.take(rest, &got[end..], bound) {
                        return true;
                    }
                    bound.truncate(keep);
                }
                false
            }
        }
    }

    /// Remembers an answer about the object at `key`.
    pub fn remember(&mut self, key: String, object: &Value) {
        self.objects.insert(key, object.clone());
    }

    /// Puts values into a text of a request's target or header.
    ///
    /// # Errors
    /// [`Unbound`].
    pub fn fill(&self, text: &str, encode: bool) -> Result<String, Unbound> {
        let mut filled = String::new();
        for part in parts(text) {
            match part {
                Part::Literal(text) => filled.push_str(text),
                Part::Open(full, _) => {
                    let value = self.values.get(full).ok_or_else(|| Unbound(full.to_owned()))?;
                    if encode { filled.push_str(&percent(value)) } else { filled.push_str(value) }
                }
            }
        }
        Ok(filled)
    }

    /// Puts values into a request's body. What has no number is taken from the same place of the newest answer about
    /// the object at `key`.
    ///
    /// # Errors
    /// [`Unbound`].
    pub fn fill_body(&self, value: &mut Value, key: &str) -> Result<(), Unbound> {
        self.fill_at(value, self.objects.get(key), "")
    }

    fn fill_at(&self, value: &mut Value, known: Option<&Value>, at: &str) -> Result<(), Unbound> {
        match value {
            Value::Array(items) => items
                .iter_mut()
                .enumerate()
                .try_for_each(|(index, it)| self.fill_at(it, known, &format!("{at}/{index}"))),
            Value::Object(map) => {
                map.iter_mut().try_for_each(|(key, it)| self.fill_at(it, known, &format!("{at}/{}", escape(key))))
            }
            Value::String(text) => {
                let parts = parts(text);
                if let [Part::Open(full, base)] = parts[..] {
                    if let Some(bound) = self.values.get(full).filter(|_| full != base) {
                        *text = bound.clone();
                        return Ok(());
                    }
                    let same = known.and_then(|known| known.pointer(at)).filter(|it| !it.is_object()).cloned();
                    *value = match (same, base) {
                        (Some(same), _) => same,
                        (None, "time") => NOW.into(),
                        (None, "uid") => "11111111-2222-4333-8444-555555555555".into(),
                        (None, "pem") => super::SIGNING_REQUEST.into(),
                        (None, "token") => self.token.clone().ok_or_else(|| Unbound(full.to_owned()))?.into(),
                        (None, _) => return Err(Unbound(full.to_owned())),
                    };
                } else if parts.iter().any(|part| matches!(part, Part::Open(..))) {
                    *text = self.fill(text, false)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The time that a request has where nothing is known of the object. Any will do.
const NOW: &str = "2026-01-01T00:00:00Z";

/// A key as a part of a JSON pointer.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn percent(text: &str) -> String {
    let byte = |it: u8| {
        let plain = it.is_ascii_alphanumeric() || b"-._~".contains(&it);
        if plain { char::from(it).to_string() } else { format!("%{it:02X}") }
    };
    text.bytes().map(byte).collect()
}

/// Whether `text` has the form of what a placeholder stands for.
fn fits(base: &str, text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    match base {
        "prose" => true,
        "uid" => text.len() == 36 && text.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-'),
        "rv" | "n" | "nodePort" | "port" | "epoch" => digits(text),
        "rand" => text.len() == 5 && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit()),
        "time" => is_time(text),
        "age" => text == "<unknown>" || is_duration(text),
        "clusterIP" => text.split('.').count() == 4 && text.split('.').all(digits),
        _ => !text.is_empty(),
    }
}

/// Whether `text` is a time as the API writes it, of seconds or of microseconds.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
    ["0000-00-00T00:00:00Z", "0000-00-00T00:00:00.000000Z"].contains(&shape.as_str())
}

/// Whether `text` is an age as a table shows it: `5s`, `2m3s`, `4d`.
pub fn is_duration(text: &str) -> bool {
    let mut number = false;
    let shape = text.bytes().all(|it| match it {
        b'0'..=b'9' => {
            number = true;
            true
        }
        b's' | b'm' | b'h' | b'd' | b'y' => std::mem::take(&mut number),
        _ => false,
    });
    shape && !number && !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_bound_on_sight_and_checked_later() {
        let mut bindings = Bindings::default();
        assert!(bindings.text("a (<rv1>) does not match (<rv2>).", "a (12) does not match (15)."));
        assert!(bindings.text("<rv1>", "12") && !bindings.text("<rv1>", "13"));
        assert!(bindings.text("x-<rand1>", "x-abcd2") && !bindings.text("y-<rand1>", "y-abcd3"));
        assert!(!bindings.text("x <rv9> y", "x a y") && bindings.get("<rv9>").is_none());
        assert_eq!(bindings.fill("/x?resourceVersion=<rv2>", true).unwrap(), "/x?resourceVersion=15");
        assert!(bindings.fill("<rv3>", false).is_err());
        assert!(bindings.text("<continue1>", "e30=") && bindings.fill("<continue1>", true).unwrap() == "e30%3D");
    }

    #[test]
    fn what_is_no_placeholder_is_literal() {
        let mut bindings = Bindings::default();
        for text in ["<none>", "<nil>", "a < b", "<a<n", "", "<unknown>", "<EOF>"] {
            assert!(bindings.text(text, text), "{text}");
        }
        assert!(bindings.text("{<nil> <pointer>}", "{<nil> 0xc0}"));
        assert!(!bindings.text("<time>", "yesterday") && bindings.text("<time>", "2026-01-02T03:04:05Z"));
    }

    #[test]
    fn requests_take_what_the_object_has() {
        let mut bindings = Bindings::default();
        bindings.remember("k".to_owned(), &json!({"metadata": {"creationTimestamp": "2026-05-05T05:05:05Z"}}));
        let mut body = json!({"metadata": {"creationTimestamp": "<time>", "deletionTimestamp": "<time>"}});
        bindings.fill_body(&mut body, "k").unwrap();
        assert_eq!(body["metadata"]["creationTimestamp"], "2026-05-05T05:05:05Z");
        assert_eq!(body["metadata"]["deletionTimestamp"], NOW);
    }

    #[test]
    fn durations() {
        assert!(["5s", "2m3s", "4d", "3y20d"].into_iter().all(is_duration));
        assert!(!["", "5", "s", "<none>", "1.2s"].into_iter().any(is_duration));
    }
}
