//! Protobuf's own form: numbers of seven bits a byte, fields by number and wire type.

use super::ReadError;

/// A field's value as it lies on the wire.
#[derive(Debug, Clone, Copy)]
pub enum Token<'a> {
    /// A number of seven bits a byte.
    Number(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Four bytes, which no type of ours has.
    Fixed32,
    /// Bytes, a text or a message.
    Data(&'a [u8]),
}

impl<'a> Token<'a> {
    /// The bytes that must be here.
    pub fn data(self) -> Result<&'a [u8], ReadError> {
        match self {
            Self::Data(data) => Ok(data),
            other => Err(ReadError::WireType(other.wire_type())),
        }
    }

    /// The number that must be here.
    pub fn number(self) -> Result<u64, ReadError> {
        match self {
            Self::Number(number) => Ok(number),
            other => Err(ReadError::WireType(other.wire_type())),
        }
    }

    /// Which wire type it has.
    pub fn wire_type(self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Data(_) => 2,
            Self::Fixed32 => 5,
        }
    }
}

/// Reads a message field by field. Holds no more than what it was given.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field's number and value; nothing at the end.
    pub fn next(&mut self) -> Result<Option<(u32, Token<'a>)>, ReadError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| ReadError::Truncated)?;
        let token = match key & 7 {
            0 => Token::Number(self.varint()?),
            1 => Token::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| ReadError::Truncated)?;
                let (data, rest) = self.rest.split_at_checked(length).ok_or(ReadError::Truncated)?;
                self.rest = rest;
                Token::Data(data)
            }
            5 => {
                self.fixed::<4>()?;
                Token::Fixed32
            }
            other => return Err(ReadError::WireType(other as u8)),
        };
        Ok(Some((number, token)))
    }

    /// Numbers one after the other, as packed lists have them; nothing at the end.
    pub fn packed(&mut self) -> Result<Option<u64>, ReadError> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    fn varint(&mut self) -> Result<u64, ReadError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(ReadError::Truncated)?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ReadError::Truncated)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(ReadError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

/// Bytes as a text; what is no UTF-8 is replaced, as in JSON.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes a message field by field.
pub struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    fn varint(&mut self, mut it: u64) {
        while it >= 0x80 {
            self.bytes.push((it & 0x7f) as u8 | 0x80);
            it >>= 7;
        }
        self.bytes.push(it as u8);
    }

    fn key(&mut self, number: u32, wire_type: u8) {
        self.varint(u64::from(number) << 3 | u64::from(wire_type));
    }

    /// A number.
    pub fn number(&mut self, number: u32, value: u64) {
        self.key(number, 0);
        self.varint(value);
    }

    /// A signed number, in two's complement.
    pub fn signed(&mut self, number: u32, value: i64) {
        self.number(number, value.cast_unsigned());
    }

    /// A floating point number.
    pub fn double(&mut self, number: u32, value: f64) {
        self.key(number, 1);
        self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    /// Bytes.
    pub fn data(&mut self, number: u32, value: &[u8]) {
        self.key(number, 2);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// A text.
    pub fn text(&mut self, number: u32, value: &str) {
        self.data(number, value.as_bytes());
    }

    /// A message. Its length is known only when it is written, and then makes room for itself.
    pub fn message<E>(&mut self, number: u32, write: impl FnOnce(&mut Self) -> Result<(), E>) -> Result<(), E> {
        self.key(number, 2);
        let start = self.bytes.len();
        write(self)?;
        let mut length = self.bytes.len() - start;
        let mut bytes = [0u8; 10];
        let mut count = 0;
        for byte in &mut bytes {
            count += 1;
            *byte = (length & 0x7f) as u8;
            length >>= 7;
            if length == 0 {
                break;
            }
            *byte |= 0x80;
        }
        self.bytes.splice(start..start, bytes.into_iter().take(count));
        Ok(())
    }
}
