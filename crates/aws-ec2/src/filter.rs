//! Filters of the Describe operations: a table per answer shape names what can be asked for, so that an unknown
//! filter is refused and a known one always works. Values may hold `*` and `?`; a backslash takes their meaning away.
//! Source: *Amazon EC2 User Guide*, "List and filter using the CLI and API".

use crate::error::{Result, invalid, refuse};
use aws_model::ec2 as wire;

/// Values in one filter; AWS's own limit.
const MAX_VALUES: usize = 200;

/// What a shape shows under a filter's name.
pub(crate) type Column<T> = (&'static str, fn(&T) -> Vec<String>);

/// A shape that has tags.
pub(crate) trait Tagged {
    /// Its tags.
    fn tags(&self) -> &[wire::Tag];
}

macro_rules! tagged {
    ($($shape:ident: $member:ident),+ $(,)?) => {$(
        impl Tagged for wire::$shape {
            fn tags(&self) -> &[wire::Tag] {
                self.$member.as_deref().unwrap_or_default()
            }
        }
    )+};
}

tagged! {
    Vpc: tags, Subnet: tags, RouteTable: tags, InternetGateway: tags, SecurityGroup: tags, SecurityGroupRule: tags,
    NetworkInterface: tag_set, Address: tags, KeyPairInfo: tags, Instance: tags, Image: tags, Volume: tags,
    NetworkAcl: tags, DhcpOptions: tags,
}

/// Implements [`Tagged`] for shapes without tags.
macro_rules! untagged {
    ($($shape:ident),+ $(,)?) => {$(
        impl Tagged for wire::$shape {
            fn tags(&self) -> &[wire::Tag] {
                &[]
            }
        }
    )+};
}

untagged! { Region, AvailabilityZone, InstanceTypeInfo, InstanceTypeOffering, TagDescription, InstanceStatus }

/// Keeps the items that pass all filters.
pub(crate) fn keep<T: Tagged>(
    items: Vec<T>,
    filters: &Option<Vec<wire::Filter>>,
    table: &[Column<T>],
) -> Result<Vec<T>> {
    let tests = filters.iter().flatten().map(|it| Test::parse(it, table)).collect::<Result<Vec<_>>>()?;
    Ok(items.into_iter().filter(|item| tests.iter().all(|test| test.passes(item))).collect())
}

enum Subject<T> {
    Column(fn(&T) -> Vec<String>),
    Tag(String),
    TagKey,
    TagValue,
}

struct Test<'a, T> {
    subject: Subject<T>,
    patterns: &'a [String],
}

impl<'a, T: Tagged> Test<'a, T> {
    fn parse(filter: &'a wire::Filter, table: &[Column<T>]) -> Result<Self> {
        let name = filter.name.as_deref().unwrap_or_default();
        let patterns = filter.values.as_deref().unwrap_or_default();
        if patterns.len() > MAX_VALUES {
            let message = format!("The maximum number of filter values specified on a single call is {MAX_VALUES}");
            return Err(refuse("FilterLimitExceeded", message));
        }
        let column = table.iter().find(|(known, _)| *known == name).map(|(_, column)| Subject::Column(*column));
        let subject = match (column, name) {
            (Some(column), _) => column,
            (None, "tag-key") => Subject::TagKey,
            (None, "tag-value") => Subject::TagValue,
            (None, name) => match name.strip_prefix("tag:") {
                Some(key) => Subject::Tag(key.to_owned()),
                None => return Err(invalid(format!("The filter '{name}' is invalid"))),
            },
        };
        Ok(Self { subject, patterns })
    }

    fn passes(&self, item: &T) -> bool {
        let any = |value: &str| self.patterns.iter().any(|pattern| matches(pattern, value));
        let tags = || item.tags().iter();
        match &self.subject {
            Subject::Column(column) => column(item).iter().any(|value| any(value)),
            Subject::Tag(key) => {
                tags().any(|tag| tag.key.as_ref() == Some(key) && any(tag.value.as_deref().unwrap_or_default()))
            }
            Subject::TagKey => tags().any(|tag| any(tag.key.as_deref().unwrap_or_default())),
            Subject::TagValue => tags().any(|tag| any(tag.value.as_deref().unwrap_or_default())),
        }
    }
}

