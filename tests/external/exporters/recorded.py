"""Runs of the real `dagger`, recorded: what its exporters sent is posted as it was, and read back."""

import pathlib
import re

import expected
from report import test
from wire import basic, post

FOLDER = pathlib.Path(__file__).parents[3] / "shared/otlp/tests/recorded"


def runs():
    """The requests of each recorded version, in their order: `(signal, body)`."""
    found = {}
    for path in sorted(FOLDER.glob("*.bin")):
        version, signal = re.fullmatch(r"(.+)-\d+-(traces|logs|metrics)\.bin", path.name).groups()
        found.setdefault(version, []).append((signal, path.read_bytes()))
    return found


def only_trace(sent):
    [trace] = {span.trace_id.hex() for span, _, _ in sent.spans.values()} | {record.trace_id.hex() for record, _, _ in sent.logs}
    return trace


def as_shown(sent):
    """Spans as the API shows them: a command that ran under a span of somebody else is a root, for nobody sends that span here."""
    shown = sent.shown_spans()
    for span, _, resource in sent.spans.values():
        id, parent = span.span_id.hex(), span.parent_span_id.hex()
        if parent not in shown and expected.attributes(resource.attributes)["service.name"] == "dagger-cli":
            shown[id]["parentId"] = None
    return shown


def assert_whole(quillon, org, sent):
    trace = only_trace(sent)
    spans = quillon.spans(org, trace)
    assert len(spans) == len(sent.spans), f"{len(sent.spans)} unique spans became {len(spans)}"
    for span in spans.values():
        for name in ("updateTime", "partial", "hasLogs", "childCount"):
            del span[name]
    expected.assert_same("spans", as_shown(sent), expected.with_nanoseconds(spans))

    told = sent.shown_logs()
    found = []
    for span in {record["spanId"] for record in told}:
        found += expected.with_nanoseconds(quillon.logs(org, trace, span))
    assert len(found) == len(told), f"{len(told)} log records became {len(found)}"
    in_order = sorted(told, key=lambda record: (record["spanId"], record["timestamp"]))
    expected.assert_same("logs", in_order, sorted(found, key=lambda record: (record["spanId"], record["timestamp"])))
    [root] = [id for id, span in as_shown(sent).items() if span["parentId"] is None]
    assert len(quillon.logs(org, trace, root, deep=True)) == len(told), "the logs of the whole trace, from its root"

    kept = expected.downloaded(quillon.download(org, trace))
    for what in ("kept_spans", "kept_logs", "kept_points"):
        one, other = getattr(sent, what)(), getattr(kept, what)()
        assert len(one) == len(other), f"the download has {len(other)} {what.removeprefix('kept_')} of {len(one)}"
        assert one == other, f"the download has other {what.removeprefix('kept_')}"
    return trace


def send(quillon, org, requests, encoding=None):
    for signal, body in requests:
        answer = post(quillon, signal, body, basic(org.token), encoding=encoding)
        assert (answer.status_code, answer.content) == (200, b""), (signal, answer.status_code, answer.content)


for version, requests in runs().items():

    @test(f"recorded: every span and log record of dagger {version} comes back")
    def whole(quillon, version=version, requests=requests):
        sent = expected.Sent(requests)
        assert len(sent.spans) > 50 and len(sent.logs) > 5, "the recording is what it should be"
        assert sent.span_records > len(sent.spans), "the recording has spans that run and then end"
        org = quillon.org("recorded-" + re.sub("[^a-z0-9]+", "-", version))
        send(quillon, org, requests)
        assert_whole(quillon, org, sent)

    @test(f"recorded: dagger {version} sent backwards and twice is the same run")
    def backwards(quillon, version=version, requests=requests):
        org = quillon.org("backwards-" + re.sub("[^a-z0-9]+", "-", version))
        send(quillon, org, reversed(requests), "gzip")
        send(quillon, org, requests)
        assert_whole(quillon, org, expected.Sent(requests))


@test("recorded: two runs under one trace id, in two orgs, stay apart")
def apart(quillon):
    recorded = list(runs().values())
    assert len({only_trace(expected.Sent(requests)) for requests in recorded}) == 1, "they were recorded under one trace id"
    orgs = [quillon.org(f"apart-{number}") for number in range(len(recorded))]
    for number in range(max(len(requests) for requests in recorded)):
        for org, requests in zip(orgs, recorded):
            send(quillon, org, requests[number : number + 1])
    for org, requests in zip(orgs, recorded):
        assert_whole(quillon, org, expected.Sent(requests))
