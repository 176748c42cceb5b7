"""What has to come back of what was sent: read from the bytes of requests with OpenTelemetry's own definitions."""

import base64
import datetime
import json
import math

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

REQUESTS = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest, "metrics": ExportMetricsServiceRequest}
RESPONSES = {"traces": ExportTraceServiceResponse, "logs": ExportLogsServiceResponse, "metrics": ExportMetricsServiceResponse}
DATA = {"resourceSpans": TracesData, "resourceLogs": LogsData, "resourceMetrics": MetricsData}
OF_TRACE, OF_SPAN = "dagger.io/metrics.trace", "dagger.io/metrics.span"


def value(sent):
    """A value as the API shows it: what JSON has no form for is text."""
    kind = sent.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(sent, kind)
    if kind == "array_value":
        return [value(item) for item in held.values]
    if kind == "kvlist_value":
        return attributes(held.values)
    if kind == "bytes_value":
        return base64.b64encode(held).decode()
    if kind == "double_value" and math.isnan(held):
        return "NaN"
    if kind == "double_value" and math.isinf(held):
        return "Infinity" if held > 0 else "-Infinity"
    return held


def attributes(sent):
    return {entry.key: value(entry.value) for entry in sent}


def is_running(span):
    return span.end_time_unix_nano < span.start_time_unix_nano or span.end_time_unix_nano >= 1 << 63


def shown(span, scope):
    """A span as the API shows it; times are nanoseconds."""
    return {
        "id": span.span_id.hex(),
        "traceId": span.trace_id.hex(),
        "traceState": span.trace_state,
        "name": span.name,
        "parentId": span.parent_span_id.hex() or None,
        "kind": Span.SpanKind.Name(span.kind),
        "timestamp": span.start_time_unix_nano,
        "endTime": None if is_running(span) else span.end_time_unix_nano,
        "attributes": attributes(span.attributes),
        "status": {"message": span.status.message, "code": Status.StatusCode.Name(span.status.code)},
        "events": [{"timestamp": event.time_unix_nano, "name": event.name, "attributes": attributes(event.attributes)} for event in span.events],
        "links": [
            {"traceId": link.trace_id.hex(), "spanId": link.span_id.hex(), "traceState": link.trace_state, "attributes": attributes(link.attributes)}
            for link in span.links
        ],
        "scope": {"name": scope.name, "version": scope.version},
    }


def shown_log(record):
    return {
        "spanId": record.span_id.hex() or None,
        "timestamp": record.time_unix_nano or record.observed_time_unix_nano,
        "body": _body(record.body),
        "attributes": attributes(record.attributes),
    }


def _body(sent):
    """A text, or what is shown as JSON."""
    match sent.WhichOneof("value"):
        case None:
            return ""
        case "bytes_value":
            return json.dumps(value(sent))
        case _:
            return value(sent)


class Sent:
    """What some requests hold."""

    def __init__(self, requests):
        self.spans, self.logs, self.points, self.span_records = {}, [], [], 0
        for signal, body in requests:
            request = body if isinstance(body, tuple(REQUESTS.values())) else REQUESTS[signal].FromString(body)
            getattr(self, f"_{signal}")(request)

    def _traces(self, request):
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.span_records += 1
                    known = self.spans.get(span.span_id.hex())
                    # A span that has ended stays so, whatever comes late.
                    if known is None or is_running(known[0]) or not is_running(span):
                        self.spans[span.span_id.hex()] = (span, scope.scope, resource.resource)

    def _logs(self, request):
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                self.logs += [(record, scope.scope, resource.resource) for record in scope.log_records]

    def _metrics(self, request):
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    data = metric.gauge if metric.HasField("gauge") else metric.sum
                    self.points += [(metric, point) for point in data.data_points]

    def shown_spans(self):
        return {id: shown(span, scope) for id, (span, scope, _) in self.spans.items()}

    def shown_logs(self):
        """By time; those of the same time as they were sent."""
        return sorted((shown_log(record) for record, _, _ in self.logs), key=lambda record: record["timestamp"])

    # What is kept of everything, as bytes.

    def kept_spans(self):
        return {id: _kept_span(*found) for id, found in self.spans.items()}

    def kept_logs(self):
        return sorted(_kept_log(*found) for found in self.logs)

    def kept_points(self):
        """Name, unit, time, the value with its type, and attributes of every point."""
        return sorted(
            (metric.name, metric.unit, point.time_unix_nano, point.WhichOneof("value"), str(getattr(point, point.WhichOneof("value"))),
             str(sorted(attributes(point.attributes).items())))
            for metric, point in self.points
        )


