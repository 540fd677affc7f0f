//! Writes JSON front to back: the documents are megabytes, and a tree of them would be many times that.

use serde_json::Value;

/// A JSON text in the making. Every value is written once, in the order of the calls.
#[derive(Debug)]
pub struct Json {
    bytes: Vec<u8>,
    /// Whether the next value is the first of its container, or stands behind its key.
    fresh: bool,
}

impl Json {
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity), fresh: true }
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn begin(&mut self) {
        if !self.fresh {
            self.bytes.push(b',');
        }
        self.fresh = false;
    }

    fn quoted(&mut self, text: &str) {
        // Writing to memory does not fail.
        drop(serde_json::to_writer(&mut self.bytes, text));
    }

    fn container(&mut self, ends: [u8; 2], content: impl FnOnce(&mut Self)) {
        self.begin();
        self.bytes.push(ends[0]);
        self.fresh = true;
        content(self);
        self.bytes.push(ends[1]);
        self.fresh = false;
    }

    /// An object, whose content is written by [`Self::key`] and a value in turns.
    pub fn object(&mut self, content: impl FnOnce(&mut Self)) {
        self.container([b'{', b'}'], content);
    }

    /// An array, whose content is values.
    pub fn array(&mut self, content: impl FnOnce(&mut Self)) {
        self.container([b'[', b']'], content);
    }

    /// A key; its value must follow.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.begin();
        self.quoted(name);
        self.bytes.push(b':');
        self.fresh = true;
        self
    }

    pub fn text(&mut self, text: &str) {
        self.begin();
        self.quoted(text);
    }

    pub fn boolean(&mut self, it: bool) {
        self.begin();
        self.bytes.extend_from_slice(if it { b"true" } else { b"false" });
    }

    pub fn value(&mut self, it: &Value) {
        self.begin();
        drop(serde_json::to_writer(&mut self.bytes, it));
    }

    pub fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        self.array(|json| texts.into_iter().for_each(|it| json.text(it)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_json() {
        let mut it = Json::with_capacity(0);
        it.object(|it| {
            it.key("a").array(|it| {
                it.text("x\"y");
                it.object(|_| ());
                it.boolean(true);
            });
            it.key("b").object(|it| it.key("c").value(&json!({"d": [1, null]})));
            it.key("e").texts(["f", "g"]);
        });
        let value: Value = serde_json::from_slice(&it.finish()).unwrap();
        assert_eq!(value, json!({"a": ["x\"y", {}, true], "b": {"c": {"d": [1, null]}}, "e": ["f", "g"]}));
    }
}
