//! What the records of a part refer to: who emitted them, their attributes, and the digests in all of its columns.

use super::blob::{DigestReader, DigestWriter, Digests};
use super::origin::{OriginReader, OriginWriter, Origins};
use super::value::{Table, TableReader, TableWriter};
use super::{Damaged, MAX_EXPANDED};

/// The dictionary of a part.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Dictionary {
    #[prost(message, required, tag = "1")]
    digests: Digests,
    #[prost(message, required, tag = "2")]
    origins: Origins,
    #[prost(message, required, tag = "3")]
    table: Table,
}

/// Collects what records refer to.
#[derive(Debug, Default)]
pub(super) struct DictionaryWriter {
    pub(super) origins: OriginWriter,
    pub(super) table: TableWriter,
}

impl DictionaryWriter {
    /// The dictionary, and the columns that `columns` finishes. A reader puts digests back in the same order.
    pub(super) fn finish(self, columns: impl FnOnce(&mut DigestWriter)) -> Dictionary {
        let mut digests = DigestWriter::default();
        let origins = self.origins.finish(&mut digests);
        let table = self.table.finish(&mut digests);
        columns(&mut digests);
        Dictionary { digests: digests.finish(), origins, table }
    }
}

/// The dictionary of a part that is read.
#[derive(Debug)]
pub(super) struct DictionaryReader {
    pub(super) origins: OriginReader,
    pub(super) table: TableReader,
}

impl DictionaryReader {
    /// The dictionary, and what the other columns take their digests from.
    pub(super) fn new(dictionary: Dictionary) -> Result<(Self, DigestReader), Damaged> {
        let mut digests = DigestReader::new(dictionary.digests, MAX_EXPANDED as usize);
        let origins = OriginReader::new(dictionary.origins, &mut digests)?;
        let table = TableReader::new(dictionary.table, &mut digests)?;
        Ok((Self { origins, table }, digests))
    }
}