def _origin(scope, resource):
    return scope.name, scope.version, str(attributes(scope.attributes)), str(attributes(resource.attributes))


def _kept_span(span, scope, resource):
    kept = Span.FromString(span.SerializeToString())
    # Of the flags it is kept that the parent is elsewhere.
    kept.flags = 0x300 if kept.flags & 0x300 == 0x300 else 0
    if is_running(kept):
        kept.end_time_unix_nano = 0
    kept.status.SetInParent()
    for inner in (*kept.events, *kept.links):
        inner.dropped_attributes_count = 0
    for link in kept.links:
        link.flags = 0
    return kept.SerializeToString(deterministic=True), *_origin(scope, resource)


def _kept_log(record, scope, resource):
    kept = type(record).FromString(record.SerializeToString())
    kept.flags = 0
    kept.time_unix_nano = kept.time_unix_nano or kept.observed_time_unix_nano
    kept.body.SetInParent()
    return kept.SerializeToString(deterministic=True), *_origin(scope, resource)


def with_parsed_bodies(sent, found):
    """The log records of the API, with the bodies that were no text read as the JSON that they are shown as."""
    told = [record["body"] for record in sent]
    assert len(told) == len(found), f"{len(told)} log records became {len(found)}"
    read = [json.loads(record["body"]) if not isinstance(body, str) else record["body"] for body, record in zip(told, found)]
    return [{**record, "body": body} for record, body in zip(found, read)]


def downloaded(lines):
    """What the lines of a download hold; they are OTLP JSON, whose ids are hex and not base64."""
    requests = []
    for line in lines:
        [name] = line
        data = json_format.ParseDict(_with_base64_ids(line), DATA[name]())
        requests.append(({"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "metrics"}[name], data.SerializeToString()))
    return Sent(requests)


def _with_base64_ids(data):
    if isinstance(data, dict):
        return {
            name: base64.b64encode(bytes.fromhex(held)).decode() if name in ("traceId", "spanId", "parentSpanId") else _with_base64_ids(held)
            for name, held in data.items()
        }
    return [_with_base64_ids(held) for held in data] if isinstance(data, list) else data


def nanoseconds(text):
    """RFC 3339 to nanoseconds since the epoch, exactly."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    whole = datetime.datetime.fromisoformat(seconds).replace(tzinfo=datetime.timezone.utc)
    return int(whole.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)


def with_nanoseconds(record):
    """A record of the API with its times as numbers."""
    if isinstance(record, dict):
        times = ("timestamp", "endTime", "updateTime")
        return {name: nanoseconds(held) if name in times and held else held if name == "attributes" else with_nanoseconds(held) for name, held in record.items()}
    return [with_nanoseconds(held) for held in record] if isinstance(record, list) else record


def differences(expected, found, where=""):
    """Where two JSON values differ, types included: 1, 1.0 and true are three things, 0.0 and -0.0 are two."""
    if type(expected) is not type(found):
        return [f"{where}: {expected!r} became {found!r}"]
    if isinstance(expected, dict):
        told = [f"{where}.{name} is missing" for name in expected.keys() - found.keys()]
        told += [f"{where}.{name} is new: {found[name]!r}" for name in found.keys() - expected.keys()]
        return told + [text for name in expected.keys() & found.keys() for text in differences(expected[name], found[name], f"{where}.{name}")]
    if isinstance(expected, list):
        if len(expected) != len(found):
            return [f"{where}: {len(expected)} became {len(found)}"]
        return [text for at, (one, other) in enumerate(zip(expected, found)) for text in differences(one, other, f"{where}[{at}]")]
    is_same = expected == found and (not isinstance(expected, float) or math.copysign(1, expected) == math.copysign(1, found))
    return [] if is_same else [f"{where}: {expected!r} became {found!r}"]


def assert_same(what, expected, found):
    told = differences(expected, found, what)
    assert not told, "\n        ".join(told[:20] + ([f"… {len(told)} in all"] if len(told) > 20 else []))
