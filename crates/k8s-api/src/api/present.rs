//! Objects and lists in the shape and the media type that the client takes.

use crate::api::documents::Documents;
use crate::negotiate::{Format, Media, Shape};
use crate::respond::{self, Body};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{CONTENT_ENCODING, HeaderValue, VARY};
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use k8s_print::{IncludeObject, Printer, TableOptions};
use k8s_registry::{Endpoint, List, Registry, Stored};
use k8s_types::Status;
use k8s_types::release::Release;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Bodies from this size on are compressed for those who take it.
pub const WORTH_COMPRESSING: usize = 128 * 1024;

/// How answers are made for one request.
pub struct Presenter<'a> {
    /// The cluster.
    pub registry: &'a Registry,
    /// What it tells of itself.
    pub documents: &'a Documents,
    /// What the client takes.
    pub format: Format,
    /// What tables show of each object.
    pub include: IncludeObject,
    /// The time of the request.
    pub now: Timestamp,
}

impl Presenter<'_> {
    fn release(&self) -> &Release {
        self.registry.catalog().release()
    }

    /// Answers with an object as it lies in the store, without reading it where that is not needed.
    ///
    /// # Errors
    /// 406 for a shape that an object has not.
    pub fn stored(&self, endpoint: &Endpoint, stored: &Stored) -> Result<Response<Body>, Box<Status>> {
        let plain = self.format.media == Media::Json
            && self.format.shape == Shape::Whole
            && self.format.layout == respond::Layout::Compact
            && !endpoint.is_converted();
        if !plain {
            return self.object(StatusCode::OK, endpoint, &self.registry.read(endpoint, stored));
        }
        let mut body = Vec::with_capacity(stored.bytes.len() + endpoint.head.len() + 48);
        stored.write(&endpoint.head, &mut body);
        body.push(b'\n');
        Ok(self.body(StatusCode::OK, Media::Json.name(), body))
    }

    /// Answers with an object.
    ///
    /// # Errors
    /// 406 for a shape that an object has not.
    pub fn object(
        &self,
        status: StatusCode,
        endpoint: &Endpoint,
        object: &Value,
    ) -> Result<Response<Body>, Box<Status>> {
        match self.format.shape {
            Shape::Whole => self.value(status, object),
            Shape::Partial(version) => self.value(status, &k8s_print::partial_object_metadata(object, version)),
            Shape::Table(version) => {
                let metadata = json!({"resourceVersion": object.pointer("/metadata/resourceVersion")});
                self.value(status, &self.table(endpoint, &[object], metadata, version, true))
            }
            Shape::PartialList(_) => Err(unsuitable(endpoint, "PartialObjectMetadataList", "not a list", "")),
        }
    }

    /// Answers with the Scale of an object, which has columns of its own.
    ///
    /// # Errors
    /// 406 for a shape that a Scale has not.
    pub fn scale(&self, status: StatusCode, scale: &Value) -> Result<Response<Body>, Box<Status>> {
        let Shape::Table(version) = self.format.shape else { return self.value(status, scale) };
        let metadata = json!({"resourceVersion": scale.pointer("/metadata/resourceVersion")});
        self.value(status, &self.table_of(("autoscaling", "Scale"), &[scale], metadata, version, true))
    }

    /// Answers with a list.
    ///
    /// # Errors
    /// 406 for a shape that a list has not.
    pub fn list(&self, endpoint: &Endpoint, list: &List) -> Result<Response<Body>, Box<Status>> {
        let resource = endpoint.resource();
        let objects = || -> Vec<Value> { list.items.iter().map(|it| self.registry.read(endpoint, it)).collect() };
        let metadata = metadata(list);
        match self.format.shape {
            Shape::Whole if self.format.media == Media::Json && !endpoint.is_converted() => {
                let mut body = list_head(endpoint, &metadata);
                for (index, item) in list.items.iter().enumerate() {
                    if index > 0 {
                        body.push(b',');
                    }
                    item.write(b"{", &mut body);
                }
                body.extend_from_slice(b"]}\n");
                if self.format.layout == respond::Layout::Indented {
                    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
                    return self.value(StatusCode::OK, &value);
                }
                Ok(self.body(StatusCode::OK, Media::Json.name(), body))
            }
            Shape::Whole => {
                let typed = self.format.media == Media::Protobuf;
                let items: Vec<Value> = objects().into_iter().map(|it| if typed { it } else { untyped(it) }).collect();
                let list = json!({"kind": format!("{}List", resource.kind), "apiVersion": endpoint.api_version,
                    "metadata": metadata, "items": items});
                self.value(StatusCode::OK, &list)
            }
            Shape::Table(version) => {
                let objects = objects();
                let objects: Vec<&Value> = objects.iter().collect();
                self.value(StatusCode::OK, &self.table(endpoint, &objects, metadata, version, true))
            }
            Shape::PartialList(version) => {
                let objects = objects();
                let list = k8s_print::partial_object_metadata_list(objects.iter(), metadata, version);
                self.value(StatusCode::OK, &list)
            }
            Shape::Partial(_) => Err(unsuitable(endpoint, "PartialObjectMetadata", "a list", "List")),
        }
    }

    /// A table of objects; `heads` is whether it tells of its columns.
    pub fn table(&self, endpoint: &Endpoint, objects: &[&Value], metadata: Value, version: &str, heads: bool) -> Value {
        let resource = endpoint.resource();
        self.table_of((&resource.group, &resource.kind), objects, metadata, version, heads)
    }

    fn table_of(
        &self,
        (group, kind): (&str, &str),
        objects: &[&Value],
        metadata: Value,
        version: &str,
        heads: bool,
    ) -> Value {
        let minor = u32::from(self.release().minor());
        let printer = Printer::new(group, kind, minor);
        let mut objects = objects.to_vec();
        printer.sort(&mut objects);
        let describe = |definition: &str, field: &str| self.documents.describe(definition, field);
        let definitions = k8s_print::column_definitions(printer.columns(), describe);
        let rows = objects.into_iter().map(|it| (printer.row(it, self.now), it));
        let options =
            TableOptions { version, include: self.include, headers: heads, empty_is_null: printer.empty_is_null() };
        k8s_print::table(&definitions, rows, metadata, options)
    }

    /// Answers with anything that has a kind.
    ///
    /// # Errors
    /// 406 for a kind that has no protobuf form.
    pub fn value(&self, status: StatusCode, value: &Value) -> Result<Response<Body>, Box<Status>> {
        let body = match self.format.media {
            Media::Json => return Ok(self.body(status, Media::Json.name(), self.format.layout.write(value))),
            Media::Yaml => yaml(value),
            Media::Protobuf => match k8s_types::protobuf::encode(value, self.release()) {
                Ok(body) => body,
                Err(error) => {
                    let text = format!("object does not implement the protobuf marshalling interface: {error}");
                    return Err(Box::new(Status::failure(406, "NotAcceptable", text, None)));
                }
            },
        };
        Ok(self.body(status, self.format.media.name(), body))
    }

    fn body(&self, status: StatusCode, media: &'static str, body: Vec<u8>) -> Response<Body> {
        if !self.format.gzip || body.len() < WORTH_COMPRESSING {
            return respond::full(status, media, body.into());
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
        // Writing to memory can't fail.
        let _ = encoder.write_all(&body);
        let mut response = respond::full(status, media, encoder.finish().unwrap_or_default().into());
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        response
    }
}

