"""The OpenTelemetry SDK for Python and its OTLP exporters, as clients."""

import itertools
import time

from google.rpc.status_pb2 import Status as RpcStatus
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import RandomIdGenerator, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState, set_span_in_context

import expected
from report import test
from wire import Wire, basic, bearer, post

# What is set, and what the API has to show for it.
EVERY_TYPE = {
    "text": ("héllo 🐍 \u202e\0end \ufeff<b>&amp;", "héllo 🐍 \u202e\0end \ufeff<b>&amp;"),
    "text.empty": ("", ""),
    "text.true": ("true", "true"),
    "text.number": ("42", "42"),
    "text.lines": ("one\r\ntwo\ttab\u2028three\x1b[31mred", "one\r\ntwo\ttab\u2028three\x1b[31mred"),
    "truth": (True, True),
    "lie": (False, False),
    "int": (0, 0),
    "int.least": (-(2**63), -(2**63)),
    "int.most": (2**63 - 1, 2**63 - 1),
    "int.odd": (2**53 + 1, 2**53 + 1),
    "double": (0.1, 0.1),
    "double.whole": (1.0, 1.0),
    "double.zero": (-0.0, -0.0),
    "double.least": (5e-324, 5e-324),
    "double.most": (1.7976931348623157e308, 1.7976931348623157e308),
    "double.nan": (float("nan"), "NaN"),
    "double.up": (float("inf"), "Infinity"),
    "double.down": (float("-inf"), "-Infinity"),
    "bytes": (b"\x00\xff\n", "AP8K"),
    "bytes.empty": (b"", ""),
    "truths": ([True, False], [True, False]),
    "ints": ([0, -1, 2**63 - 1], [0, -1, 2**63 - 1]),
    "doubles": ([0.5, 2.0], [0.5, 2.0]),
    "texts": (["a", "", "日本語"], ["a", "", "日本語"]),
    "nothing": ([], []),
    "mixed": ([1, "1", 1.0, True, None, [b"\x01"]], [1, "1", 1.0, True, None, ["AQ=="]]),
    "map": ({"a.b": {"c": [1, {"d": 2.0}]}, "e": None, "": 1}, {"a.b": {"c": [1, {"d": 2.0}]}, "e": None}),
    "map.empty": ({}, {}),
    "none": (None, None),
    "quillon": ("of the sender", "of the sender"),
    "ключ 🔑": ("key", "key"),
}
SET = {name: value for name, (value, _) in EVERY_TYPE.items()}
SHOWN = {name: value for name, (_, value) in EVERY_TYPE.items()}
CREDENTIALS = {"Basic": basic, "Bearer": bearer}
COMPRESSIONS = {"gzip": Compression.Gzip, "identity": Compression.NoCompression}
NEVER_MS = 3_600_000


class Ids(RandomIdGenerator):
    """Ids of which the trace's is given."""

    def __init__(self, trace):
        self._trace = trace

    def generate_trace_id(self):
        return self._trace or super().generate_trace_id()


