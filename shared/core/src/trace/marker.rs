//! Markers in error messages: `[traceparent:<trace>-<span>]`, which name the span that an error comes from.
//!
//! Dagger carries the origin of an error through plain error texts that way. Where the text becomes the status of a span, the
//! marker is usually replaced by a link; some spans keep it.

use std::borrow::Cow;

use super::id::{SpanId, TraceId};

const OPENING: &str = "[traceparent:";
const CLOSING: &str = "]";
const TRACE_DIGITS: usize = 32;
const SPAN_DIGITS: usize = 16;

/// The text without its markers, and without the white space before each.
#[must_use]
pub fn without_markers(text: &str) -> Cow<'_, str> {
    let Some(first) = next(text) else { return Cow::Borrowed(text) };
    let mut kept = String::with_capacity(text.len());
    let (mut rest, mut marker) = (text, Some(first));
    while let Some(found) = marker {
        kept.push_str(rest[..found.start].trim_end());
        rest = &rest[found.end..];
        marker = next(rest);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// The spans that the markers of a text name, in their order.
pub(crate) fn marked_spans(text: &str) -> impl Iterator<Item = (TraceId, SpanId)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let found = next(rest)?;
        rest = &rest[found.end..];
        Some((found.trace, found.span))
    })
}

/// A marker and its place in a text.
struct Marker {
    start: usize,
    end: usize,
    trace: TraceId,
    span: SpanId,
}

fn next(text: &str) -> Option<Marker> {
    let mut from = 0;
    while let Some(at) = text[from..].find(OPENING) {
        let start = from + at;
        let ids = start + OPENING.len();
        if let Some((trace, span, end)) = parse(text, ids) {
            return Some(Marker { start, end, trace, span });
        }
        from = ids;
    }
    None
}

/// The ids of a marker whose ids begin at `at`, and where the marker ends.
fn parse(text: &str, at: usize) -> Option<(TraceId, SpanId, usize)> {
    let dash = at + TRACE_DIGITS;
    let closing = dash + 1 + SPAN_DIGITS;
    let trace = text.get(at..dash)?.parse().ok()?;
    let span = text.get(dash..closing)?.strip_prefix('-')?.parse().ok()?;
    text.get(closing..)?.starts_with(CLOSING).then_some((trace, span, closing + CLOSING.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn markers_are_taken_out_wherever_they_are() {
        for (text, clean) in [
            ("stat nope: no such file", "stat nope: no such file"),
            (&*format!("exit code: 1 [traceparent:{TRACE}-c98ed3a82c5bc1d1]"), "exit code: 1"),
            (&*format!("a \n\t[traceparent:{TRACE}-c98ed3a82c5bc1d1] (joined)[traceparent:{TRACE}-c98ed3a82c5bc1d2]: b"), "a (joined): b"),
            (&*format!("[traceparent:{TRACE}-c98ed3a82c5bc1d1]"), ""),
            ("[traceparent:] [traceparent:é [traceparent:", "[traceparent:] [traceparent:é [traceparent:"),
            (&*format!("x [traceparent:{TRACE}_c98ed3a82c5bc1d1]"), &*format!("x [traceparent:{TRACE}_c98ed3a82c5bc1d1]")),
        ] {
            assert_eq!(without_markers(text), clean);
        }
    }

    #[test]
    fn markers_name_their_spans() {
        let text = format!("a [traceparent:{TRACE}-c98ed3a82c5bc1d1] [traceparent:nope] [traceparent:{TRACE}-0000000000000001]");
        let spans: Vec<String> = marked_spans(&text).map(|(_, span)| span.to_string()).collect();
        assert_eq!(spans, ["c98ed3a82c5bc1d1", "0000000000000001"]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in r"(\[traceparent:|[0-9a-f]{16}|-|\]|é| |\n){0,24}") {
            let clean = without_markers(&text);
            prop_assert!(clean.len() <= text.len());
            prop_assert_eq!(marked_spans(&text).next().is_none(), matches!(clean, Cow::Borrowed(_)));
        }
    }
}
