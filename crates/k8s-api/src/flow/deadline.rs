//! How long a request may take. What streams has its own limits; everything else ends within a minute.

use crate::query;
use crate::request::RequestInfo;
use k8s_types::Status;
use k8s_types::status::quote;
use std::time::Duration;

/// The longest that a request takes which does not stream; upstream's limit.
pub const LONGEST: Duration = Duration::from_secs(60);
/// The longest that a request waits for a seat; upstream's limit.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The part of its time that a request may spend waiting, as upstream has it.
const WAITING_PART: u32 = 4;

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// At this time after it came.
    Within(Duration),
    /// When there are no more changes to be told; it waits for a seat until it has begun.
    Watch,
    /// When the client or the other side ends it. It takes no seat.
    Stream,
}

impl Span {
    /// What holds for a request.
    ///
    /// # Errors
    /// When the client asks for a time that is none.
    pub fn of(info: &RequestInfo, query: &str) -> Result<Self, Box<Status>> {
        if info.resource.is_some() && info.verb == "watch" {
            return Ok(Self::Watch);
        }
        if is_stream(info) {
            return Ok(Self::Stream);
        }
        let text = query::value(query, "timeout").unwrap_or_default();
        if text.is_empty() {
            return Ok(Self::Within(LONGEST));
        }
        let nanos = k8s_types::decode::duration::parse(&text).ok_or_else(|| {
            let fault = format!("invalid timeout specified in the request URL - time: {}", fault(&text));
            Box::new(Status::bad_request(fault))
        })?;
        let wanted = Duration::from_nanos(u64::try_from(nanos).unwrap_or_default());
        Ok(Self::Within(if wanted.is_zero() { LONGEST } else { wanted.min(LONGEST) }))
    }

    /// How long it may wait for a seat.
    pub fn patience(self) -> Duration {
        match self {
            Self::Within(time) => time / WAITING_PART,
            Self::Watch | Self::Stream => LONGEST_WAIT,
        }
    }
}

fn is_stream(info: &RequestInfo) -> bool {
    let Some(resource) = &info.resource else { return false };
    info.verb == "proxy" || matches!(resource.subresource.as_str(), "attach" | "exec" | "proxy" | "log" | "portforward")
}

/// What is wrong with a duration, in Go's words.
fn fault(text: &str) -> String {
    let quoted = quote(text);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = unsigned;
    while !rest.is_empty() {
        let after = rest.trim_start_matches(is_number);
        let number = rest.strip_suffix(after).unwrap_or_default();
        if !number.contains(|c: char| c.is_ascii_digit()) || number.matches('.').count() > 1 {
            break;
        }
        let next = after.trim_start_matches(|c| !is_number(c));
        match after.strip_suffix(next).unwrap_or_default() {
            "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h" => rest = next,
            "" => return format!("missing unit in duration {quoted}"),
            unit => return format!("unknown unit {} in duration {quoted}", quote(unit)),
        }
    }
    format!("invalid duration {quoted}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Method;

    fn span(target: &str) -> Result<Span, String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let info = RequestInfo::parse(&Method::GET, path, query).unwrap();
        Span::of(&info, query).map_err(|it| it.message)
    }

    #[test]
    fn a_minute_is_the_longest() {
        let within = |millis| Ok(Span::Within(Duration::from_millis(millis)));
        assert_eq!(span("/version"), within(60_000));
        assert_eq!(span("/api/v1/pods?timeout=1.5s"), within(1_500));
        assert_eq!(span("/api/v1/pods?timeout=0"), within(60_000));
        assert_eq!(span("/api/v1/pods?timeout=-3s"), within(60_000));
        assert_eq!(span("/api/v1/pods?timeout=1h"), within(60_000));
        assert_eq!(span("/api/v1/pods?watch=1&timeout=x"), Ok(Span::Watch));
        assert_eq!(span("/api/v1/namespaces/a/pods/x/log?timeout=x"), Ok(Span::Stream));
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        let refused = |text: &str, fault: &str| {
            let want = format!("invalid timeout specified in the request URL - time: {fault}");
            assert_eq!(span(&format!("/version?timeout={text}")), Err(want));
        };
        refused("x", "invalid duration \"x\"");
        refused("-", "invalid duration \"-\"");
        refused("5", "missing unit in duration \"5\"");
        refused("5s3q", "unknown unit \"q\" in duration \"5s3q\"");
    }
}