class Client:
    """The three providers of one process, and what they sent."""

    def __init__(self, quillon, headers, compression=Compression.Gzip, batch=False, trace=None, processor=None):
        self.wire = Wire()
        options = {"headers": headers, "compression": compression, "session": self.wire, "timeout": 30}
        self.span_exporter = OTLPSpanExporter(f"{quillon.url}/v1/traces", **options)
        self.log_exporter = OTLPLogExporter(f"{quillon.url}/v1/logs", **options)
        self.metric_exporter = OTLPMetricExporter(f"{quillon.url}/v1/metrics", **options)
        resource = Resource({"service.name": "exporters-python", "answer": 42, "list": [1, 2]})
        spans = BatchSpanProcessor(self.span_exporter) if batch else SimpleSpanProcessor(self.span_exporter)
        self.tracers = TracerProvider(resource=resource, id_generator=Ids(trace), shutdown_on_exit=False)
        self.tracers.add_span_processor(processor(self.span_exporter) if processor else spans)
        self.tracer = self.tracers.get_tracer("python.exporter", "1.2.3", attributes={"of": "the scope"})
        self.loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self.loggers.add_log_record_processor((BatchLogRecordProcessor if batch else SimpleLogRecordProcessor)(self.log_exporter))
        self.logger = self.loggers.get_logger("python.exporter", "1.2.3")
        reader = PeriodicExportingMetricReader(self.metric_exporter, export_interval_millis=NEVER_MS)
        self.meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self.meter = self.meters.get_meter("python.exporter", "1.2.3")

    def log(self, span, body, at, **attributes):
        self.logger.emit(
            LogRecord(
                timestamp=at, observed_timestamp=at + 1, context=set_span_in_context(span), severity_number=SeverityNumber.WARN,
                severity_text="WARN", body=body, attributes={"stdio.stream": 1, **attributes},
            )
        )

    def flush(self):
        self.tracers.force_flush()
        self.loggers.force_flush()
        self.meters.force_flush()

    def close(self):
        for provider in (self.tracers, self.loggers):
            provider.shutdown()


def hex_of(context):
    return format(context.trace_id, "032x"), format(context.span_id, "016x")


def keyed(context):
    trace, span = hex_of(context)
    return {expected.OF_TRACE: trace, expected.OF_SPAN: span, "dagger.io/dag.digest": "xxh3:0"}


def everything(client):
    """A run with all that the SDK can say: nested spans, events, links, an exception; logs and metrics of them. Gives its root."""
    now = time.time_ns()
    tracer = client.tracer
    root = tracer.start_span("python root ✓", kind=SpanKind.SERVER, attributes=SET, start_time=now)
    elsewhere = SpanContext(0x0A0B0C0D, 0x0102030405060708, True, TraceFlags(1), TraceState([("vendor", "value")]))
    kinds = (SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER)
    parent = root
    for depth, kind in enumerate(kinds):
        links = [Link(elsewhere, SET), Link(root.get_span_context(), {})]
        span = tracer.start_span(f"step {depth}", set_span_in_context(parent), kind, links=links, start_time=now + 1_000 * depth + 1)
        span.add_event("every type", SET, timestamp=now + 1_001)
        span.add_event("", {}, timestamp=now + 1_002)
        client.log(span, f"\x1b[1mline {depth}\x1b[0m\r\nlíne 🪵\n", now + 5_000 - depth, number=depth, many=SET)
        parent.set_attribute(f"child.{depth}", depth)
        span.end(now + 10_000 + depth)
        parent = span
    try:
        with tracer.start_as_current_span("it fails", set_span_in_context(root), attributes={"a": 1}):
            raise ValueError("bröken: \x1b[31m<script>")
    except ValueError:
        pass
    for body in (None, "", {"a": [1, None, b"\x01"], "b": {"c": 2.0}}, [1, "1"], 42, 0.5, True, b"\x00\xff"):
        client.log(root, body, now + 20_000)
    client.meter.create_gauge("dagger.io/metrics.memory.current", unit="byte").set(2**63 - 1, keyed(root.get_span_context()))
    client.meter.create_gauge("load").set(0.1, {**keyed(root.get_span_context()), "bytes": "no"})
    client.meter.create_counter("requests", unit="1").add(3, keyed(root.get_span_context()))
    client.meter.create_up_down_counter("balance").add(-0.5, keyed(parent.get_span_context()))
    root.set_status(Status(StatusCode.OK))
    root.end(now + 2_000_000_000)
    client.flush()
    return root


