//! XML text: small enough to write by hand, and faster than events.

/// Appends text, escaped. Characters that XML 1.0 has no form for, not even an escaped one, become U+FFFD, so that
/// every answer can be parsed.
pub fn text(out: &mut String, text: &str) {
    let mut rest = 0;
    for (i, c) in text.char_indices() {
        let escaped = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            // Only attributes need it.
            '"' => "&quot;",
            // A parser would read a bare one as a line feed.
            '\r' => "&#13;",
            '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'.. => continue,
            _ => "\u{fffd}",
        };
        out.push_str(&text[rest..i]);
        out.push_str(escaped);
        rest = i + c.len_utf8();
    }
    out.push_str(&text[rest..]);
}

/// Appends `<name>text</name>`.
pub fn element(out: &mut String, name: &str, value: &str) {
    open(out, name);
    text(out, value);
    close(out, name);
}

/// Appends `<name>`. Names come from models, never from users.
pub fn open(out: &mut String, name: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

/// Appends `</name>`.
pub fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::Event;

    /// The text of a document with one element.
    fn read(document: &str) -> String {
        let mut reader = Reader::from_str(document);
        let mut out = String::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Text(text) => out.push_str(&text.xml10_content()),
                Event::GeneralRef(name) => match name.resolve_char_ref().unwrap() {
                    Some(c) => out.push(c),
                    None => out.push_str(quick_xml::escape::resolve_predefined_entity(&name.xml10_content()).unwrap()),
                },
                Event::Eof => return out,
                _ => {}
            }
        }
    }

    #[test]
    fn markup_and_control_characters_are_escaped() {
        let mut out = String::new();
        text(&mut out, "a<b>&\"'\r\n\t\u{1}\u{ffff}é😀");
        assert_eq!(out, "a&lt;b&gt;&amp;&quot;'&#13;\n\t\u{fffd}\u{fffd}é😀");
    }

    proptest! {
        #[test]
        fn a_reader_gets_the_text_back(value in "[\\PC\t\n\r<>&\"']{0,64}") {
            let mut out = String::new();
            element(&mut out, "x", &value);
            prop_assert_eq!(read(&out), value.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"));
        }
    }
}
