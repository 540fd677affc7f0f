//! The head of a column.

/// A column of a kind's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its head; clients print it in capitals.
    pub name: &'static str,
    /// An OpenAPI type, or `date`.
    pub kind: &'static str,
    /// An OpenAPI format; `name` marks what tells the object's name.
    pub format: &'static str,
    /// 0, or 1 for what only wide output shows.
    pub priority: u8,
    /// Where its description is.
    pub description: Description,
    /// The first minor that has it.
    since: u32,
    /// The first minor that has it no more.
    until: u32,
}

/// What a column shows, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Description {
    /// The same as the API's documents say about a field. The definition is that of the newest version of its group
    /// that has it; a minor that does not serve this version has the same definition in an older one.
    Field {
        /// The definition's name, as `io.k8s.api.core.v1.PodSpec`.
        definition: &'static str,
        /// The field's name in it.
        field: &'static str,
    },
    /// A sentence.
    Text(&'static str),
    /// Nothing is said about it.
    None,
}

/// A field of a definition of the API itself: `field!("core.v1.PodSpec", "nodeName")`.
macro_rules! field {
    ($definition:literal, $field:literal) => {
        $crate::column::Description::Field { definition: concat!("io.k8s.api.", $definition), field: $field }
    };
}
pub(crate) use field;

/// A field of an object's metadata.
const fn metadata(field: &'static str) -> Description {
    Description::Field { definition: "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", field }
}

/// The object's name.
pub(crate) const NAME: Column = Column::new("Name", metadata("name")).format("name");
/// How old it is.
pub(crate) const AGE: Column = Column::new("Age", metadata("creationTimestamp"));
/// When it was made, for kinds that nobody wrote columns for.
pub(crate) const CREATED_AT: Column = Column::new("Created At", metadata("creationTimestamp")).kind("date");
/// What a template's containers are called.
pub(crate) const CONTAINERS: Column =
    Column::new("Containers", Description::Text("What the containers of the template are called."));
/// What they run.
pub(crate) const IMAGES: Column =
    Column::new("Images", Description::Text("Which images the containers of the template run."));

impl Column {
    pub(crate) const fn new(name: &'static str, description: Description) -> Self {
        Self { name, kind: "string", format: "", priority: 0, description, since: 0, until: u32::MAX }
    }

    /// A column that is described in our own words.
    pub(crate) const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Description::Text(description))
    }

    const fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    pub(crate) const fn integer(self) -> Self {
        self.kind("integer")
    }

    pub(crate) const fn boolean(self) -> Self {
        self.kind("boolean")
    }

    pub(crate) const fn format(self, format: &'static str) -> Self {
        Self { format, ..self }
    }

    pub(crate) const fn wide(self) -> Self {
        Self { priority: 1, ..self }
    }

    pub(crate) const fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }

    pub(crate) const fn until(self, until: u32) -> Self {
        Self { until, ..self }
    }

    /// Whether `1.minor` has it.
    pub fn is_in(&self, minor: u32) -> bool {
        self.since <= minor && minor < self.until
    }

    /// Whether every minor has it.
    pub(crate) const fn is_in_all(&self) -> bool {
        self.since == 0 && self.until == u32::MAX
    }
}