def assert_comes_back(quillon, org, wire, trace, root):
    """Everything that was sent of a trace is what the API and the download give, and nothing else."""
    sent = wire.sent()
    spans = quillon.spans(org, trace)
    children = {id: sum(1 for span in spans.values() if span["parentId"] == id) for id in spans}
    with_logs = {record.span_id.hex() for record, _, _ in sent.logs}
    for id, span in spans.items():
        assert span.pop("partial") is False
        assert expected.nanoseconds(span.pop("updateTime")) > 0
        expected.assert_same(f"{span['name']}: children", children[id], span.pop("childCount"))
        expected.assert_same(f"{span['name']}: logs", id in with_logs, span.pop("hasLogs"))
    expected.assert_same("spans", sent.shown_spans(), expected.with_nanoseconds(spans))

    told = sent.shown_logs()
    found = expected.with_nanoseconds(quillon.logs(org, trace, root, deep=True))
    expected.assert_same("logs", told, expected.with_parsed_bodies(told, found))
    # Of some spans on their own: each is a request.
    for id in sorted(with_logs)[:20]:
        own = [record for record in told if record["spanId"] == id]
        found = expected.with_nanoseconds(quillon.logs(org, trace, id))
        expected.assert_same(f"logs of {id}", own, expected.with_parsed_bodies(own, found))

    kept = expected.downloaded(quillon.download(org, trace))
    for what in ("kept_spans", "kept_logs", "kept_points"):
        one, other = getattr(sent, what)(), getattr(kept, what)()
        assert one == other, f"the download has other {what.removeprefix('kept_')}:\n        {one}\n        {other}"
    assert kept.span_records == len(sent.spans), "a span is in the download more than once"
    return sent


def round_trip(credential, compression):
    @test(f"python: everything comes back with its type, {credential} and {compression}")
    def body(quillon):
        org = quillon.org(f"python-{credential}-{compression}".lower())
        client = Client(quillon, CREDENTIALS[credential](org.token), COMPRESSIONS[compression])
        root = everything(client)
        client.close()
        assert set(client.wire.statuses()) == {200}, client.wire.statuses()
        assert {exchange.encoding for exchange in client.wire.exchanges} == {compression}
        # Anything in an answer would be reported as an error by some exporter.
        assert all(exchange.response.content == b"" for exchange in client.wire.exchanges)
        trace, id = hex_of(root.get_span_context())
        sent = assert_comes_back(quillon, org, client.wire, trace, id)
        assert (len(sent.spans), len(sent.logs), len(sent.points)) == (6, 12, 4), (len(sent.spans), len(sent.logs), len(sent.points))

        spans = quillon.spans(org, trace)
        own = {name: value for name, value in spans[id]["attributes"].items() if not name.startswith("child.")}
        expected.assert_same("attributes of the root", SHOWN, own)
        by_name = {span["name"]: span for span in spans.values()}
        expected.assert_same("attributes of an event", SHOWN, by_name["step 3"]["events"][0]["attributes"])
        expected.assert_same("attributes of a link", SHOWN, by_name["step 3"]["links"][0]["attributes"])
        failed = by_name["it fails"]
        expected.assert_same("status", {"code": "STATUS_CODE_ERROR", "message": "ValueError: bröken: \x1b[31m<script>"}, failed["status"])
        [exception] = failed["events"]
        assert exception["name"] == "exception" and exception["attributes"]["exception.type"] == "ValueError", exception
        assert "Traceback" in exception["attributes"]["exception.stacktrace"]

        drawn = {series["name"]: (series["unit"], [value for _, value in series["points"]]) for series in quillon.series(org, trace, id)}
        told = {"dagger.io/metrics.memory.current": ("byte", [float(2**63 - 1)]), "load": ("", [0.1]), "requests": ("1", [3.0])}
        assert drawn == told, drawn


for pair in itertools.product(CREDENTIALS, COMPRESSIONS):
    round_trip(*pair)


class Live(SpanProcessor):
    """Sends spans when they start and when they end, as Dagger does."""

    def __init__(self, exporter):
        self._exporter = exporter

    def on_start(self, span, parent_context=None):
        self._exporter.export([span])

    def on_end(self, span):
        self._exporter.export([span])


