//! What the query of a request says, read strictly: a number that is none is the client's mistake.

use crate::query;
use k8s_registry::{Endpoint, Validation};
use k8s_types::selectors::{FieldLabels, FieldSelector, LabelSelector};
use k8s_types::status::quote;
use k8s_types::{Errors, FieldError, Path, Status};
use std::num::IntErrorKind;
use std::time::Duration;

/// Which state a list may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// Exactly that one.
    Exact,
    /// That one or a later one.
    NotOlderThan,
}

/// The options of lists and watches.
#[derive(Debug)]
pub struct ListOptions {
    /// Which labels.
    pub labels: LabelSelector,
    /// Which fields.
    pub fields: FieldSelector,
    /// At most so many; 0 is no limit.
    pub limit: usize,
    /// Where to go on.
    pub continue_text: String,
    /// The resource version as it was given.
    pub resource_version: Option<u64>,
    /// How it is meant.
    pub version_match: Option<Match>,
    /// Whether a watcher wants to hear of progress.
    pub bookmarks: bool,
    /// Whether a watch begins with what there is.
    pub initial_events: Option<bool>,
    /// How long a watch may last.
    pub timeout: Option<Duration>,
}

/// A number of a query.
///
/// # Errors
/// 400.
pub fn integer(query: &str, name: &str) -> Result<Option<i64>, Box<Status>> {
    let Some(text) = query::value(query, name).filter(|it| !it.is_empty()) else { return Ok(None) };
    let parsed = text.parse::<i64>().map(Some);
    parsed.map_err(|error| {
        let why = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        Box::new(Status::bad_request(format!("strconv.ParseInt: parsing {}: {why}", quote(&text))))
    })
}

/// A boolean of a query, as the API converts it: anything but what says no is yes.
pub fn boolean(query: &str, name: &str) -> Option<bool> {
    let text = query::value(query, name)?;
    Some(!matches!(text.to_lowercase().as_str(), "false" | "0"))
}

impl ListOptions {
    /// Reads the options of a list or watch of an endpoint.
    ///
    /// # Errors
    /// 400 for what can't be read, 422 for what does not go together.
    pub fn parse(query: &str, endpoint: &Endpoint, watch: bool) -> Result<Self, Box<Status>> {
        let text = |name: &str| query::value(query, name).unwrap_or_default();
        let limit = integer(query, "limit")?.unwrap_or(0);
        let timeout = integer(query, "timeoutSeconds")?;
        let resource = endpoint.resource();
        let minor = u32::from(endpoint.release().minor());
        let known = FieldLabels::of(&resource.group, &resource.version, &resource.kind, minor);
        let labels = LabelSelector::parse(&text("labelSelector")).map_err(|error| Box::new(Status::from(error)))?;
        let fields =
            FieldSelector::parse(&text("fieldSelector"), &known).map_err(|error| Box::new(Status::from(error)))?;
        let version_match = match text("resourceVersionMatch").as_str() {
            "" => None,
            "Exact" => Some(Match::Exact),
            "NotOlderThan" => Some(Match::NotOlderThan),
            other => {
                let known = ["Exact", "NotOlderThan", ""];
                let error = FieldError::not_supported(&Path::new("resourceVersionMatch"), other, &known);
                return Err(invalid(&[error]));
            }
        };
        let version = text("resourceVersion");
        let initial_events = boolean(query, "sendInitialEvents");
        let continue_text = text("continue");
        let errors = contradictions(&version, version_match, &continue_text, initial_events, watch);
        if !errors.is_empty() {
            return Err(invalid(&errors));
        }
        if !continue_text.is_empty() && !version.is_empty() && version != "0" {
            return Err(Box::new(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            )));
        }
        Ok(Self {
            labels,
            fields,
            limit: usize::try_from(limit).unwrap_or(0),
            continue_text,
            resource_version: resource_version(&version)?,
            version_match,
            bookmarks: boolean(query, "allowWatchBookmarks").unwrap_or(false),
            initial_events,
            timeout: timeout.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0).map(Duration::from_secs),
        })
    }

    /// Whether every object is picked.
    pub fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// Whether an object is picked.
    pub fn matches(&self, object: &serde_json::Value) -> bool {
        self.labels.matches_object(object) && self.fields.matches(object)
    }
}

