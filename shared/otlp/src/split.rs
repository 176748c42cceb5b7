//! A request cut into smaller ones, for who passes requests on.

use crate::Refused;
use crate::record::Emitter;
use crate::wire::{Fields, put_bytes};

/// Cuts a protobuf request of any signal into requests of about `most` bytes; one record or metric is never cut.
///
/// Two requests of a signal, one after the other, are one request: joining needs no function.
///
/// # Errors
/// [`Refused::Malformed`] for what is not OTLP, [`Refused::TooLarge`] where a resource or a scope alone would fill half of every piece.
pub fn split(bytes: &[u8], most: usize) -> Result<Vec<Vec<u8>>, Refused> {
    if bytes.len() <= most {
        return Ok(vec![bytes.to_vec()]);
    }
    let mut pieces = Pieces { done: Vec::new(), piece: Vec::new(), scopes: Vec::new(), records: Vec::new(), most };
    // All signals have the same frame: see `Splitter::request`.
    let mut resources = Fields(bytes);
    while let Some(resource) = resources.next()? {
        if resource.number != 1 {
            continue;
        }
        let of = resource.content.bytes()?;
        let resource = Emitter::of(of)?;
        let mut scopes = Fields(of);
        while let Some(scope) = scopes.next()? {
            if scope.number != 2 {
                continue;
            }
            let of = scope.content.bytes()?;
            let scope = Emitter::of(of)?;
            // They are repeated in every piece.
            if resource.len() + scope.len() > most / 2 {
                return Err(Refused::too_large(resource.len() + scope.len(), most / 2));
            }
            let mut records = Fields(of);
            while let Some(record) = records.next()? {
                if record.number == 2 {
                    record.content.bytes()?;
                    pieces.push(&resource, &scope, record.whole);
                }
            }
            pieces.end_scope(&scope);
        }
        pieces.end_resource(&resource);
    }
    pieces.end_piece();
    Ok(pieces.done)
}

/// Messages within messages, each written once the one within it is complete.
struct Pieces {
    done: Vec<Vec<u8>>,
    piece: Vec<u8>,
    scopes: Vec<u8>,
    records: Vec<u8>,
    most: usize,
}

impl Pieces {
    fn push(&mut self, resource: &Emitter<'_>, scope: &Emitter<'_>, record: &[u8]) {
        let open = self.piece.len() + self.scopes.len() + self.records.len();
        let is_empty = open == 0;
        if !is_empty && open + resource.len() + scope.len() + record.len() > self.most {
            self.end_scope(scope);
            self.end_resource(resource);
            self.end_piece();
        }
        self.records.extend_from_slice(record);
    }

    fn end_scope(&mut self, scope: &Emitter<'_>) {
        if !self.records.is_empty() {
            put_bytes(&mut self.scopes, 2, &emitted(scope, &mut self.records));
        }
    }

    fn end_resource(&mut self, resource: &Emitter<'_>) {
        if !self.scopes.is_empty() {
            put_bytes(&mut self.piece, 1, &emitted(resource, &mut self.scopes));
        }
    }

    fn end_piece(&mut self) {
        if !self.piece.is_empty() {
            self.done.push(std::mem::take(&mut self.piece));
        }
    }
}

/// A message with who emitted what is in it, which is taken out of `inner`.
fn emitted(emitter: &Emitter<'_>, inner: &mut Vec<u8>) -> Vec<u8> {
    let mut message = Vec::with_capacity(emitter.len() + inner.len() + 24);
    put_bytes(&mut message, 1, &emitter.message);
    message.append(inner);
    if !emitter.schema_url.is_empty() {
        put_bytes(&mut message, 3, emitter.schema_url.as_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{EntityRef, InstrumentationScope};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message as _;

    use super::*;

    fn request(resources: u32, scopes: u32, spans: u32) -> ExportTraceServiceRequest {
        let span = |number: u32| Span { name: format!("{number} {}", "x".repeat(50)), ..Span::default() };
        let scope = |number: u32| ScopeSpans {
            scope: Some(InstrumentationScope { name: format!("scope {number}"), ..InstrumentationScope::default() }),
            spans: (0..spans).map(span).collect(),
            schema_url: format!("s{number}"),
        };
        let resource = |number: u32| ResourceSpans {
            resource: Some(Resource { dropped_attributes_count: number, ..Resource::default() }),
            scope_spans: (0..scopes).map(scope).collect(),
            schema_url: "r".to_owned(),
        };
        ExportTraceServiceRequest { resource_spans: (0..resources).map(resource).collect() }
    }

    /// Every span, in a request of its own with where it comes from.
    fn spans(request: &ExportTraceServiceRequest) -> Vec<ResourceSpans> {
        let mut all = Vec::new();
        for resource in &request.resource_spans {
            for scope in &resource.scope_spans {
                let alone = |span: &Span| {
                    let scope_spans = vec![ScopeSpans { spans: vec![span.clone()], ..scope.clone() }];
                    ResourceSpans { scope_spans, ..resource.clone() }
                };
                all.extend(scope.spans.iter().map(alone));
            }
        }
        all
    }

    #[test]
    fn the_pieces_are_small_and_together_they_are_the_whole() {
        let whole = request(3, 3, 40);
        let bytes = whole.encode_to_vec();
        for most in [40, 200, 1_000, 5_000, bytes.len() - 1, bytes.len()] {
            let pieces = split(&bytes, most).expect("OTLP");
            assert!(pieces.iter().all(|piece| piece.len() <= most + 120), "{most}");
            let joined = ExportTraceServiceRequest::decode(&pieces.concat()[..]).expect("OTLP");
            assert_eq!(spans(&joined), spans(&whole), "{most}");
        }
        assert_eq!(split(&bytes, bytes.len()).expect("OTLP").len(), 1);
    }

    #[test]
    fn a_large_resource_is_not_repeated_for_every_scope() {
        let mut large = request(1, 2_000, 1);
        let schema =
            Resource { entity_refs: vec![EntityRef { schema_url: "x".repeat(10_000), ..EntityRef::default() }], ..Resource::default() };
        large.resource_spans[0].resource = Some(schema);
        let bytes = large.encode_to_vec();
        let pieces = split(&bytes, 50_000).expect("OTLP");
        assert!(pieces.len() < 10 && pieces.concat().len() < bytes.len() * 2, "{}", pieces.len());
        assert!(matches!(split(&bytes, 15_000), Err(Refused::TooLarge { .. })));
    }

    #[test]
    fn what_is_not_otlp_is_told() {
        assert!(matches!(split(&[0x0A; 100], 10), Err(Refused::Malformed(_))));
    }
}
