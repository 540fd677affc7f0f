//! Reads what a request says about its signature, from the `Authorization` header or a presigned query string.

use super::{ALGORITHM, MAX_EXPIRES, SigError};
use crate::form::{self, Plus};
use crate::parts::Parts;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::ops::RangeInclusive;

/// Who claims to have signed, and for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credential {
    /// The access key's id.
    pub access_key_id: String,
    /// The day of the scope, `YYYYMMDD`.
    pub day: String,
    /// The region of the scope.
    pub region: String,
    /// The service of the scope: its signing name.
    pub service: String,
}

/// Where the signature rides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query string, for so many seconds from the date.
    Presigned {
        /// `X-Amz-Expires`: 1 to 604800, or what [`parse_presigned`] was told.
        expires: i64,
    },
}

/// A request's own account of its signature. Nothing is verified yet.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Who, when, where.
    pub credential: Credential,
    /// In a header or presigned.
    pub form: Form,
    /// The session token, for temporary credentials.
    pub session_token: Option<String>,
    /// When it was signed.
    pub time: Timestamp,
    pub(super) date: String,
    pub(super) headers: Vec<String>,
    pub(super) signature: String,
}

impl Signed {
    /// Whether a header is covered by the signature; `name` in small letters.
    pub fn covers(&self, name: &str) -> bool {
        self.headers.iter().any(|header| header == name)
    }

    /// Whether the scope is for `service` in `region`.
    ///
    /// # Errors
    /// [`SigError::WrongScope`] when not.
    pub fn check_scope(&self, service: &str, region: &str) -> Result<(), SigError> {
        if self.credential.service != service {
            return Err(SigError::WrongScope(format!("correct service: '{service}'")));
        }
        if self.credential.region != region {
            return Err(SigError::WrongScope(format!("a valid region: '{region}'")));
        }
        Ok(())
    }
}

/// Reads a request's signature.
///
/// # Errors
/// [`SigError::Missing`] when there is none, [`SigError::Incomplete`] when it is not well-formed, [`SigError::WrongDay`]
/// when its parts disagree.
pub fn parse(parts: &Parts<'_>) -> Result<Signed, SigError> {
    match parts.header("authorization") {
        Some(header) => checked(parts, from_header(parts, header)?),
        None => parse_presigned(parts, 1..=MAX_EXPIRES),
    }
}

/// Reads a presigned request's signature, for those who have their own rule about its life: `expires` is what they let
/// `X-Amz-Expires` be.
///
/// # Errors
/// As [`parse`].
pub fn parse_presigned(parts: &Parts<'_>, expires: RangeInclusive<i64>) -> Result<Signed, SigError> {
    checked(parts, from_query(parts, expires)?)
}

