//! The canonical request and the string to sign (Signature Version 4 reference, "Create a signed request").

use super::{ALGORITHM, Credential};
use crate::form::{self, Plus};
use crate::parts::Parts;
use aws_lc_rs::digest;
use std::fmt::Write;

/// The text that is signed, for a request whose body has `body_hash`, over `signed_headers`.
pub fn string_to_sign(
    parts: &Parts<'_>,
    credential: &Credential,
    signed_headers: &[String],
    date: &str,
    body_hash: &str,
) -> String {
    let mut start = String::with_capacity(256);
    start.push_str(parts.method);
    start.push('\n');
    path(&mut start, parts.path, &credential.service);
    start.push('\n');
    query(&mut start, parts.query);
    start.push('\n');
    // Bytes from here: a header's value need not be text, and two values must never look the same.
    let mut request = start.into_bytes();
    for name in signed_headers {
        header(&mut request, parts, name);
    }
    request.push(b'\n');
    request.extend_from_slice(signed_headers.join(";").as_bytes());
    request.push(b'\n');
    request.extend_from_slice(body_hash.as_bytes());
    let Credential { day, region, service, .. } = credential;
    format!("{ALGORITHM}\n{date}\n{day}/{region}/{service}/aws4_request\n{}", sha256_hex(&request))
}

/// S3 signs the path decoded and encoded once; every other service the path as sent, normalised and encoded again.
fn path(out: &mut String, raw: &str, service: &str) {
    if service == "s3" {
        let decoded = form::decode(if raw.is_empty() { "/" } else { raw }, Plus::Literal);
        form::encode_into(out, &decoded, b"/");
    } else {
        form::encode_into(out, normalise(raw).as_bytes(), b"/");
    }
}

/// Removes `.`, `..` and empty segments; keeps a slash at the end.
fn normalise(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let mut out = String::from("/");
    out.push_str(&kept.join("/"));
    if path.ends_with('/') && !kept.is_empty() {
        out.push('/');
    }
    out
}

/// Decoded, encoded anew and sorted; the signature itself left out.
fn query(out: &mut String, raw: &str) {
    let recode = |part: &str| form::encode(&form::decode(part, Plus::Literal));
    let mut pairs: Vec<(String, String)> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (recode(name), recode(value)))
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort();
    for (i, (name, value)) in pairs.iter().enumerate() {
        let separator = if i == 0 { "" } else { "&" };
        // Writing to a String can't fail.
        let _ = write!(out, "{separator}{name}={value}");
    }
}

/// `name:value` with every value of the name: trimmed, inner runs of spaces made one, joined by commas.
fn header(out: &mut Vec<u8>, parts: &Parts<'_>, name: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    for (i, value) in parts.all(name).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        for (j, word) in words.enumerate() {
            if j > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
    }
    out.push(b'\n');
}

/// SHA-256 in small hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Small hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical_path(raw: &str, service: &str) -> String {
        let mut out = String::new();
        path(&mut out, raw, service);
        out
    }

    #[test]
    fn paths_are_normalised_and_encoded_again_but_for_s3() {
        assert_eq!(canonical_path("", "eks"), "/");
        assert_eq!(canonical_path("/", "eks"), "/");
        assert_eq!(canonical_path("/a/./b/../c//d/", "eks"), "/a/c/d/");
        assert_eq!(canonical_path("/../..", "eks"), "/");
        assert_eq!(canonical_path("/tags/arn%3Aaws%2Fx", "eks"), "/tags/arn%253Aaws%252Fx");
        assert_eq!(canonical_path("/a%20b//c/./d", "s3"), "/a%20b//c/./d");
        assert_eq!(canonical_path("/a+b:c", "s3"), "/a%2Bb%3Ac");
    }

    #[test]
    fn queries_are_sorted_by_encoded_name_then_value() {
        let mut out = String::new();
        query(&mut out, "b=2&a=z&a=%2F&c&X-Amz-Signature=f&B=+&&a-b=x%7e");
        assert_eq!(out, "B=%2B&a=%2F&a=z&a-b=x~&b=2&c=");
    }

    #[test]
    fn headers_are_trimmed_and_joined() {
        let headers = vec![("X-A", b"  a   b ".as_slice()), ("host", b"h"), ("x-a", b"c")];
        let parts = Parts { method: "GET", path: "/", query: "", headers, body: b"" };
        let mut out = Vec::new();
        header(&mut out, &parts, "x-a");
        assert_eq!(out, b"x-a:a b,c\n");
    }
}
