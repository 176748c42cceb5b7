//! Who emitted records: few processes and libraries, each written once a part.

use std::sync::Arc;

use quillon_core::trace::span::{Resource, Scope};

use super::Damaged;
use super::blob::{DigestReader, DigestWriter};
use super::columns::{TextReader, TextWriter, Texts};
use super::value::{Table, TableReader, TableWriter};

/// How many of the last processes or libraries a new one is compared with: bounds the work when each record has its own.
const REMEMBERED: usize = 64;

/// The processes and libraries of a part.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Origins {
    #[prost(uint32, repeated, tag = "1")]
    resources: Vec<u32>,
    #[prost(uint32, repeated, tag = "2")]
    scopes: Vec<u32>,
    #[prost(message, required, tag = "3")]
    names: Texts,
    #[prost(message, required, tag = "4")]
    table: Table,
}

/// Collects processes and libraries.
#[derive(Debug, Default)]
pub(super) struct OriginWriter {
    resources: Vec<Arc<Resource>>,
    scopes: Vec<Arc<Scope>>,
}

impl OriginWriter {
    pub(super) fn resource(&mut self, resource: &Arc<Resource>) -> u32 {
        number(&mut self.resources, resource)
    }

    pub(super) fn scope(&mut self, scope: &Arc<Scope>) -> u32 {
        number(&mut self.scopes, scope)
    }

    pub(super) fn finish(self, digests: &mut DigestWriter) -> Origins {
        let mut table = TableWriter::default();
        let mut names = TextWriter::default();
        let resources = self.resources.iter().map(|resource| table.attributes(&resource.attributes)).collect();
        let scopes = self.scopes.iter().map(|scope| {
            names.push(scope.name.as_bytes());
            names.push(scope.version.as_bytes());
            table.attributes(&scope.attributes)
        });
        let scopes = scopes.collect();
        Origins { resources, scopes, names: names.finish(digests), table: table.finish(digests) }
    }
}

fn number<T: PartialEq>(known: &mut Vec<Arc<T>>, wanted: &Arc<T>) -> u32 {
    let first = known.len().saturating_sub(REMEMBERED);
    let found = known[first..].iter().rposition(|one| Arc::ptr_eq(one, wanted) || one == wanted);
    let position = found.map_or(known.len(), |found| first + found);
    if position == known.len() {
        known.push(wanted.clone());
    }
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// The processes and libraries of a part that is read.
#[derive(Debug)]
pub(super) struct OriginReader {
    resources: Vec<Arc<Resource>>,
    scopes: Vec<Arc<Scope>>,
}

impl OriginReader {
    pub(super) fn new(origins: Origins, digests: &mut DigestReader) -> Result<Self, Damaged> {
        let mut names = TextReader::new(origins.names, digests)?;
        let mut table = TableReader::new(origins.table, digests)?;
        let resources = origins.resources.into_iter().map(|shape| Ok(Arc::new(Resource { attributes: table.attributes(shape)? })));
        let resources = resources.collect::<Result<_, Damaged>>()?;
        let mut scopes = Vec::with_capacity(origins.scopes.len());
        for shape in origins.scopes {
            let (name, version) = (names.text()?.to_owned(), names.text()?.to_owned());
            scopes.push(Arc::new(Scope { name, version, attributes: table.attributes(shape)? }));
        }
        Ok(Self { resources, scopes })
    }

    pub(super) fn resource(&self, number: u32) -> Result<Arc<Resource>, Damaged> {
        self.resources.get(number as usize).cloned().ok_or(Damaged("a resource is missing"))
    }

    pub(super) fn scope(&self, number: u32) -> Result<Arc<Scope>, Damaged> {
        self.scopes.get(number as usize).cloned().ok_or(Damaged("a scope is missing"))
    }
}