fn checked(parts: &Parts<'_>, signed: Signed) -> Result<Signed, SigError> {
    if !signed.covers("host") {
        return Err(incomplete("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
    }
    if !signed.headers.is_sorted() {
        return Err(incomplete("SignedHeaders must be sorted."));
    }
    // A header that decides something must not be added by someone on the way.
    let unsigned = parts.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    if let Some(name) = unsigned.into_iter().find(|name| name.starts_with("x-amz-") && !signed.covers(name)) {
        return Err(incomplete(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")));
    }
    if signed.date.get(..8) != Some(signed.credential.day.as_str()) {
        return Err(SigError::WrongDay { day: signed.credential.day, date: signed.date });
    }
    Ok(signed)
}

fn from_header(parts: &Parts<'_>, header: &str) -> Result<Signed, SigError> {
    let Some(fields) = header.trim().strip_prefix(ALGORITHM).filter(|rest| rest.starts_with([' ', '\t'])) else {
        return Err(incomplete(format!("Authorization header requires the algorithm {ALGORITHM}.")));
    };
    let field = |name: &str| {
        let mut pairs = fields.split(',').filter_map(|field| field.trim().split_once('='));
        let found = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
        found.ok_or_else(|| incomplete(format!("Authorization header requires '{name}' parameter.")))
    };
    let date = parts.header("x-amz-date").map(str::trim);
    let date = date.ok_or_else(|| incomplete("Authorization header requires existence of an 'X-Amz-Date' header."))?;
    Ok(Signed {
        credential: credential(field("Credential")?)?,
        form: Form::Header,
        session_token: parts.header("x-amz-security-token").map(str::to_owned),
        time: time(date)?,
        date: date.to_owned(),
        headers: headers(field("SignedHeaders")?),
        signature: field("Signature")?.to_owned(),
    })
}

fn from_query(parts: &Parts<'_>, bounds: RangeInclusive<i64>) -> Result<Signed, SigError> {
    // Most requests without a header are not signed at all: look before decoding.
    if !parts.query.contains("X-Amz-") {
        return Err(SigError::Missing);
    }
    let pairs =
        form::pairs(parts.query, Plus::Literal).ok_or_else(|| incomplete("The query string is not valid UTF-8."))?;
    let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let need = |name: &str| {
        find(name).ok_or_else(|| incomplete(format!("AWS query-string parameters must include '{name}'.")))
    };
    let Some(algorithm) = find("X-Amz-Algorithm") else { return Err(SigError::Missing) };
    if algorithm != ALGORITHM {
        return Err(incomplete(format!("X-Amz-Algorithm must be {ALGORITHM}.")));
    }
    let (least, most) = (bounds.start(), bounds.end());
    let expires = need("X-Amz-Expires")?.parse().ok().filter(|seconds| bounds.contains(seconds));
    let expires = expires.ok_or_else(|| incomplete(format!("X-Amz-Expires must be between {least} and {most}.")))?;
    let date = need("X-Amz-Date")?;
    Ok(Signed {
        credential: credential(need("X-Amz-Credential")?)?,
        form: Form::Presigned { expires },
        session_token: find("X-Amz-Security-Token").map(str::to_owned),
        time: time(date)?,
        date: date.to_owned(),
        headers: headers(need("X-Amz-SignedHeaders")?),
        signature: need("X-Amz-Signature")?.to_owned(),
    })
}

/// `KEY/YYYYMMDD/region/service/aws4_request`; the key's id may have slashes.
fn credential(text: &str) -> Result<Credential, SigError> {
    let mut fields = text.rsplitn(5, '/');
    let mut next = || fields.next().filter(|field| !field.is_empty()).map(str::to_owned);
    let (end, service, region, day, key) = (next(), next(), next(), next(), next());
    match (key, day, region, service, end.as_deref()) {
        (Some(access_key_id), Some(day), Some(region), Some(service), Some("aws4_request")) => {
            Ok(Credential { access_key_id, day, region, service })
        }
        _ => Err(incomplete("Credential must have exactly 5 slash-delimited elements.")),
    }
}

fn headers(list: &str) -> Vec<String> {
    list.split(';').map(str::to_ascii_lowercase).collect()
}

/// `YYYYMMDD'T'HHMMSS'Z'`.
fn time(date: &str) -> Result<Timestamp, SigError> {
    let bad = || incomplete(format!("Date must be in ISO-8601 'basic format'. Got '{date}'."));
    if date.len() != 16 {
        return Err(bad());
    }
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", date).map_err(|_| bad())?;
    Ok(civil.to_zoned(TimeZone::UTC).map_err(|_| bad())?.timestamp())
}

fn incomplete(what: impl Into<String>) -> SigError {
    SigError::Incomplete(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str =
        "AWS4-HMAC-SHA256 Credential=AK/20260102/r/eks/aws4_request, SignedHeaders=host;x-amz-date, Signature=ab";

    fn ask<'a>(authorization: &'a str, date: &'a str, query: &'a str) -> Parts<'a> {
        let mut headers = vec![("Host", b"h".as_slice())];
        if !authorization.is_empty() {
            headers.push(("Authorization", authorization.as_bytes()));
        }
        if !date.is_empty() {
            headers.push(("X-Amz-Date", date.as_bytes()));
        }
        Parts { method: "GET", path: "/", query, headers, body: b"" }
    }

    #[test]
    fn the_header_is_read() {
        let signed = parse(&ask(HEADER, "20260102T030405Z", "")).unwrap();
        assert_eq!(signed.credential.access_key_id, "AK");
        assert_eq!((signed.credential.region.as_str(), signed.credential.service.as_str()), ("r", "eks"));
        assert_eq!(signed.time.to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(signed.check_scope("eks", "r"), Ok(()));
        assert!(signed.check_scope("eks", "q").is_err());
        assert!(signed.check_scope("ec2", "r").is_err());
        // Commas alone separate, too.
        assert!(parse(&ask(&HEADER.replace(", ", ","), "20260102T030405Z", "")).is_ok());
    }

    #[test]
    fn no_signature_is_not_the_same_as_a_bad_one() {
        assert_eq!(parse(&ask("", "", "")).unwrap_err(), SigError::Missing);
        assert_eq!(parse(&ask("", "", "X-Amz-Date=x")).unwrap_err(), SigError::Missing);
        for (header, date) in [
            ("Basic abc", "20260102T030405Z"),
            ("AWS4-HMAC-SHA256", "20260102T030405Z"),
            (HEADER, ""),
            (HEADER, "2026-01-02T03:04"),
            (&HEADER.replace("host;", "a;"), "20260102T030405Z"),
            (&HEADER.replace("host;x-amz-date", "x-amz-date;host"), "20260102T030405Z"),
            (&HEADER.replace("host;x-amz-date", "host"), "20260102T030405Z"),
            (&HEADER.replace("/eks", ""), "20260102T030405Z"),
            (&HEADER.replace("aws4_request", "aws5_request"), "20260102T030405Z"),
        ] {
            let error = parse(&ask(header, date, "")).unwrap_err();
            assert!(matches!(error, SigError::Incomplete(_)), "{header} {date}: {error}");
        }
        let error = parse(&ask(HEADER, "20260103T030405Z", "")).unwrap_err();
        assert!(error.to_string().ends_with("'20260102' != '20260103T030405Z'."), "{error}");
    }

    #[test]
    fn a_presigned_url_lives_a_week_at_most() {
        let query = |expires: &str| {
            format!(
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260102%2Fr%2Fsts%2Faws4_request\
                 &X-Amz-Date=20260102T030405Z&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=ab"
            )
        };
        assert_eq!(parse(&ask("", "", &query("604800"))).unwrap().form, Form::Presigned { expires: 604_800 });
        for expires in ["604801", "0", "-1", "", "x", "99999999999999999999"] {
            assert!(matches!(parse(&ask("", "", &query(expires))), Err(SigError::Incomplete(_))), "{expires}");
        }
        // Others may say otherwise.
        let own = |expires: &str| parse_presigned(&ask("", "", &query(expires)), 0..=900);
        assert_eq!(own("0").unwrap().form, Form::Presigned { expires: 0 });
        assert!(own("900").is_ok() && own("901").is_err() && own("-1").is_err());
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(tail in "(Credential=|SignedHeaders=|[/,;]|.){0,24}", date in ".{0,18}") {
            let header = format!("AWS4-HMAC-SHA256 {tail}");
            let _ = parse(&ask(&header, &date, ""));
        }

        #[test]
        fn no_query_makes_it_panic(tail in "(X-Amz-Algorithm=AWS4-HMAC-SHA256|X-Amz-Date=|[&%]|.){0,24}") {
            let _ = parse(&ask("", "", &tail));
        }
    }
}
