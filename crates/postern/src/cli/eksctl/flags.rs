//! Flags that eksctl's commands have in common.

use crate::cli::error::CliError;
use crate::cli::grammar::go_bool;
use crate::cli::session::Session;
use std::collections::BTreeMap;
use std::time::Duration;

/// Flags of every command.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// How much is logged: 0 nothing, 1 failures, 2 warnings, 3 steps, 4 and 5 also details.
    #[arg(short, long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=5))]
    pub verbose: u8,
    /// Whether log lines are coloured on a terminal: true, false or fabulous.
    #[arg(short = 'C', long, default_value = "true", value_parser = ["true", "false", "fabulous"])]
    pub color: String,
    /// The region; AWS_REGION, AWS_DEFAULT_REGION or the service's default when not given.
    #[arg(short, long)]
    pub region: Option<String>,
    /// Refused: commands act as the first account's administrator.
    #[arg(short, long, hide = true)]
    pub profile: Option<String>,
    /// Refused: there is nothing to dump.
    #[arg(short, long = "dumpLogs", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = go_bool, hide = true)]
    pub dump_logs: Option<bool>,
}

impl Common {
    /// Refuses what has no meaning here.
    ///
    /// # Errors
    /// When such a flag was given.
    pub fn check(&self) -> Result<(), CliError> {
        if self.profile.is_some() {
            return Err(CliError::told("--profile is not served: commands act as the first account's administrator"));
        }
        if self.dump_logs == Some(true) {
            return Err(CliError::told("--dumpLogs is not served: nothing is kept back from the log"));
        }
        Ok(())
    }
}

/// How long is waited at most.
#[derive(Debug, clap::Args)]
pub struct Timeout {
    /// How long to wait at most, as 25m0s.
    #[arg(long, default_value = "25m0s", value_parser = go_duration)]
    pub timeout: Duration,
}

/// The name of a cluster that was given by one flag, by another or in a file; at most one of them.
///
/// # Errors
/// When it is given twice or not at all (`flag` is what eksctl asks for), or can't be a cluster's name: names are used
/// in filters, where a star would find other clusters' things.
pub fn cluster_name(given: &[(&str, Option<&str>)], flag: &str) -> Result<String, CliError> {
    let found: Vec<_> = given.iter().filter_map(|(source, name)| name.map(|name| (*source, name))).collect();
    match found[..] {
        [] => Err(CliError::told(format!("--{flag} must be set"))),
        [(_, name)] if is_name(name) => Ok(name.to_owned()),
        [(_, name)] => Err(CliError::told(format!(
            "{name:?} can't be a cluster's name: that is up to 100 letters, digits, - and _, and begins with a letter \
             or digit"
        ))),
        [(one, a), (other, b), ..] => {
            Err(CliError::told(format!("{one}={a} and {other}={b} cannot be used at the same time")))
        }
    }
}

/// Source: *Amazon EKS API Reference*, `CreateCluster`.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 100
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Refuses flags that would fight with a file.
///
/// # Errors
/// With the first that was given.
pub fn only_file(session: &Session<'_>, allowed: &[&str]) -> Result<(), CliError> {
    let always = ["config-file", "verbose", "color", "data-dir", "dumpLogs", "profile"];
    match session.given.iter().find(|it| !always.contains(&it.as_str()) && !allowed.contains(&it.as_str())) {
        Some(flag) => Err(CliError::told(format!("cannot use --{flag} when --config-file/-f is set"))),
        None => Ok(()),
    }
}

/// Reads a list of `key=value`.
///
/// # Errors
/// When a part has no `=`.
pub fn pairs(list: &[String], flag: &str) -> Result<BTreeMap<String, String>, CliError> {
    let pair = |it: &String| it.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let told = |it: &String| CliError::told(format!("--{flag}: {it:?} is not of the form key=value"));
    list.iter().map(|it| pair(it).filter(|(key, _)| !key.is_empty()).ok_or_else(|| told(it))).collect()
}

/// Reads a duration as Go writes it: `25m0s`, `1h30m`, `1.5s`, `300ms`.
///
/// # Errors
/// For any other text, and for durations that are negative or longer than a day.
pub fn go_duration(text: &str) -> Result<Duration, String> {
    const UNITS: &[(&str, f64)] = &[("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
    /// More than anybody waits for; also keeps the sum far from any limit of the types.
    const MOST: f64 = 86_400.0;
    let wrong = || "it is not a duration like 25m0s".to_owned();
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let (unit, scale) = UNITS.iter().find(|(unit, _)| tail.starts_with(unit)).ok_or_else(wrong)?;
        seconds += number.parse::<f64>().map_err(|_| wrong())? * scale;
        rest = &tail[unit.len()..];
    }
    if text.is_empty() || !(0.0..=MOST).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_in_go() {
        for (text, millis) in [("25m0s", 1_500_000), ("1h30m", 5_400_000), ("1.5s", 1500), ("300ms", 300), ("0s", 0)] {
            assert_eq!(go_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "m", "5x", "1e300h", "-5s", "99999h", "1..2s", "5µs"] {
            assert!(go_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_is_given_once() {
        assert_eq!(cluster_name(&[("--name", None), ("argument", Some("x"))], "name").unwrap(), "x");
        assert_eq!(cluster_name(&[("--name", None)], "cluster").unwrap_err().to_string(), "--cluster must be set");
        let twice = cluster_name(&[("--name", Some("a")), ("argument", Some("b"))], "name").unwrap_err();
        assert_eq!(twice.to_string(), "--name=a and argument=b cannot be used at the same time");
    }

    #[test]
    fn a_name_that_a_filter_would_widen_is_refused() {
        for name in ["*", "c*", "?", "", "-c", "a b", &"x".repeat(101)] {
            let error = cluster_name(&[("--name", Some(name))], "name").unwrap_err().to_string();
            assert!(error.contains("can't be a cluster's name"), "{error}");
        }
        cluster_name(&[("--name", Some(&"x".repeat(100)))], "name").unwrap();
    }

    #[test]
    fn pairs_need_an_equals_sign() {
        let list = ["a=1".to_owned(), "b=x=y".to_owned()];
        assert_eq!(pairs(&list, "tags").unwrap()["b"], "x=y");
        assert!(pairs(&["a".to_owned()], "tags").unwrap_err().to_string().contains("--tags: \"a\""));
    }
}