@test("python: a span is shown while it runs, and once it has ended it stays ended")
def live(quillon):
    org = quillon.org("python-live")
    client = Client(quillon, basic(org.token), processor=Live)
    root = client.tracer.start_span("root")
    step = client.tracer.start_span("step", set_span_in_context(root))
    trace, id = hex_of(root.get_span_context())
    running = quillon.spans(org, trace)
    assert [span["endTime"] for span in running.values()] == [None, None], running
    step.set_attribute("late", True)
    step.end()
    of_step = hex_of(step.get_span_context())[1]
    half = quillon.spans(org, trace)
    assert half[id]["endTime"] is None and half[of_step]["endTime"] is not None and half[of_step]["attributes"] == {"late": True}, half
    root.end()
    # What was sent when they started comes again, late: a retry, or another path.
    for exchange in client.wire.exchanges[:2]:
        assert post(quillon, "traces", exchange.sent, basic(org.token)).status_code == 200
    client.close()
    assert_comes_back(quillon, org, client.wire, trace, id)
    *batches, last = quillon.spans_to_the_end(org, trace)
    assert last == [] and sum(len(batch) for batch in batches) == 2, "the stream of a finished trace ends by itself, and repeats nothing"


@test("python: an export that is sent again changes nothing")
def sent_again(quillon):
    org = quillon.org("python-again")
    client = Client(quillon, bearer(org.token))
    root = everything(client)
    client.close()
    sent = list(client.wire.exchanges)
    for exchange in reversed(sent):
        assert post(quillon, exchange.signal, exchange.sent, bearer(org.token), encoding="gzip").status_code == 200
    assert_comes_back(quillon, org, client.wire, *hex_of(root.get_span_context()))


@test("python: thousands of spans and log records in parallel batches come back once each")
def many(quillon):
    org = quillon.org("python-many")
    # So many that what came first is compacted while the rest arrives.
    count = 5_000
    client = Client(quillon, basic(org.token), batch=True)
    root = client.tracer.start_span("root")
    context = set_span_in_context(root)
    for number in range(count):
        span = client.tracer.start_span(f"span {number}", context, attributes={"number": number})
        client.log(span, f"line {number}\n", time.time_ns(), number=number)
        span.end()
        if number % 400 == 399:
            # The queues of the SDK's batches drop what is too much.
            client.tracers.force_flush()
            client.loggers.force_flush()
    root.end()
    client.flush()
    client.close()
    sent = assert_comes_back(quillon, org, client.wire, *hex_of(root.get_span_context()))
    assert (len(sent.spans), len(sent.logs)) == (count + 1, count), (len(sent.spans), len(sent.logs))


@test("python: a wrong credential fails with 401 and leaves nothing behind")
def wrong_credential(quillon):
    org, other = quillon.org("python-denied"), quillon.org("python-other")
    unknown = org.token[:-4] + ("0000" if not org.token.endswith("0000") else "1111")
    for headers, status, code in [
        (basic(unknown), 401, 16), (bearer(unknown), 401, 16), (bearer("dag_x_y"), 401, 16), (bearer("no token"), 401, 16), ({}, 401, 16),
        ({**bearer(org.token), "x-dagger-org": other.id}, 403, 7),
    ]:
        client = Client(quillon, headers)
        root = everything(client)
        trace, _ = hex_of(root.get_span_context())
        client.close()
        assert set(client.wire.statuses()) == {status}, (headers, client.wire.statuses())
        assert {exchange.signal for exchange in client.wire.exchanges} == {"traces", "logs", "metrics"}
        for exchange in client.wire.exchanges:
            told = RpcStatus.FromString(exchange.response.content)
            assert exchange.response.headers["content-type"] == "application/x-protobuf"
            assert told.code == code and told.message and org.token not in told.message, told
        assert not quillon.has_trace(org, trace) and not quillon.has_trace(other, trace)
    exporter = Client(quillon, basic(unknown)).span_exporter
    assert exporter.export([root]) is SpanExportResult.FAILURE, "the exporter knows that it failed"
    for spelled in (org.id, org.name, org.name.upper()):
        client = Client(quillon, {**bearer(org.token), "x-dagger-org": spelled})
        root = client.tracer.start_span("root")
        root.end()
        client.close()
        assert client.wire.statuses() == [200] and quillon.has_trace(org, hex_of(root.get_span_context())[0]), spelled


