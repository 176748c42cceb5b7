//! Fields of a protobuf message, one after the other, without building anything.
//!
//! Accepts less than [`prost`] does, so that what passes here is decoded later without surprises: no groups, no field zero.
//! See <https://protobuf.dev/programming-guides/encoding/>.

/// Why bytes are not the message that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Content<'a> {
    pub(crate) fn bytes(self) -> Result<&'a [u8], Malformed> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(WRONG_TYPE) }
    }

    pub(crate) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("a text is not valid UTF-8"))
    }

    pub(crate) fn varint(self) -> Result<u64, Malformed> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(WRONG_TYPE) }
    }

    pub(crate) fn fixed64(self) -> Result<u64, Malformed> {
        if let Self::Fixed64(value) = self { Ok(value) } else { Err(WRONG_TYPE) }
    }

    pub(crate) fn fixed32(self) -> Result<u32, Malformed> {
        if let Self::Fixed32(value) = self { Ok(value) } else { Err(WRONG_TYPE) }
    }
}

const WRONG_TYPE: Malformed = Malformed("a field has a type that OTLP does not give it");
const TRUNCATED: Malformed = Malformed("the message ends in the middle of a field");

/// One field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) content: Content<'a>,
    /// All of its bytes, number and length included.
    pub(crate) whole: &'a [u8],
}

/// The fields of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field; none at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        let start = self.0;
        if start.is_empty() {
            return Ok(None);
        }
        let key = u32::try_from(self.varint()?).map_err(|_| Malformed("a field number is too large"))?;
        let number = key >> 3;
        if number == 0 {
            return Err(Malformed("a field has the number zero"));
        }
        let content = match key & 7 {
            0 => Content::Varint(self.varint()?),
            1 => Content::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| TRUNCATED)?;
                Content::Bytes(self.take(length)?)
            }
            5 => Content::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed("a field has a wire type that OTLP does not use")),
        };
        Ok(Some(Field { number, content, whole: &start[..start.len() - self.0.len()] }))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// A length delimiter is a varint like any other, and the crate's reader of those is not public under another name.
    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        if let Some((&first, rest)) = self.0.split_first()
            && first < 0x80
        {
            self.0 = rest;
            return Ok(u64::from(first));
        }
        let value = prost::decode_length_delimiter(&mut self.0).map_err(|_| Malformed("a number has no end"))?;
        Ok(value as u64)
    }
}

/// Appends a varint.
pub(crate) fn put_raw_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a field of bytes, a text or a message.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_raw_varint(out, u64::from(number << 3 | 2));
    put_raw_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a field of a number.
pub(crate) fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    put_raw_varint(out, u64::from(number << 3));
    put_raw_varint(out, value);
}

/// Appends a field of eight bytes.
pub(crate) fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    put_raw_varint(out, u64::from(number << 3 | 1));
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of four bytes.
pub(crate) fn put_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    put_raw_varint(out, u64::from(number << 3 | 5));
    out.extend_from_slice(&value.to_le_bytes());
}

/// A text of at most so many bytes, cut at a character.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(bytes: &[u8]) -> Result<usize, Malformed> {
        let mut fields = Fields(bytes);
        let mut count = 0;
        while fields.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn fields_are_read_as_they_are_written() {
        let mut out = Vec::new();
        put_varint(&mut out, 1, 300);
        put_fixed64(&mut out, 2, u64::MAX);
        put_bytes(&mut out, 16, &[7; 200]);
        put_fixed32(&mut out, 17, 0x301);
        let mut fields = Fields(&out);
        let first = fields.next().expect("a field").expect("a field");
        assert_eq!((first.number, first.content, first.whole.len()), (1, Content::Varint(300), 3));
        assert_eq!(fields.next().expect("a field").expect("a field").content, Content::Fixed64(u64::MAX));
        let last = fields.next().expect("a field").expect("a field");
        assert_eq!((last.number, last.content, last.whole.len()), (16, Content::Bytes(&[7; 200]), 204));
        assert_eq!(fields.next().expect("a field").expect("a field").content, Content::Fixed32(0x301));
        assert!(fields.next().expect("the end").is_none());
    }

    #[test]
    fn damaged_messages_are_told() {
        for bytes in [
            &[0x0A][..],
            &[0x0A, 5, 1],
            &[0x09, 1, 2],
            &[0x0D, 1],
            &[0x80],
            &[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1],
            &[0x00, 1],
            &[0x0B],
            &[0x0C],
            &[0x0E],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0],
            &[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
        ] {
            assert!(count(bytes).is_err(), "{bytes:x?}");
        }
        assert_eq!(count(&[]), Ok(0));
    }

    #[test]
    fn texts_are_cut_at_a_character() {
        for (text, most, cut_text) in [("abc", 5, "abc"), ("abc", 2, "ab"), ("aé", 2, "a"), ("€", 2, ""), ("", 0, "")] {
            assert_eq!(cut(text, most), cut_text);
        }
    }
}
