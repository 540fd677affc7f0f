//! Checks that many kinds make, which add what they find to a list.

use crate::value::Look;
use k8s_types::names::{self, invalid_each};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a number below 1 is told.
pub(crate) const NOT_POSITIVE: &str = "must be greater than zero";
/// What a fraction of something that can't be parted is told.
pub(crate) const NOT_INTEGER: &str = "must be an integer";

/// Text must stand in the field `name` of `object`. Answers whether it does.
pub(crate) fn text_needed(errors: &mut Errors, object: &Value, name: &str, path: &Path) -> bool {
    let there = !object.text(name).is_empty();
    if !there {
        errors.push(FieldError::required(&path.child(name), ""));
    }
    there
}

/// A value must be one of a few.
pub(crate) fn one_of(errors: &mut Errors, value: &str, supported: &[&str], path: &Path) {
    if !supported.contains(&value) {
        errors.push(FieldError::not_supported(path, value, supported));
    }
}

/// A value must be there, and one of a few.
pub(crate) fn needed_one_of(errors: &mut Errors, value: &str, supported: &[&str], path: &Path) {
    if value.is_empty() {
        errors.push(FieldError::required(path, ""));
    } else {
        one_of(errors, value, supported, path);
    }
}

/// A rule's sentences about a value.
pub(crate) fn rule(errors: &mut Errors, value: &str, path: &Path, rule: fn(&str) -> Vec<String>) {
    errors.extend(invalid_each(path, value, rule(value)));
}

/// A DNS label.
pub(crate) fn label(errors: &mut Errors, value: &str, path: &Path) {
    rule(errors, value, path, names::dns1123_label);
}

/// A DNS name.
pub(crate) fn subdomain(errors: &mut Errors, value: &str, path: &Path) {
    rule(errors, value, path, names::dns1123_subdomain);
}

/// A label's key.
pub(crate) fn qualified(errors: &mut Errors, value: &str, path: &Path) {
    rule(errors, value, path, names::qualified_name);
}

/// A number between two others.
pub(crate) fn range(errors: &mut Errors, value: i64, least: i64, most: i64, path: &Path) {
    errors.extend(invalid_each(path, value, names::in_range(value, least, most)));
}

/// A number that is not below 0.
pub(crate) fn nonnegative(errors: &mut Errors, value: i64, path: &Path) {
    errors.extend(crate::meta::nonnegative(value, path));
}

/// A port's number or name.
pub(crate) fn port_or_name(errors: &mut Errors, value: &Value, path: &Path) {
    match value {
        Value::String(name) => rule(errors, name, path, names::port_name),
        other => range(errors, other.as_i64().unwrap_or_default(), 1, 65535, path),
    }
}

/// An IP address.
pub(crate) fn ip(errors: &mut Errors, value: &str, path: &Path) -> Option<IpAddr> {
    let ip = parse_ip(value);
    if ip.is_none() {
        let text = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.push(FieldError::invalid(path, value, text));
    }
    ip
}

/// An IP address that is no loopback, link-local or unspecified one.
pub(crate) fn non_special_ip(errors: &mut Errors, value: &str, path: &Path) {
    let Some(ip) = parse_ip(value) else {
        errors.push(FieldError::invalid(path, value, "must be a valid IP address"));
        return;
    };
    let mut push = |text: &str| errors.push(FieldError::invalid(path, value, text));
    if ip.is_unspecified() {
        push(&format!("may not be unspecified ({value})"));
    }
    if ip.is_loopback() {
        push("may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (unicast, multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.octets()[0] == 0xff && ip.octets()[1] & 0xf == 2),
    };
    if unicast {
        push("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        push("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

/// A network and the length of its prefix.
pub(crate) fn cidr(errors: &mut Errors, value: &str, path: &Path) {
    if parse_cidr(value).is_none() {
        let text = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        errors.push(FieldError::invalid(path, value, text));
    }
}

/// An IP address, with leading zeros in its parts or not, as API servers read it.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(|ip| match ip.to_ipv4_mapped() {
            Some(ip) => IpAddr::V4(ip),
            None => IpAddr::V6(ip),
        });
    }
    let mut parts = [0u8; 4];
    let mut given = text.split('.');
    for part in &mut parts {
        let digits = given.next().filter(|it| !it.is_empty() && it.bytes().all(|c| c.is_ascii_digit()))?;
        *part = digits.parse().ok()?;
    }
    given.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(parts)))
}

