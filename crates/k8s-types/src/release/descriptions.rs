//! What types and fields are for, in the words of the API's documents, where the program was built with them.

use super::OLDEST;
use std::io::Read;
use std::sync::Arc;

#[cfg(descriptions)]
static FILE: Option<&[u8]> = Some(include_bytes!("../../data/descriptions.bin"));
#[cfg(not(descriptions))]
static FILE: Option<&[u8]> = None;

/// A definition, one of its fields, and what that is for.
type Described = (Arc<str>, Box<str>, Box<str>);

/// The descriptions of a release's types and fields; about a megabyte, so keep it only as long as it is used.
#[derive(Debug)]
pub struct Descriptions {
    /// Sorted by definition and field, which is empty for the definition itself.
    texts: Box<[Described]>,
}

impl Descriptions {
    /// Reads those of a minor; nothing where the program has none.
    pub(super) fn load(minor: u8) -> Option<Self> {
        let mut lines = String::new();
        flate2::read::DeflateDecoder::new(FILE?).read_to_string(&mut lines).ok()?;
        Self::parse(&lines, minor)
    }

    /// Reads lines of `[definition, field, minors, text]`, sorted by the first two.
    fn parse(lines: &str, minor: u8) -> Option<Self> {
        let wanted = 1u32 << minor.checked_sub(OLDEST)?;
        let mut texts: Vec<Described> = Vec::new();
        for line in lines.lines() {
            let (definition, field, minors, text): (&str, &str, u32, Box<str>) = serde_json::from_str(line).ok()?;
            if minors & wanted == 0 {
                continue;
            }
            let same = texts.last().map(|(last, ..)| last).filter(|last| ***last == *definition).cloned();
            texts.push((same.unwrap_or_else(|| definition.into()), field.into(), text));
        }
        Some(Self { texts: texts.into() })
    }

    /// What a type is for, by its definition's name.
    pub fn of_type(&self, definition: &str) -> Option<&str> {
        self.of_field(definition, "")
    }

    /// What a field is for.
    pub fn of_field(&self, definition: &str, field: &str) -> Option<&str> {
        let found = self.texts.binary_search_by(|(of, name, _)| (&**of, &**name).cmp(&(definition, field)));
        self.texts.get(found.ok()?).map(|(_, _, text)| &**text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minor_reads_its_own() {
        let lines = "[\"a.B\",\"\",3,\"type\"]\n[\"a.B\",\"c\",1,\"old\"]\n[\"a.B\",\"c\",2,\"new \\u00e9\"]\n";
        let read = Descriptions::parse(lines, 25).unwrap();
        assert_eq!(read.of_type("a.B"), Some("type"));
        assert_eq!(read.of_field("a.B", "c"), Some("new é"));
        assert_eq!(read.of_field("a.C", "c"), None);
        assert!(Descriptions::parse("{}", 25).is_none());
    }

    #[test]
    fn the_program_is_built_with_all_or_none() {
        for minor in [24, 36] {
            let pod = Descriptions::load(minor).map(|it| it.of_type("io.k8s.api.core.v1.Pod").is_some());
            assert_eq!(pod, FILE.map(|_| true), "{minor}");
        }
    }
}
