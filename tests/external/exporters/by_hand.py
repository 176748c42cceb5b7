"""OTLP JSON as people and scripts write it, and requests that no exporter would send."""

import json
import os
import time

import expected
from report import test
from wire import basic, bearer, post

JSON = "application/json"
VALUES = [
    # As it is written, and as the API has to show it.
    ("text", {"stringValue": "é \u2028 \u0000 </script>"}, "é \u2028 \u0000 </script>"),
    ("int.text", {"intValue": "-9223372036854775808"}, -(2**63)),
    ("int.number", {"intValue": 9007199254740993}, 9007199254740993),
    ("double", {"doubleValue": 1}, 1.0),
    ("double.nan", {"doubleValue": "NaN"}, "NaN"),
    ("double.down", {"doubleValue": "-Infinity"}, "-Infinity"),
    ("truth", {"boolValue": True}, True),
    ("bytes", {"bytesValue": "AP8="}, "AP8="),
    ("list", {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "1"}, {}]}}, [1, "1", None]),
    ("list.empty", {"arrayValue": {}}, []),
    ("map", {"kvlistValue": {"values": [{"key": "a.b", "value": {"arrayValue": {"values": [{"boolValue": False}]}}}]}}, {"a.b": [False]}),
    ("map.empty", {"kvlistValue": {}}, {}),
    ("none", {}, None),
]
ATTRIBUTES = [{"key": key, "value": value} for key, value, _ in VALUES]
SHOWN = {key: shown for key, _, shown in VALUES}


def bodies(trace, span, at):
    scope = {"name": "by hand", "version": "1", "unknownOfTheFuture": {"a": [1]}}
    made = {
        # Ids are hex in either case; numbers of 64 bits are texts or numbers.
        "traceId": trace.upper(), "spanId": span.upper(), "parentSpanId": "", "name": "by hand", "kind": 2,
        "startTimeUnixNano": str(at), "endTimeUnixNano": at + 7, "attributes": ATTRIBUTES, "status": {"code": 1},
        "events": [{"timeUnixNano": at + 1, "name": "event", "attributes": ATTRIBUTES}],
        "links": [{"traceId": trace, "spanId": span, "attributes": ATTRIBUTES}],
        "unknownOfTheFuture": None,
    }
    log = {"traceId": trace, "spanId": span, "timeUnixNano": str(at + 2), "body": {"stringValue": "line\n"}, "attributes": ATTRIBUTES}
    keys = [{"key": expected.OF_TRACE, "value": {"stringValue": trace}}, {"key": expected.OF_SPAN, "value": {"stringValue": span}}]
    points = [
        {"timeUnixNano": str(at), "asInt": "5", "attributes": keys},
        {"timeUnixNano": str(at + 1_000_000), "asDouble": "0.5", "attributes": keys},
        {"timeUnixNano": str(at), "asInt": 1},
    ]
    return {
        "traces": {"resourceSpans": [{"resource": {"attributes": ATTRIBUTES}, "scopeSpans": [{"scope": scope, "spans": [made]}]}]},
        "logs": {"resourceLogs": [{"scopeLogs": [{"scope": scope, "logRecords": [log]}]}]},
        "metrics": {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "unit": "u", "gauge": {"dataPoints": points}}]}]}]},
    }


def written(name, credential, content_type, encoding):
    @test(f"by hand: OTLP JSON comes back with its types, {name}")
    def body(quillon):
        org = quillon.org("hand-" + name)
        trace, span, at = os.urandom(16).hex(), os.urandom(8).hex(), time.time_ns()
        for signal, content in bodies(trace, span, at).items():
            answer = post(quillon, signal, json.dumps(content).encode(), credential(org.token), content_type, encoding)
            assert (answer.status_code, answer.headers["content-type"]) == (200, JSON), answer.text
            if signal == "metrics":
                told = answer.json()["partialSuccess"]
                assert told["rejectedDataPoints"] == "1" and expected.OF_TRACE in told["errorMessage"], told
            else:
                assert answer.json() == {}, answer.text
        [(id, found)] = quillon.spans(org, trace).items()
        assert found.pop("updateTime")
        told = {
            "id": span, "traceId": trace, "traceState": "", "name": "by hand", "parentId": None, "kind": "SPAN_KIND_SERVER",
            "timestamp": at, "endTime": at + 7, "attributes": SHOWN, "status": {"code": "STATUS_CODE_OK", "message": ""},
            "events": [{"timestamp": at + 1, "name": "event", "attributes": SHOWN}],
            "links": [{"traceId": trace, "spanId": span, "traceState": "", "attributes": SHOWN}],
            "scope": {"name": "by hand", "version": "1"}, "hasLogs": True, "childCount": 0, "partial": False,
        }
        assert id == span
        expected.assert_same("span", told, expected.with_nanoseconds(found))
        told = [{"spanId": span, "timestamp": at + 2, "body": "line\n", "attributes": SHOWN}]
        expected.assert_same("logs", told, expected.with_nanoseconds(quillon.logs(org, trace, span)))
        [series] = quillon.series(org, trace, span)
        assert (series["name"], series["unit"], [value for _, value in series["points"]]) == ("m", "u", [5.0, 0.5]), series


written("identity", bearer, JSON, None)
written("gzip", basic, "application/json; charset=utf-8", "gzip")
written("named-identity", basic, "Application/JSON", "identity")


@test("by hand: what cannot be read is refused with a Status in the encoding of the request, and never with 5xx")
def refused(quillon):
    org = quillon.org("hand-refused")
    token = bearer(org.token)
    for body, content_type, encoding, status in [
        (b"{", JSON, None, 400),
        (b"[]", JSON, None, 400),
        (b'{"resourceSpans": 1}', JSON, None, 400),
        (b"\xff" * 40, "application/x-protobuf", None, 400),
        (b"\x0a\xff\xff\xff\xff\x0f", "application/x-protobuf", "gzip", 400),
        (b"not compressed", "application/x-protobuf", "GZIP", 400),
        (b"", "application/x-protobuf", "deflate", 415),
        (b"", "text/plain", None, 415),
        (b" " * (8 << 20) + b"{}        ", JSON, "gzip", 413),
    ]:
        answer = post(quillon, "traces", body, token, content_type, encoding)
        assert answer.status_code == status, (body[:20], content_type, encoding, answer.status_code, answer.text)
        if content_type == JSON:
            assert answer.json()["message"] and answer.headers["content-type"] == JSON, answer.text
    # An empty request is a request.
    assert post(quillon, "traces", b"", token).status_code == 200 and post(quillon, "logs", b"{}", token, JSON).json() == {}
