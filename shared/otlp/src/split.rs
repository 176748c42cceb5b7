//! A request cut into smaller ones, for who passes requests on.

use crate::Refused;
use crate::request::joined;
use crate::wire::{Fields, put_bytes};

/// Cuts a protobuf request of any signal into requests of about `most` bytes; one record or metric is never cut.
///
/// Two requests of a signal, one after the other, are one request: joining needs no function.
///
/// # Errors
/// [`Refused::Malformed`] for what is not OTLP.
pub fn split(bytes: &[u8], most: usize) -> Result<Vec<Vec<u8>>, Refused> {
    if bytes.len() <= most {
        return Ok(vec![bytes.to_vec()]);
    }
    let mut pieces = Pieces { done: Vec::new(), open: Vec::new(), most };
    // All signals have the same frame: see `Splitter::request`.
    let mut resources = Fields(bytes);
    while let Some(resource) = resources.next()? {
        if resource.number != 1 {
            continue;
        }
        let resource = resource.content.bytes()?;
        let origin = joined(resource, 1)?;
        let mut scopes = Fields(resource);
        while let Some(scope) = scopes.next()? {
            if scope.number != 2 {
                continue;
            }
            let scope = scope.content.bytes()?;
            let name = joined(scope, 1)?;
            let mut records = Vec::new();
            let mut fields = Fields(scope);
            while let Some(record) = fields.next()? {
                if record.number != 2 {
                    continue;
                }
                record.content.bytes()?;
                if !records.is_empty() && pieces.open.len() + origin.len() + name.len() + records.len() + record.whole.len() > most {
                    pieces.push(&origin, &name, &std::mem::take(&mut records));
                    pieces.close();
                }
                records.extend_from_slice(record.whole);
            }
            if !records.is_empty() {
                pieces.push(&origin, &name, &records);
            }
        }
    }
    pieces.close();
    Ok(pieces.done)
}

struct Pieces {
    done: Vec<Vec<u8>>,
    open: Vec<u8>,
    most: usize,
}

impl Pieces {
    /// Adds records with where they come from.
    fn push(&mut self, resource: &[u8], scope: &[u8], records: &[u8]) {
        let mut scoped = Vec::with_capacity(scope.len() + records.len() + 12);
        put_bytes(&mut scoped, 1, scope);
        scoped.extend_from_slice(records);
        let mut whole = Vec::with_capacity(resource.len() + scoped.len() + 12);
        put_bytes(&mut whole, 1, resource);
        put_bytes(&mut whole, 2, &scoped);
        if self.open.len() + whole.len() > self.most {
            self.close();
        }
        put_bytes(&mut self.open, 1, &whole);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.done.push(std::mem::take(&mut self.open));
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message as _;

    use super::*;

    fn request(resources: u32, scopes: u32, spans: u32) -> ExportTraceServiceRequest {
        let span = |number: u32| Span { name: format!("{number} {}", "x".repeat(50)), ..Span::default() };
        let scope = |number: u32| ScopeSpans {
            scope: Some(InstrumentationScope { name: format!("scope {number}"), ..InstrumentationScope::default() }),
            spans: (0..spans).map(span).collect(),
            schema_url: String::new(),
        };
        let resource = |number: u32| ResourceSpans {
            resource: Some(Resource { dropped_attributes_count: number, ..Resource::default() }),
            scope_spans: (0..scopes).map(scope).collect(),
            schema_url: String::new(),
        };
        ExportTraceServiceRequest { resource_spans: (0..resources).map(resource).collect() }
    }

    /// Every span with where it comes from.
    fn spans(request: &ExportTraceServiceRequest) -> Vec<(u32, String, String)> {
        let scope = |scope: &ScopeSpans| scope.scope.as_ref().map(|scope| scope.name.clone()).unwrap_or_default();
        let mut all = Vec::new();
        for resource in &request.resource_spans {
            let number = resource.resource.as_ref().map_or(0, |resource| resource.dropped_attributes_count);
            for of in &resource.scope_spans {
                all.extend(of.spans.iter().map(|span| (number, scope(of), span.name.clone())));
            }
        }
        all
    }

    #[test]
    fn the_pieces_are_small_and_together_they_are_the_whole() {
        let whole = request(3, 3, 40);
        let bytes = whole.encode_to_vec();
        for most in [1, 200, 1_000, 5_000, bytes.len() - 1, bytes.len()] {
            let pieces = split(&bytes, most).expect("OTLP");
            assert!(pieces.iter().all(|piece| piece.len() <= most + 120), "{most}");
            let joined = ExportTraceServiceRequest::decode(&pieces.concat()[..]).expect("OTLP");
            assert_eq!(spans(&joined), spans(&whole), "{most}");
        }
        assert_eq!(split(&bytes, bytes.len()).expect("OTLP").len(), 1);
    }

    #[test]
    fn what_is_not_otlp_is_told() {
        assert!(matches!(split(&[0x0A; 100], 10), Err(Refused::Malformed(_))));
    }
}
