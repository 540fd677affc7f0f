//! Which control plane logs are on. A cluster keeps the enabled types; requests and answers speak of groups.

use crate::error::EksError;
use aws_model::eks::{LogSetup, Logging};

/// All types, in the order in which answers list them (*Amazon EKS API Reference*, `LogSetup`).
pub const TYPES: [&str; 5] = ["api", "audit", "authenticator", "controllerManager", "scheduler"];

/// Reads a request: the enabled types after it, of a cluster that has `current` enabled. Types it does not name stay.
///
/// # Errors
/// For a type that does not exist, or one that is both enabled and disabled.
pub fn apply(current: &[String], asked: Option<&Logging>) -> Result<Vec<String>, EksError> {
    let setups = asked.and_then(|it| it.cluster_logging.as_deref()).unwrap_or_default();
    let mut wishes: Vec<(&str, bool)> = Vec::new();
    for setup in setups {
        for name in setup.types.iter().flatten() {
            let Some(known) = TYPES.iter().find(|it| *it == name) else {
                let text = format!("Invalid log type '{name}'; valid types are {}", TYPES.join(", "));
                return Err(EksError::Parameter(text));
            };
            wishes.push((known, setup.enabled.unwrap_or(false)));
        }
    }
    let contradicts = |(name, on): &&(&str, bool)| wishes.contains(&(name, !on));
    if let Some((name, _)) = wishes.iter().find(contradicts) {
        return Err(EksError::Parameter(format!("Log type '{name}' cannot be both enabled and disabled")));
    }
    let is_on = |name: &&&str| {
        let wish = wishes.iter().find(|(it, _)| it == *name);
        wish.map_or_else(|| current.iter().any(|it| it == **name), |(_, on)| *on)
    };
    Ok(TYPES.iter().filter(is_on).map(ToString::to_string).collect())
}

/// As answers show it: the enabled group, then the disabled one; an empty group is left out.
pub fn render(enabled: &[String]) -> Logging {
    let group = |on: bool| {
        let types: Vec<String> =
            TYPES.iter().filter(|name| enabled.iter().any(|it| it == *name) == on).map(ToString::to_string).collect();
        (!types.is_empty()).then_some(LogSetup { types: Some(types), enabled: Some(on) })
    };
    Logging { cluster_logging: Some([true, false].into_iter().filter_map(group).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logging(groups: &[(&[&str], bool)]) -> Logging {
        let setup = |(types, on): &(&[&str], bool)| LogSetup {
            types: Some(types.iter().map(ToString::to_string).collect()),
            enabled: Some(*on),
        };
        Logging { cluster_logging: Some(groups.iter().map(setup).collect()) }
    }

    #[test]
    fn the_enabled_group_comes_first_and_empty_ones_are_left_out() {
        assert_eq!(render(&[]), logging(&[(&TYPES, false)]));
        let enabled = ["audit".to_owned(), "scheduler".to_owned()];
        let want = logging(&[(&["audit", "scheduler"], true), (&["api", "authenticator", "controllerManager"], false)]);
        assert_eq!(render(&enabled), want);
        assert_eq!(render(&TYPES.map(str::to_owned)), logging(&[(&TYPES, true)]));
    }

    #[test]
    fn what_is_not_named_stays() {
        let current = ["audit".to_owned()];
        assert_eq!(apply(&current, Some(&logging(&[(&["api"], true)]))).unwrap(), ["api", "audit"]);
        assert_eq!(apply(&current, Some(&logging(&[(&["audit"], false)]))).unwrap(), Vec::<String>::new());
        assert_eq!(apply(&current, None).unwrap(), ["audit"]);
    }

    #[test]
    fn unknown_and_contradicting_types_are_refused() {
        assert!(apply(&[], Some(&logging(&[(&["kubelet"], true)]))).is_err());
        assert!(apply(&[], Some(&logging(&[(&["api"], true), (&["api"], false)]))).is_err());
    }
}
