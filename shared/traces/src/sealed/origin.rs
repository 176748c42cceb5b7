//! Who emitted records: few processes and libraries, each written once a part.

use std::sync::Arc;

use quillon_core::trace::span::{Resource, Scope};

use super::Damaged;
use super::blob::{DigestReader, DigestWriter};
use super::columns::{Mostly0, MostlyEmpty, TextReader, TextWriter, Texts, unless_zero};
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
    /// Of the resources, then of the scopes, like the column after it.
    #[prost(uint32, repeated, tag = "5")]
    dropped: Vec<u32>,
    /// None where nobody said a schema.
    #[prost(message, optional, tag = "6")]
    schema_urls: Option<Texts>,
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
        let (names, table) = (names.finish(digests), table.finish(digests));
        let beside = self.resources.iter().map(|resource| (resource.dropped_attributes, &resource.schema_url));
        let beside = beside.chain(self.scopes.iter().map(|scope| (scope.dropped_attributes, &scope.schema_url)));
        let (dropped, urls): (Vec<u32>, Vec<&String>) = beside.unzip();
        let schema_urls = TextWriter::of_some(urls.into_iter().map(String::as_bytes)).map(|urls| urls.finish(digests));
        Origins { resources, scopes, names, table, dropped: unless_zero(dropped), schema_urls }
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
        let mut dropped = Mostly0::new(origins.dropped);
        let mut schema_urls = MostlyEmpty::new(origins.schema_urls, digests)?;
        let mut resources = Vec::with_capacity(origins.resources.len());
        for shape in origins.resources {
            let attributes = table.attributes(shape)?;
            resources.push(Arc::new(Resource {
                attributes,
                dropped_attributes: dropped.take()?,
                schema_url: schema_urls.text()?.to_owned(),
            }));
        }
        let mut scopes = Vec::with_capacity(origins.scopes.len());
        for shape in origins.scopes {
            scopes.push(Arc::new(Scope {
                name: names.text()?.to_owned(),
                version: names.text()?.to_owned(),
                attributes: table.attributes(shape)?,
                dropped_attributes: dropped.take()?,
                schema_url: schema_urls.text()?.to_owned(),
            }));
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
