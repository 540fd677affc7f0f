//! A figure: what was measured, beside a baseline that was measured in the same run, and whether the target holds.
//! The machine may be busy with other things, so only the ratio and the target are claims; a time alone is not.

use std::fmt;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// The value itself stays below so much, in its own unit.
    Below(f64),
    /// Value by baseline is at least so much.
    RatioAtLeast(f64),
    /// Only worth knowing.
    None,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Its median.
    pub value: f64,
    /// The unit of value and baseline.
    pub unit: &'static str,
    /// The baseline's median, and what it is.
    pub baseline: Option<(f64, &'static str)>,
    /// What should hold.
    pub target: Target,
}

impl Figure {
    /// Value by baseline.
    pub fn ratio(&self) -> Option<f64> {
        self.baseline.map(|(baseline, _)| self.value / baseline)
    }

    /// Whether the target holds; `None` when there is none.
    pub fn holds(&self) -> Option<bool> {
        match self.target {
            Target::Below(limit) => Some(self.value < limit),
            Target::RatioAtLeast(least) => Some(self.ratio().is_some_and(|it| it >= least)),
            Target::None => None,
        }
    }
}

/// A number with three significant digits.
pub fn short(value: f64) -> String {
    match value.abs() {
        it if it >= 100.0 => format!("{value:.0}"),
        it if it >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl fmt::Display for Figure {
    /// A row of a table in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let baseline = match self.baseline {
            Some((value, what)) => format!("{} {}: {what}", short(value), self.unit),
            None => String::new(),
        };
        let target = match self.target {
            Target::Below(limit) => format!("< {} {}", short(limit), self.unit),
            Target::RatioAtLeast(least) => format!("ratio >= {least}"),
            Target::None => String::new(),
        };
        let holds = match self.holds() {
            Some(true) => "holds",
            Some(false) => "MISSED",
            None => "",
        };
        let ratio = self.ratio().map(short).unwrap_or_default();
        let (name, value, unit) = (&self.name, short(self.value), self.unit);
        write!(f, "| {name} | {value} {unit} | {baseline} | {ratio} | {target} | {holds} |")
    }
}

/// The middle one of some values; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that a share of the values does not exceed; 0 of none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64, target: Target) -> Figure {
        Figure { name: "x".to_owned(), value, unit: "ms", baseline: Some((2.0, "y")), target }
    }

    #[test]
    fn targets_hold_or_do_not() {
        assert_eq!(figure(1.9, Target::Below(2.0)).holds(), Some(true));
        assert_eq!(figure(2.0, Target::Below(2.0)).holds(), Some(false));
        assert_eq!(figure(1.8, Target::RatioAtLeast(0.9)).holds(), Some(true));
        assert_eq!(figure(1.7, Target::RatioAtLeast(0.9)).holds(), Some(false));
        assert_eq!(figure(5.0, Target::None).holds(), None);
    }

    #[test]
    fn a_figure_is_a_row() {
        let row = figure(1.0, Target::RatioAtLeast(0.5)).to_string();
        assert_eq!(row, "| x | 1.00 ms | 2.00 ms: y | 0.50 | ratio >= 0.5 | holds |");
    }

    #[test]
    fn medians_are_of_sorted_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
        assert_eq!(quantile(&[1.0, 5.0, 3.0], 1.0), 5.0);
    }
}
