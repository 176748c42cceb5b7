//! Pages of long lists, and the opaque cursors between them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Result;
use crate::error::Error;
use crate::keys::{Attributes, string, text};
use crate::read::Index;

/// Most items of one page.
const MAX_PAGE: u32 = 100;

/// Longest cursor that is looked at, in bytes; ours are below 5 KB.
const MAX_CURSOR: usize = 8 * 1024;

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The cursor that the part before ended with; none for the first.
    pub after: Option<String>,
    /// Most items, between 1 and 100; other numbers are taken as the nearest of these.
    pub limit: u32,
}

impl Page {
    /// The first page.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    pub(crate) fn size(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE) as usize
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins; none if this was the last.
    pub next: Option<String>,
}

impl<T> Paged<T> {
    /// The same part with every item replaced.
    pub(crate) fn try_map<U>(self, map: impl FnMut(T) -> Result<U>) -> Result<Paged<U>> {
        Ok(Paged { items: self.items.into_iter().map(map).collect::<Result<_>>()?, next: self.next })
    }
}

/// The cursor behind an item: its keys in the index and in the table.
pub(crate) fn cursor(index: Index, item: &Attributes) -> Option<String> {
    let keys: Vec<&str> = index.cursor_keys().iter().map(|name| text(item, name)).collect::<Option<_>>()?;
    serde_json::to_vec(&keys).ok().map(|json| URL_SAFE_NO_PAD.encode(json))
}

/// The start key behind a cursor, if it was made in the same partition and under the same prefix.
///
/// A cursor comes from outside: one of another list must neither open that list here nor reach the table, which would
/// answer it as a defect of ours.
pub(crate) fn start_key(cursor: &str, index: Index, partition: &str, prefix: &str) -> Result<Attributes> {
    if cursor.len() > MAX_CURSOR {
        return Err(Error::InvalidCursor);
    }
    let json = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Error::InvalidCursor)?;
    let values: [String; 4] = serde_json::from_slice(&json).map_err(|_| Error::InvalidCursor)?;
    if values[0] != partition || !values[1].starts_with(prefix) || values.iter().any(String::is_empty) {
        return Err(Error::InvalidCursor);
    }
    // In the table itself the keys are the same twice.
    if index == Index::Table && values[..2] != values[2..] {
        return Err(Error::InvalidCursor);
    }
    Ok(index.cursor_keys().iter().map(|name| (*name).to_owned()).zip(values.into_iter().map(string)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_a_table_names_one_key() {
        let item: Attributes = [("pk", "AUD#a"), ("sk", "1")].map(|(k, v)| (k.to_owned(), string(v))).into();
        let text = cursor(Index::Table, &item).expect("a cursor");
        assert_eq!(start_key(&text, Index::Table, "AUD#a", "").expect("its own list"), item);
        let forged = URL_SAFE_NO_PAD.encode(r#"["AUD#a","1","AUD#b","1"]"#);
        assert!(matches!(start_key(&forged, Index::Table, "AUD#a", ""), Err(Error::InvalidCursor)));
    }

    #[test]
    fn a_cursor_opens_its_own_list_only() {
        let item: Attributes =
            [("gsi1pk", "O#a"), ("gsi1sk", "REPO#x"), ("pk", "REPO#1"), ("sk", "REPO")].map(|(k, v)| (k.to_owned(), string(v))).into();
        let text = cursor(Index::Gsi1, &item).expect("a cursor");
        assert_eq!(start_key(&text, Index::Gsi1, "O#a", "REPO#").expect("its own list"), item);
        for (partition, prefix) in [("O#b", "REPO#"), ("O#a", "TK#")] {
            assert!(matches!(start_key(&text, Index::Gsi1, partition, prefix), Err(Error::InvalidCursor)));
        }
        for text in ["", "!", "bm9uc2Vuc2U", &URL_SAFE_NO_PAD.encode(r#"["O#a","REPO#","",""]"#), &"A".repeat(9_000)] {
            assert!(matches!(start_key(text, Index::Gsi1, "O#a", "REPO#"), Err(Error::InvalidCursor)), "{text}");
        }
    }
}
