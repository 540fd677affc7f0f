//! Cron schedules: the five fields of crontab(5), with names, steps and the `@` descriptors.
//!
//! The sentences are those of the API server's answers.

/// A schedule that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At the minutes whose parts are all set.
    Fields(Fields),
    /// `@every 1h30m`, as it was written after the word.
    Every(String),
}

/// Which values of each part of a time are due, one bit a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// 0 to 59.
    pub minutes: u64,
    /// 0 to 23.
    pub hours: u64,
    /// 1 to 31.
    pub days: u64,
    /// 1 to 12.
    pub months: u64,
    /// 0 (Sunday) to 6.
    pub weekdays: u64,
    /// Whether the day of the month was left open by `*` or `?`.
    pub any_day: bool,
    /// Whether the day of the week was.
    pub any_weekday: bool,
}

struct Bounds {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Bounds = Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

impl Schedule {
    /// Reads a schedule; a `TZ=` or `CRON_TZ=` before it is skipped here.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty spec string".to_owned());
        }
        let text = without_zone(text)?;
        if text.starts_with('@') {
            return descriptor(text);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
        };
        let (minutes, _) = field(minutes, &MINUTES)?;
        let (hours, _) = field(hours, &HOURS)?;
        let (days, any_day) = field(days, &DAYS)?;
        let (months, _) = field(months, &MONTHS)?;
        let (weekdays, any_weekday) = field(weekdays, &WEEKDAYS)?;
        Ok(Self::Fields(Fields { minutes, hours, days, months, weekdays, any_day, any_weekday }))
    }
}

impl Fields {
    /// Whether a minute of a day is due. A day is when both of its parts say so, or either of two that are both given.
    pub fn is_due(&self, minute: u32, hour: u32, day: u32, month: u32, weekday: u32) -> bool {
        let set = |bits: u64, at: u32| at < 64 && bits & (1 << at) != 0;
        let (by_day, by_weekday) = (set(self.days, day), set(self.weekdays, weekday));
        let today = if self.any_day || self.any_weekday { by_day && by_weekday } else { by_day || by_weekday };
        today && set(self.minutes, minute) && set(self.hours, hour) && set(self.months, month)
    }
}

fn without_zone(text: &str) -> Result<&str, String> {
    let Some(rest) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) else {
        return Ok(text);
    };
    match rest.split_once(' ') {
        Some((zone, rest)) if super::zone::is_known(zone) => Ok(rest.trim()),
        Some((zone, _)) => Err(format!("provided bad location {zone}: unknown time zone {zone}")),
        None => Err(format!("provided bad location {rest}: unknown time zone {rest}")),
    }
}

fn descriptor(text: &str) -> Result<Schedule, String> {
    let same = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(every) = text.strip_prefix("@every ") else {
                return Err(format!("unrecognized descriptor: {text}"));
            };
            return match duration_fault(every) {
                None => Ok(Schedule::Every(every.to_owned())),
                Some(fault) => Err(format!("failed to parse duration {text}: time: {fault}")),
            };
        }
    };
    Schedule::parse(same)
}

/// What is wrong with a duration as `1h30m`, `-1.5s`, `0`.
fn duration_fault(text: &str) -> Option<String> {
    let quoted = k8s_types::status::quote(text);
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return None;
    }
    if rest.is_empty() {
        return Some(format!("invalid duration {quoted}"));
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        if !digits.contains(|c: char| c.is_ascii_digit()) || digits.matches('.').count() > 1 {
            return Some(format!("invalid duration {quoted}"));
        }
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        match unit {
            "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h" => rest = after,
            "" => return Some(format!("missing unit in duration {quoted}")),
            other => return Some(format!("unknown unit {} in duration {quoted}", k8s_types::status::quote(other))),
        }
    }
    None
}

/// The bits of one field and whether it is open.
fn field(text: &str, bounds: &Bounds) -> Result<(u64, bool), String> {
    let (mut bits, mut open) = (0, false);
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (more, any) = range(part, bounds)?;
        bits |= more;
        open |= any;
    }
    Ok((bits, open))
}