/// A network's address and the length of its prefix.
pub(crate) fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, length) = text.split_once('/')?;
    let most = if ip.contains(':') { 128 } else { 32 };
    let length: u8 = length.parse().ok().filter(|it| *it <= most)?;
    Some((parse_ip(ip)?, length))
}

/// Whether there is one address of each family, and nothing else.
pub(crate) fn is_dual_stack(ips: &[IpAddr]) -> bool {
    ips.iter().any(IpAddr::is_ipv4) && ips.iter().any(IpAddr::is_ipv6)
}

/// A path that stays below where it starts.
pub(crate) fn descending_path(errors: &mut Errors, value: &str, path: &Path) {
    if value.starts_with('/') {
        errors.push(FieldError::invalid(path, value, "must be a relative path"));
    }
    no_backsteps(errors, value, path);
}

/// As [`descending_path`], whose first part does not start with two dots, which volumes keep for themselves.
pub(crate) fn non_reserved_path(errors: &mut Errors, value: &str, path: &Path) {
    descending_path(errors, value, path);
    if value.starts_with("..") && !value.starts_with("../") {
        errors.push(FieldError::invalid(path, value, "must not start with '..'"));
    }
}

/// A path without a part that is `..`.
pub(crate) fn no_backsteps(errors: &mut Errors, value: &str, path: &Path) {
    if has_backsteps(value) {
        errors.push(FieldError::invalid(path, value, "must not contain '..'"));
    }
}

/// Whether a part of a path is `..`.
pub(crate) fn has_backsteps(value: &str) -> bool {
    value.split('/').any(|part| part == "..")
}

/// A file's permission bits, where there are any.
pub(crate) fn file_mode(errors: &mut Errors, object: &Value, name: &str, path: &Path) {
    if let Some(mode) = object.opt_int(name).filter(|it| !(0..=0o777).contains(it)) {
        let text = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(FieldError::invalid(&path.child(name), mode, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_api_servers_read_them() {
        assert_eq!(parse_ip("010.0.0.1"), "10.0.0.1".parse().ok());
        assert_eq!(parse_ip("::ffff:1.2.3.4"), "1.2.3.4".parse().ok());
        assert!(parse_ip("1.2.3").is_none() && parse_ip("1.2.3.4.5").is_none() && parse_ip("1.2.3.x").is_none());
        assert!(parse_cidr("10.0.0.0/33").is_none() && parse_cidr("fe80::/64").is_some());
    }

    #[test]
    fn special_addresses() {
        let text = |ip: &str| {
            let mut errors = Errors::new();
            non_special_ip(&mut errors, ip, &Path::new("ip"));
            errors.first().map(|it| it.message.clone()).unwrap_or_default()
        };
        assert!(text("0.0.0.0").ends_with("may not be unspecified (0.0.0.0)"));
        assert!(text("::1").contains("loopback") && text("169.254.1.1").contains("link-local range"));
        assert!(text("224.0.0.9").contains("multicast") && text("10.0.0.1").is_empty());
    }

    #[test]
    fn paths_stay_below() {
        let count = |it: &str| {
            let mut errors = Errors::new();
            non_reserved_path(&mut errors, it, &Path::new("p"));
            errors.len()
        };
        assert_eq!([count("a/b"), count("/a"), count("a/../b"), count("..a")], [0, 1, 1, 1]);
    }
}
