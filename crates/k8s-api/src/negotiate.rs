//! What the client takes and what it sends: media types, and the shapes that objects can be shown in.

use crate::query;
use crate::respond::Layout;
use hyper::HeaderMap;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use k8s_types::Status;

/// How objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

/// What the media types are called, in the order in which a refusal lists them.
const MEDIA: [(&str, Media); 3] = [
    ("application/json", Media::Json),
    ("application/yaml", Media::Yaml),
    ("application/vnd.kubernetes.protobuf", Media::Protobuf),
];

/// What an object is shown as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Itself.
    Whole,
    /// A table, in a version of `meta.k8s.io`.
    Table(&'static str),
    /// Its metadata, in a version of `meta.k8s.io`.
    Partial(&'static str),
    /// The metadata of a list's items.
    PartialList(&'static str),
}

/// What the client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The media type.
    pub media: Media,
    /// The shape.
    pub shape: Shape,
    /// How JSON is laid out.
    pub layout: Layout,
    /// Whether a large body may be compressed.
    pub gzip: bool,
}

impl Media {
    /// As it stands in a header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }
}

/// One clause of an Accept header.
struct Clause<'a> {
    media: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: Vec<(&str, &str)> = parts.filter_map(|it| it.split_once('=')).collect();
        let quality = parameters.iter().find(|(name, _)| *name == "q").and_then(|(_, value)| value.parse().ok());
        Self { media, parameters, quality: quality.unwrap_or(1.0) }
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(it, _)| *it == name).map(|(_, value)| *value)
    }

    /// The media type that it takes first. A family (`application/*`) has none: routes are found by whole names.
    fn media(&self) -> Option<Media> {
        let takes = |name: &str| self.media == "*/*" || self.media == name;
        MEDIA.into_iter().find(|(name, _)| takes(name)).map(|(_, media)| media)
    }

    /// The shape that it asks for; `None` for one that there is not.
    fn shape(&self) -> Option<Shape> {
        let Some(wanted) = self.parameter("as") else {
            let is_of_a_shape = self.parameter("g").is_some() || self.parameter("v").is_some();
            return (!is_of_a_shape).then_some(Shape::Whole);
        };
        if self.parameter("g") != Some("meta.k8s.io") {
            return None;
        }
        let version = match self.parameter("v") {
            Some("v1") => "v1",
            Some("v1beta1") => "v1beta1",
            _ => return None,
        };
        match wanted {
            "Table" => Some(Shape::Table(version)),
            "PartialObjectMetadata" => Some(Shape::Partial(version)),
            "PartialObjectMetadataList" => Some(Shape::PartialList(version)),
            _ => None,
        }
    }
}

/// Finds what the client takes among what can be made; `shapes` tells of the shapes other than whole.
///
/// # Errors
/// 406.
pub fn accept(headers: &HeaderMap, query: &str, shapes: bool) -> Result<Format, Box<Status>> {
    let layout = Layout::wanted(query, headers);
    let gzip = accepts_gzip(headers);
    let text = headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok()).collect::<Vec<_>>().join(",");
    if text.trim().is_empty() {
        return Ok(Format { media: Media::Json, shape: Shape::Whole, layout, gzip });
    }
    let mut clauses: Vec<Clause<'_>> = text.split(',').map(str::trim).map(Clause::parse).collect();
    // Stable: clauses of the same quality stay in the client's order.
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    // One of quality 0 comes last, but counts.
    for clause in &clauses {
        let Some(shape) = clause.shape().filter(|it| shapes || *it == Shape::Whole) else { continue };
        if let Some(media) = clause.media() {
            return Ok(Format { media, shape, layout, gzip });
        }
    }
    Err(Box::new(Status::not_acceptable(&MEDIA.map(|(name, _)| name))))
}

/// The media type of a body.
///
/// # Errors
/// 415.
pub fn content_type(headers: &HeaderMap) -> Result<Media, Box<Status>> {
    let text = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if text.is_empty() {
        return Ok(Media::Json);
    }
    let media = text.split(';').next().unwrap_or_default().trim();
    let found = MEDIA.into_iter().find(|(name, _)| media.eq_ignore_ascii_case(name));
    found.map(|(_, media)| media).ok_or_else(|| Box::new(Status::unsupported_media_type(&MEDIA.map(|(name, _)| name))))
}

/// Whether the client takes compressed bodies.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let text = headers.get(ACCEPT_ENCODING).and_then(|it| it.to_str().ok()).unwrap_or_default();
    text.split(',').map(str::trim).any(|it| it == "gzip" || it.starts_with("gzip;") && !it.ends_with("q=0"))
}

/// What a table shows of each object.
///
/// # Errors
/// 400 for what there is not.
pub fn include_object(query: &str) -> Result<k8s_print::IncludeObject, Box<Status>> {
    let Some(text) = query::value(query, "includeObject").filter(|it| !it.is_empty()) else {
        return Ok(k8s_print::IncludeObject::Metadata);
    };
    k8s_print::IncludeObject::parse(&text).ok_or_else(|| {
        Box::new(Status::bad_request(format!("unrecognized includeObject value: {}", k8s_types::status::quote(&text))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &str) -> Option<(Media, Shape)> {
        let headers = HeaderMap::from_iter([(ACCEPT, text.parse().unwrap())]);
        accept(&headers, "", true).ok().map(|it| (it.media, it.shape))
    }

    #[test]
    fn the_first_clause_that_can_be_made_is_taken() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,\
                     application/json";
        assert_eq!(accepted(table), Some((Media::Json, Shape::Table("v1"))));
        assert_eq!(
            accepted("application/vnd.kubernetes.protobuf,application/json"),
            Some((Media::Protobuf, Shape::Whole))
        );
        assert_eq!(accepted("application/json;as=Foo;g=x;v=v1, */*"), Some((Media::Json, Shape::Whole)));
        assert_eq!(accepted("text/html;q=1, application/yaml;q=0.5"), Some((Media::Yaml, Shape::Whole)));
        assert_eq!(accepted("text/html"), None);
        assert_eq!(accepted("application/json;q=0"), Some((Media::Json, Shape::Whole)));
        assert_eq!(accepted("application/*"), None);
        assert_eq!(accepted("application/JSON"), None);
        assert_eq!(accepted("application/json;v=v1;g=meta.k8s.io"), None);
    }
}
