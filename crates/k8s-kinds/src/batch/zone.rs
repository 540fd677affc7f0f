//! Names of time zones, as far as they can be told from other text without the zones' own data.

/// The first steps of the names that have several (IANA time zone database).
const AREAS: &[&str] = &[
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Brazil",
    "Canada",
    "Chile",
    "Etc",
    "Europe",
    "Indian",
    "Mexico",
    "Pacific",
    "US",
];

/// The names that have one.
const SINGLE: &[&str] = &[
    "CET",
    "CST6CDT",
    "Cuba",
    "EET",
    "EST",
    "EST5EDT",
    "Egypt",
    "Eire",
    "GB",
    "GB-Eire",
    "GMT",
    "GMT+0",
    "GMT-0",
    "GMT0",
    "Greenwich",
    "HST",
    "Hongkong",
    "Iceland",
    "Iran",
    "Israel",
    "Jamaica",
    "Japan",
    "Kwajalein",
    "Libya",
    "MET",
    "MST",
    "MST7MDT",
    "NZ",
    "NZ-CHAT",
    "Navajo",
    "PRC",
    "PST8PDT",
    "Poland",
    "Portugal",
    "ROC",
    "ROK",
    "Singapore",
    "Turkey",
    "UCT",
    "UTC",
    "Universal",
    "W-SU",
    "WET",
    "Zulu",
];

/// Whether `name` has the form of a zone's name and begins with an area that there is.
pub(super) fn is_known(name: &str) -> bool {
    if !is_well_formed(name) {
        return false;
    }
    match name.split_once('/') {
        Some((area, place)) => AREAS.contains(&area) && place.starts_with(|c: char| c.is_ascii_uppercase()),
        None => SINGLE.contains(&name),
    }
}

/// What is wrong with a CronJob's `timeZone`.
pub(super) fn fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("timeZone must be nil or non-empty string".to_owned());
    }
    if name.eq_ignore_ascii_case("local") {
        let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        return Some(why.to_owned());
    }
    if is_known(name) { None } else { Some(format!("unknown time zone {name}")) }
}

fn is_well_formed(name: &str) -> bool {
    name.split('/').all(|part| {
        (1..=14).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_told_from_other_text() {
        for good in ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5", "America/Port-au-Prince"] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in ["", "local", "Mars/Base", "Europe/../etc", "Europe/", "utc+1 "] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