@test("python: records that cannot be kept are reported as a partial success, the others are kept")
def partial_success(quillon):
    org = quillon.org("python-partial")
    client = Client(quillon, bearer(org.token))
    root = client.tracer.start_span("root")
    root.end()
    context = root.get_span_context()
    trace, id = hex_of(context)
    client.log(root, "of the root", time.time_ns())
    client.log(NonRecordingSpan(SpanContext(0, 0, False)), "of no trace", time.time_ns())
    gauge = client.meter.create_gauge("dagger.io/metrics.cpustat.usage", unit="us")
    gauge.set(1, keyed(context))
    gauge.set(2, {"of": "nothing"})
    gauge.set(3, {expected.OF_TRACE: trace, expected.OF_SPAN: "no span"})
    client.meter.create_histogram("latency").record(1, keyed(context))
    client.flush()
    client.close()
    assert set(client.wire.statuses()) == {200}
    told = {exchange.sent: exchange.partial_success for exchange in client.wire.exchanges}
    reports = [report for report in told.values() if report]
    assert len(told) == 4 and len(reports) == 2, told
    [(logs, why_logs), (points, why_points)] = reports
    assert logs == 1 and "trace id" in why_logs, why_logs
    assert points == 3 and all(text in why_points for text in (expected.OF_TRACE, expected.OF_SPAN, "neither a gauge nor a sum")), why_points
    assert [record["body"] for record in quillon.logs(org, trace, id, deep=True)] == ["of the root"]
    [series] = quillon.series(org, trace, id)
    assert (series["name"], [value for _, value in series["points"]]) == ("dagger.io/metrics.cpustat.usage", [1.0]), series


@test("python: an attribute is whole up to 64 KiB and cut at a character beyond that, which the record says")
def long_attributes(quillon):
    org = quillon.org("python-long")
    client = Client(quillon, bearer(org.token))
    most = 64 * 1024
    whole, cut = client.tracer.start_span("whole", attributes={"text": "x" * (most - 3) + "€"}), client.tracer.start_span("cut", attributes={"text": "€" * most})
    for span in (whole, cut):
        span.end()
    client.close()
    assert [exchange.partial_success for exchange in client.wire.exchanges] == [None, None], "nothing was rejected"
    attributes = [quillon.spans(org, trace)[id]["attributes"] for trace, id in (hex_of(span.get_span_context()) for span in (whole, cut))]
    expected.assert_same("attributes", [{"text": "x" * (most - 3) + "€"}, {"text": "€" * (most // 3), "quillon.truncated": True}], attributes)


@test("python: the same trace id in two orgs stays apart")
def two_orgs(quillon):
    orgs = [quillon.org("python-one"), quillon.org("python-two")]
    trace = RandomIdGenerator().generate_trace_id()
    clients = [Client(quillon, bearer(org.token), trace=trace) for org in orgs]
    roots = [everything(client) for client in clients]
    for client in clients:
        client.close()
    for org, client, root in zip(orgs, clients, roots):
        assert_comes_back(quillon, org, client.wire, *hex_of(root.get_span_context()))
    name, id = hex_of(roots[0].get_span_context())
    assert not quillon.has_trace(orgs[0], name, token=orgs[1].token), "the token of one org reads nothing of another"
    assert quillon.logs(orgs[1], name, id) == [], "a span of the other org has no logs here"
