//! JSON paths as far as printer columns need them: `.a.b[0].c`, `.a['b.c']`, `.a\.b`, `.items[*].x`,
//! `.status.conditions[?(@.type=="Ready")].status`.

use serde_json::Value;
use std::cmp::Ordering;

/// A path to values in an object.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

/// A path that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError {
    /// The path.
    pub path: String,
}

impl std::fmt::Display for PathError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unrecognized column definition {:?}", self.path)
    }
}

impl std::error::Error for PathError {}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    /// Counted from the end where it is negative.
    Item(i64),
    /// `[1:3]`; either end may be left out.
    Range(Option<i64>, Option<i64>),
    All,
    Filter(Box<Filter>),
}

/// Which items are meant.
#[derive(Debug, Clone, PartialEq)]
struct Filter {
    left: Operand,
    /// Without it the left side must only be there.
    comparison: Option<(Comparison, Operand)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(JsonPath),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How deep filters may stand in filters.
const DEPTH: usize = 8;

impl JsonPath {
    /// Reads a path.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        parse(path, DEPTH).ok_or_else(|| PathError { path: path.to_owned() })
    }

    /// The first value that the path leads to.
    pub fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        first(&self.steps, value)
    }
}

fn first<'a>(steps: &[Step], value: &'a Value) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(value);
    };
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let go = |it| first(rest, it);
    match step {
        Step::Field(name) => go(value.as_object()?.get(name)?),
        Step::Item(at) => go(items.get(index(*at, items.len())?)?),
        Step::Range(from, to) => {
            let from = from.map_or(Some(0), |it| index(it, items.len()))?;
            let to = to.map_or(Some(items.len()), |it| index(it, items.len()))?;
            items.get(from..to.min(items.len()))?.iter().find_map(go)
        }
        Step::All => match value {
            Value::Object(entries) => entries.values().find_map(go),
            _ => items.iter().find_map(go),
        },
        Step::Filter(filter) => items.iter().filter(|it| filter.holds(it)).find_map(go),
    }
}

fn index(at: i64, length: usize) -> Option<usize> {
    let at = if at < 0 { i64::try_from(length).ok()? + at } else { at };
    usize::try_from(at).ok()
}

impl Filter {
    fn holds(&self, item: &Value) -> bool {
        let Some(left) = self.left.of(item) else {
            return false;
        };
        let Some((comparison, right)) = &self.comparison else {
            return true;
        };
        right.of(item).is_some_and(|right| comparison.holds(left, right))
    }
}

impl Operand {
    fn of<'a>(&'a self, item: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Path(path) => path.first(item),
            Self::Literal(value) => Some(value),
        }
    }
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = match (left, right) {
            (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
            (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
                (Some(left), Some(right)) => Some(left.cmp(&right)),
                _ => left.as_f64().partial_cmp(&right.as_f64()),
            },
            (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
            _ => None,
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order.is_some_and(Ordering::is_ne),
            Self::Less => order.is_some_and(Ordering::is_lt),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order.is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

fn parse(path: &str, depth: usize) -> Option<JsonPath> {
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner)?;
            let (inside, after) = inner.split_at_checked(end)?;
            steps.push(bracket(inside.trim(), depth)?);
            rest = after.strip_prefix(']')?;
        } else {
            // a first field may do without its dot
            let inner = match rest.strip_prefix('.') {
                Some(inner) => inner,
                None if steps.is_empty() => rest,
                None => return None,
            };
            let (name, after) = field(inner);
            match name.as_str() {
                // `.['a']` and a lone `.`
                "" if after.starts_with('[') || (after.is_empty() && steps.is_empty()) => {}
                "" => return None,
                "*" => steps.push(Step::All),
                _ => steps.push(Step::Field(name)),
            }
            rest = after;
        }
    }
    Some(JsonPath { steps })
}

/// A field's name up to the next step; a backslash takes away what a character stands for.
fn field(text: &str) -> (String, &str) {
    let (mut name, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => return (name, text.get(at..).unwrap_or_default()),
            _ => name.push(c),
        }
    }
    (name, "")
}

/// Where the bracket closes that was opened just before: not in quotes, nor in brackets further in.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bracket(inside: &str, depth: usize) -> Option<Step> {
    if let Some(filter) = inside.strip_prefix("?(").and_then(|it| it.strip_suffix(')')) {
        return Some(Step::Filter(Box::new(filter_of(filter.trim(), depth.checked_sub(1)?)?)));
    }
    if inside == "*" {
        return Some(Step::All);
    }
    if let Some(name) = quoted(inside) {
        return Some(Step::Field(name));
    }
    match inside.split_once(':') {
        None => Some(Step::Item(inside.parse().ok()?)),
        Some((from, to)) => {
            let end = |it: &str| if it.is_empty() { Some(None) } else { it.parse().ok().map(Some) };
            Some(Step::Range(end(from)?, end(to)?))
        }
    }
}

fn filter_of(text: &str, depth: usize) -> Option<Filter> {
    const SIGNS: [(&str, Comparison); 6] = [
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<=", Comparison::LessOrEqual),
        (">=", Comparison::GreaterOrEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if open == c => quote = None,
            Some(_) => continue,
            None if c == '\'' || c == '"' => quote = Some(c),
            None => {}
        }
        let (left, rest) = text.split_at_checked(at)?;
        if let Some((sign, comparison)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            let right = operand(rest.strip_prefix(sign)?.trim(), depth)?;
            return Some(Filter { left: operand(left.trim(), depth)?, comparison: Some((*comparison, right)) });
        }
    }
    Some(Filter { left: operand(text, depth)?, comparison: None })
}

fn operand(text: &str, depth: usize) -> Option<Operand> {
    if let Some(path) = text.strip_prefix('@') {
        return Some(Operand::Path(parse(path, depth)?));
    }
    if let Some(text) = quoted(text) {
        return Some(Operand::Literal(text.into()));
    }
    let value: Value = serde_json::from_str(text).ok()?;
    matches!(value, Value::Number(_) | Value::Bool(_)).then_some(Operand::Literal(value))
}

/// What stands between quotes of either kind.
fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|it| matches!(it, '\'' | '"'))?;
    let inside = text.get(1..)?.strip_suffix(quote)?;
    let (mut name, mut chars) = (String::new(), inside.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => name.extend(chars.next()),
            c if c == quote => return None,
            c => name.push(c),
        }
    }
    Some(name)
}
