//! Finds a REST operation by method and path. Paths are split before they are decoded: `%2F` is part of a value.

use std::collections::HashMap;

/// Where a path leads, and the values of its labels.
pub type Match<'a, T> = (&'a T, Vec<(&'a str, String)>);

/// All routes of a service. A lookup looks only at routes with the same method and number of segments, literals first.
#[derive(Debug)]
pub struct Routes<T> {
    by_form: HashMap<(String, usize), Vec<Route<T>>>,
}

#[derive(Debug)]
struct Route<T> {
    segments: Vec<Segment>,
    target: T,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    Label(String),
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { by_form: HashMap::new() }
    }
}

impl<T> Routes<T> {
    /// Adds a route as the models write it (`/clusters/{name}`). Returns false for forms that are not supported:
    /// greedy labels, and query strings inside the path.
    #[must_use]
    pub fn add(&mut self, method: &str, uri: &str, target: T) -> bool {
        if uri.contains('?') || uri.contains("+}") {
            return false;
        }
        let segments: Vec<Segment> = split(uri)
            .map(|part| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
                Some(label) => Segment::Label(label.to_owned()),
                None => Segment::Literal(part.to_owned()),
            })
            .collect();
        let routes = self.by_form.entry((method.to_owned(), segments.len())).or_default();
        routes.push(Route { segments, target });
        routes.sort_by_key(|r| r.segments.iter().filter(|s| matches!(s, Segment::Label(_))).count());
        true
    }

    /// The route for a raw path. An empty segment never fills a label; a label that is not UTF-8 matches nothing.
    pub fn find(&self, method: &str, raw_path: &str) -> Option<Match<'_, T>> {
        let parts: Vec<&str> = split(raw_path).collect();
        let routes = self.by_form.get(&(method.to_owned(), parts.len()))?;
        routes.iter().find_map(|route| Some((&route.target, route.labels(&parts)?)))
    }
}

impl<T> Route<T> {
    fn labels(&self, parts: &[&str]) -> Option<Vec<(&str, String)>> {
        let mut labels = Vec::new();
        for (segment, part) in self.segments.iter().zip(parts) {
            match segment {
                Segment::Literal(text) if text == part => {}
                Segment::Label(name) if !part.is_empty() => labels.push((name.as_str(), percent_decode(part)?)),
                _ => return None,
            }
        }
        Some(labels)
    }
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// Decodes `%XX`; anything else stays. `None` when the result is not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escape = if bytes[i] == b'%' { bytes.get(i + 1).zip(bytes.get(i + 2)) } else { None };
        match escape.and_then(|(&h, &l)| Some((hex(h)? << 4) | hex(l)?)) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes<&'static str> {
        let mut routes = Routes::default();
        assert!(routes.add("GET", "/clusters/{name}", "describe"));
        assert!(routes.add("GET", "/clusters/special", "special"));
        assert!(routes.add("GET", "/clusters", "list"));
        assert!(!routes.add("GET", "/all/{key+}", "greedy"));
        routes
    }

    #[test]
    fn values_are_decoded_after_the_split() {
        let routes = routes();
        let (target, labels) = routes.find("GET", "/clusters/a%2Fb%20+c").unwrap();
        assert_eq!((*target, labels), ("describe", vec![("name", "a/b +c".to_owned())]));
    }

    #[test]
    fn literals_win_over_labels() {
        assert_eq!(routes().find("GET", "/clusters/special").unwrap().0, &"special");
    }

    #[test]
    fn what_does_not_fit_is_not_found() {
        let routes = routes();
        for (method, path) in
            [("POST", "/clusters"), ("GET", "/clusters/"), ("GET", "/x"), ("GET", ""), ("GET", "/clusters/%ff")]
        {
            assert!(routes.find(method, path).is_none(), "{method} {path}");
        }
    }

    #[test]
    fn a_broken_escape_stays_as_it_is() {
        assert_eq!(percent_decode("100%").as_deref(), Some("100%"));
        assert_eq!(percent_decode("%zz%4").as_deref(), Some("%zz%4"));
    }
}
