//! Building and reading netlink messages: a header, a fixed part, nested attributes. All of it is padded to 4 bytes.

const HEADER: usize = 16;
const NESTED: u16 = 0x8000;

/// One request, complete but for its sequence number.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A message of `kind` with the kernel's `flags` and its fixed part.
    pub(crate) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(fixed);
        let mut it = Self { bytes };
        it.pad();
        it
    }

    /// Adds an attribute.
    pub(crate) fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.close(start);
        self
    }

    /// Adds a number in the machine's order.
    pub(crate) fn u32(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// Adds a text with the zero at its end.
    pub(crate) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes)
    }

    /// Adds an attribute that holds what `fill` adds.
    pub(crate) fn nest(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.open(kind | NESTED);
        let mut filled = fill(self);
        filled.close(start);
        filled
    }

    /// Adds bytes as they are: the fixed part of a message inside an attribute.
    pub(crate) fn raw(mut self, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(value);
        self.pad();
        self
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) {
        // An attribute's length is 16 bits wide; ours stay far below (names, addresses, one peer description).
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        let length = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(length, 0);
    }

    /// Appends the message to `out` under the sequence number.
    pub(crate) fn write(&self, sequence: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        out[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        out[start + 8..start + 12].copy_from_slice(&sequence.to_ne_bytes());
    }

    /// How many bytes it takes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the kernel answers with a list instead of an acknowledgement.
    pub(crate) fn is_dump(&self) -> bool {
        u16_at(&self.bytes, 6).is_some_and(|flags| flags & 0x300 == 0x300 && self.is_get())
    }

    fn is_get(&self) -> bool {
        // rtnetlink numbers its verbs new, del, get, set; netfilter's lists are asked by messages 1 of either table.
        match u16_at(&self.bytes, 4) {
            Some(kind) if kind < 256 => kind % 4 == 2,
            Some(kind) => kind & 0xff == 1,
            None => false,
        }
    }
}

/// One message as received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) port: u32,
    pub(crate) body: &'a [u8],
}

/// The messages of a datagram; what is cut short ends the list.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let message = bytes.get(..length)?;
        let body = message.get(HEADER..)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind: u16_at(message, 4)?,
            flags: u16_at(message, 6)?,
            sequence: u32_at(message, 8)?,
            port: u32_at(message, 12)?,
            body,
        })
    })
}

/// The attributes in some bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// Those behind a fixed part of `fixed` bytes.
    pub(crate) fn after(body: &'a [u8], fixed: usize) -> Self {
        Self(body.get(fixed.next_multiple_of(4)..).unwrap_or_default())
    }

    /// All of them as (kind, value).
    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let length = usize::from(u16_at(rest, 0)?);
            let kind = u16_at(rest, 2)? & 0x3fff;
            let value = rest.get(4..length)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some((kind, value))
        })
    }

    /// The first of a kind.
    pub(crate) fn find(self, kind: u16) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The attributes within the first of a kind.
    pub(crate) fn within(self, kind: u16) -> Attributes<'a> {
        Attributes(self.find(kind).unwrap_or_default())
    }

    /// A number in the machine's order.
    pub(crate) fn u32(self, kind: u16) -> Option<u32> {
        u32_at(self.find(kind)?, 0)
    }

    /// A text up to its zero.
    pub(crate) fn text(self, kind: u16) -> Option<String> {
        let bytes = self.find(kind)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    /// An IPv4 address.
    pub(crate) fn ipv4(self, kind: u16) -> Option<std::net::Ipv4Addr> {
        let octets: [u8; 4] = self.find(kind)?.try_into().ok()?;
        Some(octets.into())
    }
}

/// The 16-bit number at a place, in the machine's order.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The 32-bit number at a place, in the machine's order.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let request = Request::new(16, 5, &[0; 16])
            .text(3, "eth0")
            .u32(4, 9001)
            .nest(18, |it| it.text(1, "veth").nest(2, |it| it.nest(1, |it| it.raw(&[7; 16]).text(3, "peer"))));
        let mut bytes = Vec::new();
        request.write(42, &mut bytes);
        request.write(43, &mut bytes);
        let read: Vec<_> = messages(&bytes).collect();
        assert_eq!(read.iter().map(|it| it.sequence).collect::<Vec<_>>(), [42, 43]);
        let attributes = Attributes::after(read[1].body, 16);
        assert_eq!(attributes.text(3).as_deref(), Some("eth0"));
        assert_eq!(attributes.u32(4), Some(9001));
        let peer = attributes.within(18).within(2).find(1).unwrap();
        assert_eq!(Attributes::after(peer, 16).text(3).as_deref(), Some("peer"));
    }

    #[test]
    fn bytes_cut_short_end_the_list() {
        let mut bytes = Vec::new();
        Request::new(16, 5, &[0; 16]).text(3, "eth0").write(1, &mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(messages(&bytes[..length]).count(), 0, "{length}");
            assert!(Attributes(&bytes[16..length.max(16)]).iter().count() < 6);
        }
    }
}
