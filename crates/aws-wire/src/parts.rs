//! A request as it came: nothing decoded, because the signature covers the raw bytes.

/// The parts of an HTTP request that signing and decoding look at.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path as sent, still percent-encoded, without the query string.
    pub path: &'a str,
    /// The query string as sent, without `?`; empty when there is none.
    pub query: &'a str,
    /// The headers in order; repeated ones stay apart. HTTP/2's `:authority` must be given as `host`.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> Parts<'a> {
    /// The values of a header. Names compare without case.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The first value of a header, as text; `None` when absent or not UTF-8.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }
}
