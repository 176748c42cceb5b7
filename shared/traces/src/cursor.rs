//! Cursors between pages: a letter for the list, then whole numbers. They come back from outside, so only the canonical spelling counts.

use crate::error::{Error, Result};

/// Writes a cursor.
pub(crate) fn write(list: char, numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("{list}{}", numbers.join("."))
}

/// Reads a cursor of this list with so many numbers.
pub(crate) fn read<const N: usize>(list: char, cursor: &str) -> Result<[u64; N]> {
    // A number has at most 20 digits.
    if cursor.len() > 1 + N * 21 {
        return Err(Error::InvalidCursor);
    }
    let numbers = cursor.strip_prefix(list).ok_or(Error::InvalidCursor)?;
    let numbers: Vec<u64> = numbers.split('.').map(str::parse).collect::<std::result::Result<_, _>>().map_err(|_| Error::InvalidCursor)?;
    let numbers: [u64; N] = numbers.try_into().map_err(|_| Error::InvalidCursor)?;
    if write(list, &numbers) == cursor { Ok(numbers) } else { Err(Error::InvalidCursor) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_its_own_list_only() {
        assert_eq!(write('l', &[1, u64::MAX]), "l1.18446744073709551615");
        assert_eq!(read::<2>('l', "l1.18446744073709551615").ok(), Some([1, u64::MAX]));
        for text in ["", "l", "l1", "l1.2.3", "m1.2", "l01.2", "l+1.2", "l1.18446744073709551616", "l1.-2", &"l1".repeat(100)] {
            assert!(matches!(read::<2>('l', text), Err(Error::InvalidCursor)), "{text}");
        }
    }
}