/// A resource version that a client sent; none for the empty text.
///
/// # Errors
/// 400 for one that is none.
pub fn resource_version(text: &str) -> Result<Option<u64>, Box<Status>> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse::<u64>().map(Some);
    parsed.map_err(|_| {
        let detail = format!("strconv.ParseUint: parsing {}: invalid syntax", quote(text));
        let error = FieldError::invalid(&Path::new("resourceVersion"), text, &detail);
        Box::new(Status::bad_request(format!("invalid resource version: {error}")))
    })
}

fn contradictions(
    version: &str,
    version_match: Option<Match>,
    continue_text: &str,
    initial_events: Option<bool>,
    watch: bool,
) -> Errors {
    let mut errors = Errors::new();
    let path = Path::new("resourceVersionMatch");
    if watch {
        match (initial_events, version_match) {
            (None, Some(_)) => {
                let text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                errors.push(FieldError::forbidden(&path, text));
            }
            (Some(_), Some(Match::NotOlderThan)) | (None, None) => {}
            (Some(_), _) => {
                let text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                errors.push(FieldError::forbidden(&path, text));
            }
        }
        return errors;
    }
    if initial_events.is_some() {
        let text = "sendInitialEvents is forbidden for list";
        errors.push(FieldError::forbidden(&Path::new("sendInitialEvents"), text));
    }
    if version_match.is_some() {
        if version.is_empty() {
            let text = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden(&path, text));
        }
        if !continue_text.is_empty() {
            let text = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden(&path, text));
        }
        if version_match == Some(Match::Exact) && version == "0" {
            let text = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(&path, text));
        }
    }
    errors
}

fn invalid(errors: &[FieldError]) -> Box<Status> {
    Box::new(Status::invalid("meta.k8s.io", "ListOptions", "", errors))
}

/// The options of writes.
#[derive(Debug)]
pub struct WriteOptions {
    /// Write nothing.
    pub dry_run: bool,
    /// What becomes of unknown fields.
    pub validation: Validation,
    /// Whether an apply takes fields of others.
    pub force: Option<bool>,
    /// The field manager, if the client names it.
    pub manager: Option<String>,
}

impl WriteOptions {
    /// Reads the options of a write; `kind` is what they are called.
    ///
    /// # Errors
    /// 422.
    pub fn parse(query: &str, kind: &str, is_apply: bool, is_patch: bool) -> Result<Self, Box<Status>> {
        let mut errors = Errors::new();
        let dry_run: Vec<String> = query::values(query, "dryRun").filter(|it| !it.is_empty()).collect();
        if dry_run.iter().any(|it| it != "All") {
            errors.push(FieldError::not_supported(&Path::new("dryRun"), serde_json::json!(dry_run), &["All"]));
        }
        let force = query::value(query, "force").filter(|it| !it.is_empty()).map(|it| query::is_true(&it));
        if is_patch && !is_apply && force.is_some() {
            let text = "may not be specified for non-apply patch";
            errors.push(FieldError::forbidden(&Path::new("force"), text));
        }
        let manager = query::value(query, "fieldManager").filter(|it| !it.is_empty());
        if let Some(manager) = &manager {
            manager_errors(manager, &mut errors);
        } else if is_apply {
            let text = "is required for apply patch";
            errors.push(FieldError::required(&Path::new("fieldManager"), text));
        }
        let validation = match query::value(query, "fieldValidation").as_deref() {
            None | Some("") | Some("Warn") => Validation::Warn,
            Some("Ignore") => Validation::Ignore,
            Some("Strict") => Validation::Strict,
            Some(other) => {
                let path = Path::new("fieldValidation");
                errors.push(FieldError::not_supported(&path, other, &["", "Ignore", "Strict", "Warn"]));
                Validation::Warn
            }
        };
        if errors.is_empty() {
            return Ok(Self { dry_run: !dry_run.is_empty(), validation, force, manager });
        }
        Err(Box::new(Status::invalid("meta.k8s.io", kind, "", &errors)))
    }
}

fn manager_errors(manager: &str, errors: &mut Errors) {
    let path = Path::new("fieldManager");
    if manager.len() > k8s_patch::managed::MAX_NAME {
        errors.push(FieldError::too_long(&path, k8s_patch::managed::MAX_NAME));
    }
    for (at, c) in manager.char_indices() {
        if c.is_control() {
            let text = format!("invalid character {} at index {at}", quote(&c.to_string()));
            errors.push(FieldError::invalid(&path, manager, &text));
            break;
        }
    }
}