/// The bits of `n`, `a-b`, `*`, each with an optional `/step`.
fn range(text: &str, bounds: &Bounds) -> Result<(u64, bool), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = parts.first().map(|it| it.split('-').collect()).unwrap_or_default();
    let single = ends.len() == 1;
    let (start, mut end, mut open) = match ends.as_slice() {
        ["*" | "?", ..] => (bounds.min, bounds.max, true),
        [one] => number_or_name(one, bounds).map(|it| (it, it, false))?,
        [low, high] => (number_or_name(low, bounds)?, number_or_name(high, bounds)?, false),
        _ => return Err(format!("too many hyphens: {text}")),
    };
    let step = match parts.as_slice() {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            if single {
                end = bounds.max;
            }
            open &= step <= 1;
            step
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    if start < bounds.min {
        return Err(format!("beginning of range ({start}) below minimum ({}): {text}", bounds.min));
    }
    if end > bounds.max {
        return Err(format!("end of range ({end}) above maximum ({}): {text}", bounds.max));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    let bits = (start..=end).step_by(step as usize).fold(0, |bits, at| bits | 1u64 << at);
    Ok((bits, open))
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u32, String> {
    let named = bounds.names.iter().position(|name| name.eq_ignore_ascii_case(text));
    match named.and_then(|at| u32::try_from(at).ok()) {
        Some(at) => Ok(at + bounds.min),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, String> {
    match text.parse::<i64>() {
        Ok(it) if it < 0 => Err(format!("negative number ({it}) not allowed: {text}")),
        Ok(it) => Ok(u32::try_from(it).unwrap_or(u32::MAX)),
        Err(_) => {
            let quoted = k8s_types::status::quote(text);
            Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {quoted}: invalid syntax"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(text: &str) -> Fields {
        match Schedule::parse(text).unwrap() {
            Schedule::Fields(it) => it,
            Schedule::Every(_) => panic!("{text} has no fields"),
        }
    }

    #[test]
    fn a_field_is_a_set_of_values() {
        let it = fields("*/15 9-17/4 1,15 jan-MAR mon");
        assert_eq!(it.minutes, 1 | 1 << 15 | 1 << 30 | 1 << 45);
        assert_eq!(it.hours, 1 << 9 | 1 << 13 | 1 << 17);
        assert_eq!(it.days, 1 << 1 | 1 << 15);
        assert_eq!(it.months, 0b1110);
        assert_eq!(it.weekdays, 0b10);
        assert!(!it.any_day && !it.any_weekday);
        assert_eq!(fields("50/5 * * * *").minutes, 1 << 50 | 1 << 55);
        assert_eq!(Schedule::parse("@daily"), Schedule::parse("0 0 * * *"));
        assert_eq!(Schedule::parse("TZ=Europe/Berlin 0 0 * * *"), Schedule::parse("@midnight"));
        assert_eq!(Schedule::parse("@every 1h30m"), Ok(Schedule::Every("1h30m".to_owned())));
    }

    #[test]
    fn a_day_is_due_by_either_of_its_parts_when_both_are_given() {
        let it = fields("0 0 13 * fri");
        assert!(it.is_due(0, 0, 13, 1, 2) && it.is_due(0, 0, 7, 1, 5) && !it.is_due(0, 0, 12, 1, 2));
        assert!(!fields("0 0 13 * *").is_due(0, 0, 12, 1, 5));
    }

    #[test]
    fn faults_are_told_in_the_apis_words() {
        let fault = |text: &str| Schedule::parse(text).unwrap_err();
        assert_eq!(fault(""), "empty spec string");
        assert_eq!(fault("x"), "expected exactly 5 fields, found 1: [x]");
        assert_eq!(fault("* * * * * *"), "expected exactly 5 fields, found 6: [* * * * * *]");
        assert_eq!(fault("61 * * * *"), "end of range (61) above maximum (59): 61");
        assert_eq!(fault("* * 0 * *"), "beginning of range (0) below minimum (1): 0");
        assert_eq!(fault("5-3 * * * *"), "beginning of range (5) beyond end of range (3): 5-3");
        assert_eq!(fault("*/0 * * * *"), "step of range should be a positive number: */0");
        assert_eq!(fault("1-2-3 * * * *"), "too many hyphens: 1-2-3");
        assert_eq!(fault("1/2/3 * * * *"), "too many slashes: 1/2/3");
        assert_eq!(fault("a * * * *"), "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax");
        assert_eq!(fault("@noon"), "unrecognized descriptor: @noon");
        assert_eq!(
            fault("@every 5x"),
            "failed to parse duration @every 5x: time: unknown unit \"x\" in duration \"5x\""
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = Schedule::parse(&text);
        }

        #[test]
        fn a_range_holds_what_lies_within_it(low in 0u32..60, high in 0u32..60, step in 1u32..70) {
            let read = Schedule::parse(&format!("{low}-{high}/{step} * * * *"));
            prop_assert_eq!(read.is_ok(), low <= high);
            if let Ok(Schedule::Fields(it)) = read {
                for at in 0..60 {
                    let want = at >= low && at <= high && (at - low) % step == 0;
                    prop_assert_eq!(it.is_due(at, 0, 1, 1, 0), want);
                }
            }
        }

        #[test]
        fn a_list_is_the_union_of_its_items(items in proptest::collection::vec(0u32..24, 1..6)) {
            let text: Vec<String> = items.iter().map(ToString::to_string).collect();
            let it = fields(&format!("* {} * * *", text.join(",")));
            let want = items.iter().fold(0u64, |bits, at| bits | 1 << at);
            prop_assert_eq!(it.hours, want);
        }
    }
}