/// What is asked for has not the shape that is wanted. Clients know it by the name of upstream's type.
fn unsuitable(endpoint: &Endpoint, wanted: &str, what: &str, suffix: &str) -> Box<Status> {
    let resource = endpoint.resource();
    let package = resource.group.split('.').next().filter(|it| !it.is_empty()).unwrap_or("core");
    let message =
        format!("you requested {wanted}, but the requested object is {what} (*{package}.{}{suffix})", resource.kind);
    Box::new(Status::failure(406, "NotAcceptable", message, None))
}

/// A list's own metadata.
pub fn metadata(list: &List) -> Value {
    let mut metadata = Map::new();
    metadata.insert("resourceVersion".to_owned(), Value::from(list.revision.to_string()));
    if !list.continue_token.is_empty() {
        metadata.insert("continue".to_owned(), Value::from(list.continue_token.clone()));
    }
    if let Some(remaining) = list.remaining.filter(|it| *it > 0) {
        metadata.insert("remainingItemCount".to_owned(), Value::from(remaining));
    }
    Value::Object(metadata)
}

/// What a list's JSON begins with, up to its first item.
pub fn list_head(endpoint: &Endpoint, metadata: &Value) -> Vec<u8> {
    let kind = &endpoint.resource().kind;
    let head = format!(
        "{{\"kind\":\"{kind}List\",\"apiVersion\":\"{}\",\"metadata\":{metadata},\"items\":[",
        endpoint.api_version
    );
    head.into_bytes()
}

/// An item of a list says neither its kind nor its version: the list does.
pub fn untyped(mut object: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.shift_remove("kind");
        members.shift_remove("apiVersion");
    }
    object
}

/// JSON as YAML. Keys are sorted, as the API's library writes them.
fn yaml(value: &Value) -> Vec<u8> {
    crate::yaml::write(value).into_bytes()
}