/// Whether `value` has the form of `pattern`. Linear in time for one `*`; never exponential.
pub(crate) fn matches(pattern: &str, value: &str) -> bool {
    let pattern = Glob::parse(pattern);
    let value: Vec<char> = value.chars().collect();
    let (mut p, mut v, mut star) = (0, 0, None);
    while v < value.len() {
        match pattern.get(p) {
            Some(Glob::Many) => {
                star = Some((p, v));
                p += 1;
            }
            Some(Glob::One) => (p, v) = (p + 1, v + 1),
            Some(Glob::Char(c)) if *c == value[v] => (p, v) = (p + 1, v + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, v) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|it| matches!(it, Glob::Many))
}

enum Glob {
    Many,
    One,
    Char(char),
}

impl Glob {
    fn parse(pattern: &str) -> Vec<Self> {
        let mut chars = pattern.chars();
        let mut parsed = Vec::new();
        while let Some(c) = chars.next() {
            parsed.push(match c {
                '*' => Self::Many,
                '?' => Self::One,
                '\\' => Self::Char(chars.next().unwrap_or('\\')),
                c => Self::Char(c),
            });
        }
        parsed
    }
}

/// A text member as filter values.
pub(crate) fn text(member: &Option<String>) -> Vec<String> {
    member.iter().cloned().collect()
}

/// A boolean member as filter values.
pub(crate) fn flag(member: &Option<bool>) -> Vec<String> {
    member.iter().map(ToString::to_string).collect()
}

/// A number member as filter values.
pub(crate) fn number<N: ToString>(member: &Option<N>) -> Vec<String> {
    member.iter().map(ToString::to_string).collect()
}

/// A member of each item of a list as filter values.
pub(crate) fn each<T>(list: &Option<Vec<T>>, member: fn(&T) -> Vec<String>) -> Vec<String> {
    list.iter().flatten().flat_map(member).collect()
}

/// A member of an optional structure as filter values.
pub(crate) fn within<T>(part: &Option<T>, member: fn(&T) -> Vec<String>) -> Vec<String> {
    part.iter().flat_map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &[Column<wire::Vpc>] = &[("vpc-id", |it| text(&it.vpc_id)), ("is-default", |it| flag(&it.is_default))];

    fn vpc(id: &str, name: &str) -> wire::Vpc {
        let tag = wire::Tag { key: Some("Name".into()), value: Some(name.into()) };
        wire::Vpc { vpc_id: Some(id.into()), is_default: Some(false), tags: Some(vec![tag]), ..Default::default() }
    }

    #[track_caller]
    fn check(name: &str, values: &[&str], want: usize) {
        let values = Some(values.iter().map(|it| (*it).to_owned()).collect());
        let filters = Some(vec![wire::Filter { name: Some(name.into()), values }]);
        let found = keep(vec![vpc("vpc-1", "blue"), vpc("vpc-2", "green")], &filters, TABLE).unwrap();
        assert_eq!(found.len(), want);
    }

    #[test]
    fn values_are_alternatives_and_may_hold_wildcards() {
        check("vpc-id", &["vpc-1", "vpc-2"], 2);
        check("vpc-id", &["vpc-?"], 2);
        check("vpc-id", &["*-2"], 1);
        check("is-default", &["false"], 2);
        check("tag:Name", &["b*"], 1);
        check("tag:name", &["*"], 0);
        check("tag-key", &["Name"], 2);
        check("tag-value", &["green"], 1);
        check("vpc-id", &[], 0);
    }

    #[test]
    fn an_unknown_filter_is_refused_even_with_nothing_to_filter() {
        let filters = Some(vec![wire::Filter { name: Some("colour".into()), values: Some(vec![]) }]);
        let refused = keep(vec![], &filters, TABLE).unwrap_err().to_string();
        assert_eq!(refused, "InvalidParameterValue: The filter 'colour' is invalid");
    }

    #[test]
    fn a_backslash_takes_the_meaning_away() {
        assert!(matches(r"a\*b", "a*b"));
        assert!(!matches(r"a\*b", "axb"));
        assert!(matches(r"\?", "?"));
    }

    proptest! {
        #[test]
        fn an_escaped_text_matches_only_itself(value in ".{0,12}", other in ".{0,12}") {
            let pattern: String = value.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(matches(&pattern, &value));
            prop_assert_eq!(matches(&pattern, &other), value == other);
        }

        #[test]
        fn a_star_stands_for_any_part(head in "[a-z]{0,6}", middle in ".{0,8}", tail in "[a-z]{0,6}") {
            let pattern = format!("{head}*{tail}");
            let value = format!("{head}{middle}{tail}");
            prop_assert!(matches(&pattern, &value));
            prop_assert!(matches("*", &value));
        }

        #[test]
        fn matching_agrees_with_a_slow_and_simple_one(pattern in "[ab*?]{0,8}", value in "[ab]{0,8}") {
            fn slow(p: &[u8], v: &[u8]) -> bool {
                match p.first() {
                    None => v.is_empty(),
                    Some(b'*') => (0..=v.len()).any(|n| slow(&p[1..], &v[n..])),
                    Some(b'?') => !v.is_empty() && slow(&p[1..], &v[1..]),
                    Some(c) => v.first() == Some(c) && slow(&p[1..], &v[1..]),
                }
            }
            prop_assert_eq!(matches(&pattern, &value), slow(pattern.as_bytes(), value.as_bytes()));
        }
    }
}
