//! What a replay came to: counts against the committed ones, and every difference in a readable form.

use super::answers::Found;
use super::compare::Difference;
use super::skips::Reason;
use super::translate::Rule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The committed counts.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/baseline.json");
/// The document with the table of them.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md");
/// Around the table.
const MARKS: (&str, &str) = ("<!-- recorded answers: begin -->\n", "<!-- recorded answers: end -->");

/// What a step came to.
#[derive(Debug)]
pub enum Outcome {
    /// As recorded.
    Equal,
    /// As a newer version answers.
    Explained(Vec<&'static Rule>),
    /// Not replayed.
    Skipped(Reason),
    /// Neither.
    Different(Vec<Difference>),
}

impl Outcome {
    /// The outcome of a comparison.
    pub fn of(found: Found) -> Self {
        let Found { differences, mut explained } = found;
        explained.sort_unstable();
        explained.dedup();
        match (differences.is_empty(), explained.is_empty()) {
            (false, _) => Self::Different(differences),
            (true, false) => Self::Explained(explained),
            (true, true) => Self::Equal,
        }
    }
}

/// A step and what it came to.
#[derive(Debug)]
pub struct Result {
    /// The scenario.
    pub scenario: String,
    /// The step.
    pub step: String,
    /// What was asked, as recorded.
    pub request: String,
    /// What it came to.
    pub outcome: Outcome,
}

/// The counts of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Scenarios in the file.
    pub scenarios: usize,
    /// Steps, with those that are skipped.
    pub steps: usize,
    /// As recorded.
    pub equal: usize,
    /// As a newer version answers.
    pub explained: usize,
    /// Not replayed.
    pub skipped: usize,
    /// Neither.
    pub different: usize,
}

/// All files' counts, by name.
type Table = BTreeMap<String, Counts>;

/// The texts of the files that have run, by name.
static TEXTS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Counts the outcomes of a file.
pub fn count(scenarios: usize, results: &[Result]) -> Counts {
    let mut counts = Counts { scenarios, steps: results.len(), ..Counts::default() };
    for result in results {
        match result.outcome {
            Outcome::Equal => counts.equal += 1,
            Outcome::Explained(_) => counts.explained += 1,
            Outcome::Skipped(_) => counts.skipped += 1,
            Outcome::Different(_) => counts.different += 1,
        }
    }
    counts
}

/// The counts in one line, with the reasons of what was skipped and the rules that explained.
pub fn line(file: &str, counts: &Counts, results: &[Result]) -> String {
    let mut why: BTreeMap<&str, usize> = BTreeMap::new();
    for result in results {
        match &result.outcome {
            Outcome::Skipped(reason) => *why.entry(reason.text()).or_default() += 1,
            Outcome::Explained(rules) => rules.iter().for_each(|it| *why.entry(it.name).or_default() += 1),
            _ => {}
        }
    }
    let Counts { equal, explained, skipped, different, .. } = counts;
    format!("{file}: {equal} equal, {explained} explained, {skipped} skipped, {different} different {why:?}")
}

/// Writes the differences of a file where they can be read, together with those of the files before.
pub fn write_differences(file: &str, results: &[Result]) {
    let mut text = String::new();
    for result in results {
        let Outcome::Different(differences) = &result.outcome else { continue };
        writeln!(text, "{file} / {} / {}\n  {}", result.scenario, result.step, result.request).unwrap();
        for Difference { at, want, got } in differences {
            let show = |it: &Option<serde_json::Value>| it.as_ref().map_or("(absent)".to_owned(), ToString::to_string);
            writeln!(text, "  {at}\n    want {}\n    got  {}", show(want), show(got)).unwrap();
        }
        text.push('\n');
    }
    let mut texts = TEXTS.lock().unwrap();
    texts.insert(file.to_owned(), text);
    let whole: String = texts.values().cloned().collect();
    std::fs::write(target().join("golden-differences.txt"), whole).unwrap();
}

/// The folder of build products.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

/// The committed counts.
pub fn baseline() -> Table {
    let text = std::fs::read_to_string(BASELINE).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).unwrap()
}

/// Whether the committed counts shall be replaced by those of this run.
pub fn updates() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// Replaces the committed counts of a file, and the table in the document.
pub fn commit(file: &str, counts: &Counts) {
    let _one_at_a_time = TEXTS.lock().unwrap();
    let mut table = baseline();
    table.insert(file.to_owned(), counts.clone());
    std::fs::write(BASELINE, serde_json::to_string_pretty(&table).unwrap() + "\n").unwrap();
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let (head, rest) = document.split_once(MARKS.0).unwrap();
    let (_, tail) = rest.split_once(MARKS.1).unwrap();
    std::fs::write(DOCUMENT, format!("{head}{}{}{}{tail}", MARKS.0, markdown(&table), MARKS.1)).unwrap();
}

/// The table as the document has it.
pub fn markdown(table: &Table) -> String {
    let mut text = String::from(
        "| file | scenarios | steps | equal | explained | skipped | different |\n|---|---:|---:|---:|---:|---:|---:|\n",
    );
    let mut sum = Counts::default();
    let mut row = |name: &str, it: &Counts| {
        let Counts { scenarios, steps, equal, explained, skipped, different } = it;
        writeln!(text, "| {name} | {scenarios} | {steps} | {equal} | {explained} | {skipped} | {different} |").unwrap();
    };
    for (name, it) in table {
        row(name, it);
        sum.scenarios += it.scenarios;
        sum.steps += it.steps;
        sum.equal += it.equal;
        sum.explained += it.explained;
        sum.skipped += it.skipped;
        sum.different += it.different;
    }
    row("**all**", &sum);
    text
}

/// The table that the document has.
pub fn documented() -> String {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let rest = document.split_once(MARKS.0).unwrap().1;
    rest.split_once(MARKS.1).unwrap().0.to_owned()
}
