"""The OpenTelemetry SDK for Rust and its OTLP exporters, as the clients that `rust/` is built of."""

import json
import os
import pathlib
import subprocess
import time

import expected
from report import test
from wire import basic, bearer

PROGRAM = os.environ.get("QUILLON_EXPORTER_CLIENT", str(pathlib.Path(__file__).parents[3] / "target/exporters/debug/quillon-exporter-client"))

# What rust/src/record.rs sets, as the API has to show it.
TEXT = "héllo 🦀 \u202e\0end"
EVERY_TYPE = {
    "text": TEXT, "text.empty": "", "text.number": "42", "truth": True, "lie": False,
    "int.least": -(2**63), "int.most": 2**63 - 1,
    "double": 0.1, "double.whole": 1.0, "double.least": -5e-324, "double.nan": "NaN", "double.down": "-Infinity",
    "truths": [True, False], "ints": [0, -1, 2**63 - 1], "doubles": [0.5, 2.0, "Infinity"], "texts": ["a", "", "日本語"], "nothing": [],
}
# This SDK writes `null` into JSON for what JSON has no number for.
OF_JSON = {**EVERY_TYPE, "double.nan": None, "double.down": None, "doubles": [0.5, 2.0, None]}
LIST = [1, "two", True, 0.5]
MS = 1_000_000


def export(quillon, headers, *options):
    """Runs the client; gives what it prints, when its root started, and what its SDK warned of."""
    at = time.time_ns() // MS * MS + 123_457
    named = [argument for name, value in headers.items() for argument in ("--header", f"{name}={value}")]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    ran = subprocess.run([PROGRAM, quillon.url, str(at), *named, *options], capture_output=True, text=True, timeout=60, env={**inherited, "NO_PROXY": "127.0.0.1"})
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout), at, ran.stderr


def spans_of(ids, at, attributes):
    same = {"traceId": ids["trace"], "traceState": "", "scope": {"name": "rust.exporter", "version": "1.2.3"}, "partial": False}
    root = {
        **same, "id": ids["root"], "name": "rust root ✓", "parentId": None, "kind": "SPAN_KIND_SERVER",
        "timestamp": at, "endTime": at + 2_000 * MS, "attributes": attributes, "status": {"code": "STATUS_CODE_OK", "message": ""},
        "events": [
            {"timestamp": at + MS, "name": "started", "attributes": attributes},
            {"timestamp": at + 2 * MS, "name": "nothing more", "attributes": {}},
        ],
        "links": [], "hasLogs": False, "childCount": 1,
    }
    link = {"traceId": "0a0b0c0d".rjust(32, "0"), "spanId": ids["linked"], "traceState": "vendor=value", "attributes": {"why": "another trace", "n": 7}}
    step = {
        **same, "id": ids["step"], "name": "step", "parentId": ids["root"], "kind": "SPAN_KIND_CLIENT",
        "timestamp": at + 500 * MS, "endTime": at + 1_500 * MS, "attributes": {}, "status": {"code": "STATUS_CODE_ERROR", "message": "it bröke"},
        "events": [], "links": [link], "hasLogs": True, "childCount": 0,
    }
    return {root["id"]: root, step["id"]: step}


def logs_of(ids, at):
    attributes = {"stdio.stream": 2, "number": -(2**63), "double": 1.0, "bytes": "AQID", "list": LIST, "map": {"list": LIST}}
    bodies = ["line 1\r\nlíne 2 \x1b[31mred", '{"list":[1,"two",true,0.5]}', '"AP8="', ""]
    return [{"spanId": ids["step"], "timestamp": at + (600 + number) * MS, "body": body, "attributes": attributes} for number, body in enumerate(bodies)]


def round_trip(name, credential, *options):
    @test(f"rust: everything comes back with its type, {name}")
    def body(quillon):
        org = quillon.org("rust-" + name.replace(" ", "-").lower())
        ids, at, warnings = export(quillon, credential(org.token), *options)
        assert ids["outcomes"] == {"traces": "ok", "logs": "ok", "metrics": "ok"}, ids["outcomes"]
        spans = expected.with_nanoseconds(quillon.spans(org, ids["trace"]))
        for span in spans.values():
            assert span.pop("updateTime") > 0
        expected.assert_same("spans", spans_of(ids, at, OF_JSON if "--json" in options else EVERY_TYPE), spans)
        for span, deep in ((ids["step"], False), (ids["root"], True)):
            expected.assert_same("logs", logs_of(ids, at), expected.with_nanoseconds(quillon.logs(org, ids["trace"], span, deep)))
        assert quillon.logs(org, ids["trace"], ids["root"]) == []

        kept = expected.downloaded(quillon.download(org, ids["trace"]))
        keys = {"kind": "rust", expected.OF_TRACE: ids["trace"], expected.OF_SPAN: ids["step"]}
        told = [("dagger.io/metrics.memory.current", "byte", "as_int", 2**63 - 1), ("load", "", "as_double", 0.1), ("requests", "1", "as_int", 3)]
        found = sorted((metric.name, metric.unit, point.WhichOneof("value"), getattr(point, point.WhichOneof("value"))) for metric, point in kept.points)
        assert found == told, found
        assert all(expected.attributes(point.attributes) == keys for _, point in kept.points), kept.points
        assert (len(kept.spans), len(kept.logs)) == (2, 4)
        resources = [resource for _, _, resource in [*kept.spans.values(), *kept.logs]]
        assert all(expected.attributes(resource.attributes) == {"service.name": "exporters-rust", "answer": 42} for resource in resources), resources
        # The histogram was not taken; of an answer in JSON this SDK reads no counts.
        is_told = "PartialSuccess" in warnings and "neither a gauge nor a sum (1)" in warnings and "rejected_data_points=1" in warnings
        assert is_told or "--json" in options, warnings


round_trip("Basic and gzip", basic, "--gzip")
round_trip("Bearer and identity", bearer)
round_trip("OTLP JSON and gzip", basic, "--json", "--gzip")
round_trip("OTLP JSON and identity", bearer, "--json")


@test("rust: metric points of no trace are reported as a partial success")
def unkeyed(quillon):
    org = quillon.org("rust-unkeyed")
    ids, _, warnings = export(quillon, bearer(org.token), "--unkeyed")
    assert ids["outcomes"]["metrics"] == "ok" and "rejected_data_points=4" in warnings and expected.OF_TRACE in warnings, warnings
    assert quillon.series(org, ids["trace"], ids["step"]) == []


@test("rust: a wrong credential fails with 401 and leaves nothing behind")
def wrong_credential(quillon):
    org = quillon.org("rust-denied")
    for headers in (bearer(org.token + "0"), basic(org.token + "0"), {}):
        for options in ([], ["--json"]):
            ids, _, _ = export(quillon, headers, *options)
            assert all(outcome != "ok" for outcome in ids["outcomes"].values()), ids["outcomes"]
            assert "401" in ids["outcomes"]["traces"] and "401" in ids["outcomes"]["logs"], ids["outcomes"]
            assert not quillon.has_trace(org, ids["trace"])
