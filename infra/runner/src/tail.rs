//! The end of an output: a ring of bytes of fixed size.

use std::collections::VecDeque;

/// Keeps the last bytes of what is pushed; memory is bounded by its size.
#[derive(Debug)]
pub(crate) struct Tail {
    kept: VecDeque<u8>,
    size: usize,
    is_cut: bool,
}

impl Tail {
    /// An empty tail of at most `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self { kept: VecDeque::new(), size, is_cut: false }
    }

    /// Appends bytes; the oldest ones make room.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let fitting = &bytes[bytes.len().saturating_sub(self.size)..];
        let excess = (self.kept.len() + fitting.len()).saturating_sub(self.size);
        self.is_cut |= excess > 0 || fitting.len() < bytes.len();
        self.kept.drain(..excess);
        self.kept.extend(fitting);
    }

    /// The kept text and whether more was pushed than it holds.
    ///
    /// The text is valid UTF-8 of at most `size` bytes: a character that was cut at the beginning is left out, bytes that are no
    /// text become replacement characters.
    pub(crate) fn into_text(self) -> (String, bool) {
        let bytes: Vec<u8> = self.kept.into();
        // Continuation bytes at the very start belong to a character whose beginning is gone; no character has more than three.
        let orphans = if self.is_cut { bytes.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count() } else { 0 };
        let text = String::from_utf8_lossy(&bytes[orphans..]).into_owned();
        // A replacement character is longer than the byte that it stands for.
        let mut start = text.len().saturating_sub(self.size);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        (text[start..].to_owned(), self.is_cut || start > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(size: usize, pieces: &[&[u8]]) -> (String, bool) {
        let mut tail = Tail::new(size);
        for piece in pieces {
            tail.push(piece);
        }
        tail.into_text()
    }

    #[test]
    fn the_end_is_kept_as_text_within_the_size() {
        for (size, pieces, text, is_cut) in [
            (8, vec![b"ab".as_slice(), b"cd"], "abcd", false),
            (4, vec![b"ab".as_slice(), b"cd"], "abcd", false),
            (4, vec![b"ab".as_slice(), b"cde"], "bcde", true),
            (4, vec![b"abcdefgh".as_slice()], "efgh", true),
            (4, vec![b"abcdefgh".as_slice(), b"i"], "fghi", true),
            (4, vec!["aéüx".as_bytes()], "üx", true),
            (2, vec!["€x".as_bytes()], "x", true),
            (8, vec![b"a\xffb".as_slice()], "a\u{fffd}b", false),
            (4, vec![b"a\xff\xffb".as_slice()], "\u{fffd}b", true),
            (3, vec!["€".as_bytes()], "€", false),
            (0, vec![b"a".as_slice()], "", true),
            (4, vec![], "", false),
        ] {
            assert_eq!(tail(size, &pieces), (text.to_owned(), is_cut), "{size} of {pieces:?}");
        }
    }

    #[test]
    fn a_character_in_two_pieces_is_one_character() {
        assert_eq!(tail(64, &[b"\xe2\x82", b"\xac"]), ("€".to_owned(), false));
    }

    #[test]
    fn memory_does_not_grow_with_the_output() {
        let mut tail = Tail::new(1024);
        for _ in 0..10_000 {
            tail.push(&[b'x'; 100]);
        }
        assert!(tail.kept.capacity() <= 4096, "{}", tail.kept.capacity());
        assert_eq!(tail.into_text().0.len(), 1024);
    }
}
