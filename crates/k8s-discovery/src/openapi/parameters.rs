//! The parameters that requests take, by what a request does.

use super::operation::{Form, Parameter, Place};
use std::borrow::Cow;

/// A parameter's name, form, description and the first minor that has it.
type Row = (&'static str, Form, &'static str, u8);

const LIST: [Row; 11] = [
    (
        "allowWatchBookmarks",
        Form::Boolean,
        "Whether a watch may send bookmarks: events of type BOOKMARK that carry nothing but a resource version.",
        0,
    ),
    (
        "continue",
        Form::Text,
        "Where to go on: the token of the page before. It ages, and is then answered with status 410.",
        0,
    ),
    ("fieldSelector", Form::Text, "Selects objects by their fields.", 0),
    ("labelSelector", Form::Text, "Selects objects by their labels.", 0),
    (
        "limit",
        Form::Integer,
        "How many objects an answer has at most; what is left is found by the token that it carries.",
        0,
    ),
    ("resourceVersion", Form::Text, "Which versions of the objects will do; see the API concepts of Kubernetes.", 0),
    ("resourceVersionMatch", Form::Text, "How resourceVersion is meant for lists: Exact or NotOlderThan.", 0),
    (
        "sendInitialEvents",
        Form::Boolean,
        "Whether a watch begins with an event for each object that is there, closed by a bookmark.",
        27,
    ),
    ("shardSelector", Form::Text, "Selects objects by the range that a hash of one of their fields is in.", 36),
    ("timeoutSeconds", Form::Integer, "After how many seconds a list or watch ends.", 0),
    ("watch", Form::Boolean, "Whether to be told of changes, event by event, instead of getting a list.", 0),
];

const DRY_RUN: Row = ("dryRun", Form::Text, "All: do everything but keep the result.", 0);
const FIELD_MANAGER: Row =
    ("fieldManager", Form::Text, "Who makes the change, as it is remembered for every field that it sets.", 0);
const FIELD_VALIDATION: Row = (
    "fieldValidation",
    Form::Text,
    "What becomes of unknown and duplicate fields: Ignore drops them, Warn also says so in a header, Strict refuses the request.",
    0,
);
const FORCE: Row =
    ("force", Form::Boolean, "Whether an apply takes fields that others manage; for apply patches only.", 0);
const PRETTY: Row = ("pretty", Form::Text, "Whether the answer is indented, for people.", 0);
const RESOURCE_VERSION: Row =
    ("resourceVersion", Form::Text, "Which versions of the object will do; see the API concepts of Kubernetes.", 0);

const DELETE: [Row; 5] = [
    DRY_RUN,
    ("gracePeriodSeconds", Form::Integer, "How long the object may take to end; zero deletes it at once.", 0),
    (
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        Form::Boolean,
        "Whether to delete what can't be read. Finalizers and preconditions are passed over, which may break the cluster.",
        32,
    ),
    ("orphanDependents", Form::Boolean, "Deprecated: use propagationPolicy.", 0),
    ("propagationPolicy", Form::Text, "What becomes of the object's dependents: Orphan, Background or Foreground.", 0),
];

const STREAMS: [Row; 5] = [
    ("container", Form::Text, "Which container; the pod's only one where it is left out.", 0),
    ("stderr", Form::Boolean, "Whether standard error is passed on.", 0),
    ("stdin", Form::Boolean, "Whether standard input is passed on.", 0),
    ("stdout", Form::Boolean, "Whether standard output is passed on.", 0),
    ("tty", Form::Boolean, "Whether there is a terminal.", 0),
];

const COMMAND: Row = ("command", Form::Text, "What to run, without a shell; given once for each word.", 0);
const PORTS: Row = ("ports", Form::Integer, "Which ports to forward; needed where WebSockets are used.", 0);
const PROXIED: Row = ("path", Form::Text, "Where in what is proxied to go.", 0);

const LOG: [Row; 9] = [
    ("container", Form::Text, "Which container; the pod's only one where it is left out.", 0),
    ("follow", Form::Boolean, "Whether to go on as the log grows.", 0),
    ("insecureSkipTLSVerifyBackend", Form::Boolean, "Whether the node's certificate is taken unseen.", 0),
    ("limitBytes", Form::Integer, "How many bytes of the log are answered at most.", 0),
    ("previous", Form::Boolean, "Whether the log of the container's run before is meant.", 0),
    ("sinceSeconds", Form::Integer, "How many seconds back the log begins.", 0),
    ("stream", Form::Text, "Which stream: All, Stdout or Stderr.", 32),
    ("tailLines", Form::Integer, "How many lines from its end the log begins.", 0),
    ("timestamps", Form::Boolean, "Whether each line begins with its time.", 0),
];

/// Which options a request takes in its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Options {
    /// None.
    None,
    /// To read one object of a custom resource.
    Read,
    /// A list.
    List,
    /// A watch of a list, at a path of its own.
    Watch,
    /// A collection's deletion.
    DeleteCollection,
    /// An object's deletion.
    Delete,
    /// A new object, or another in its place.
    Write,
    /// A patch.
    Patch,
    /// A pod's log.
    Log,
    /// A connection, by the subresource's name.
    Connect(Connection),
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Attach,
    Exec,
    PortForward,
    Proxy,
}

/// The options of a request in a minor; a custom resource's deletion of a collection takes no options of deletion.
pub fn options(of: Options, minor: u8, custom: bool) -> Vec<Parameter> {
    let rows: Vec<Row> = match of {
        Options::None => Vec::new(),
        Options::Read => vec![RESOURCE_VERSION],
        Options::List | Options::Watch => LIST.into(),
        Options::DeleteCollection if custom => LIST.into(),
        Options::DeleteCollection => {
            let is_for_watches = |name: &str| matches!(name, "allowWatchBookmarks" | "watch");
            let mut rows: Vec<Row> = LIST.into_iter().filter(|(name, ..)| !is_for_watches(name)).collect();
            rows.extend(DELETE);
            rows
        }
        Options::Delete => DELETE.into(),
        Options::Write => vec![DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION],
        Options::Patch => vec![DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, FORCE],
        Options::Log => LOG.into(),
        Options::Connect(Connection::Attach) => STREAMS.into(),
        Options::Connect(Connection::Exec) => std::iter::once(COMMAND).chain(STREAMS).collect(),
        Options::Connect(Connection::PortForward) => vec![PORTS],
        Options::Connect(Connection::Proxy) => vec![PROXIED],
    };
    let mut parameters: Vec<Parameter> = rows.into_iter().filter(|(.., since)| minor >= *since).map(query).collect();
    if !matches!(of, Options::Connect(_)) {
        parameters.push(query(PRETTY));
    }
    parameters.sort_by_key(|it| it.name);
    parameters
}

fn query((name, form, description, _): Row) -> Parameter {
    Parameter { name, place: Place::Query, form, description: Cow::Borrowed(description) }
}

/// The name in a path.
pub fn name(kind: &str) -> Parameter {
    Parameter {
        name: "name",
        place: Place::Path,
        form: Form::Text,
        description: Cow::Owned(format!("name of the {kind}")),
    }
}

/// The namespace in a path.
pub fn namespace() -> Parameter {
    let description = Cow::Borrowed("the namespace that the object lies in");
    Parameter { name: "namespace", place: Place::Path, form: Form::Text, description }
}

/// What comes after a proxy's own path.
pub fn proxied_path() -> Parameter {
    let description = Cow::Borrowed("path to the resource");
    Parameter { name: "path", place: Place::Path, form: Form::Text, description }
}
