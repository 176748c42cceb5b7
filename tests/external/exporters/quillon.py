"""A running `quillon up` of a test's own: how to reach it, and what it says it was sent."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import requests

PROGRAM = os.environ.get("QUILLON_BIN", str(pathlib.Path(__file__).parents[3] / "target/debug/quillon"))
PATIENCE_S = 60

SPANS = """subscription Spans($org: ID!, $trace: ID!, $root: Boolean!, $listen: [ID!], $incremental: Boolean) {
  spansUpdated(org: $org, traceId: $trace, root: $root, listen: $listen, incremental: $incremental) {
    id traceId traceState name parentId kind timestamp endTime updateTime attributes status { message code }
    events { timestamp name attributes } links { traceId spanId traceState attributes } scope { name version }
    hasLogs childCount partial
  }
}"""
LOGS = """subscription Logs($org: ID!, $trace: ID!, $span: ID!, $deep: Boolean!) {
  logsEmitted(org: $org, traceId: $trace, spanId: $span, descendants: $deep) { spanId timestamp body attributes }
}"""


class Org:
    """An org with a token."""

    def __init__(self, name, id, token):
        self.name, self.id, self.token = name, id, token


class Quillon:
    def __init__(self):
        self.data = tempfile.mkdtemp(prefix="quillon-external-")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("QUILLON_", "AWS_"))}
        self._environment = {**inherited, "QUILLON_LOG": os.environ.get("QUILLON_LOG", "error")}
        self._output = pathlib.Path(self.data, "output")
        with open(self._output, "w") as output:
            self._process = subprocess.Popen(
                [PROGRAM, "up", "--data", self.data, "--listen", "127.0.0.1:0", "--agents", "0"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=self._environment,
            )
        self._http = requests.Session()
        self._http.trust_env = False

    def __enter__(self):
        try:
            contact = self._until_it_answers()
        except BaseException:
            self.stop()
            raise
        self.url, self._operator_key = contact["url"].rstrip("/"), contact["operator_key"]
        return self

    def __exit__(self, *_):
        self.stop()

    def _until_it_answers(self):
        path = pathlib.Path(self.data, "instance.json")
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise SystemExit(f"quillon up ended with {self._process.returncode}:\n{self.output}")
            if path.exists() and "Ctrl-C" in self.output:
                return json.loads(path.read_text())
            time.sleep(0.05)
        raise SystemExit(f"waited in vain for quillon up:\n{self.output}")

    @property
    def output(self):
        return self._output.read_text()

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.data, ignore_errors=True)

    def org(self, name):
        """Makes an org, with a token for it."""
        command = [PROGRAM, "admin", "token", "create", "--org", name, "--data", self.data]
        token = subprocess.run(command, check=True, capture_output=True, text=True, env=self._environment, timeout=PATIENCE_S).stdout.strip()
        answer = self.graphql(token, "query Org($name: String!) { org(name: $name) { id } }", {"name": name})
        return Org(name, answer["org"]["id"], token)

    def graphql(self, token, query, variables):
        answer = self._query(token, query, variables, "application/json").json()
        if answer.get("errors"):
            raise AssertionError(answer["errors"])
        return answer["data"]

    def _query(self, token, query, variables, accept):
        response = self._http.post(
            f"{self.url}/query", json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {token}", "accept": accept}, stream=True, timeout=(10, PATIENCE_S),
        )
        response.encoding = "utf-8"
        assert response.status_code == 200, f"/query answered {response.status_code}: {response.text[:500]}"
        return response

    def _events(self, token, query, variables):
        """The data of `next` events as they come; ends with `complete`."""
        with self._query(token, query, variables, "text/event-stream") as response:
            assert response.headers["content-type"] == "text/event-stream", response.headers
            event, data = None, []
            # Only what the format calls a line: `iter_lines` of text would also split at other separators.
            for line in response.iter_lines(chunk_size=4096):
                if line.startswith(b"event:"):
                    event = line[6:].strip().decode()
                elif line.startswith(b"data:"):
                    data.append(line[5:].strip())
                elif not line and event == "next":
                    answer = json.loads(b"\n".join(data))
                    if answer.get("errors"):
                        raise AssertionError(answer["errors"])
                    yield answer["data"]
                    event, data = None, []
                elif not line:
                    if event == "complete":
                        return
                    event, data = None, []
            raise AssertionError("the stream ended without `complete`")

    def _caught_up(self, field, token, query, variables):
        """Everything up to the empty batch, which says that this is all so far."""
        found = []
        for data in self._events(token, query, variables):
            if not data[field]:
                return found
            found += data[field]
        raise AssertionError("the stream completed before it had caught up")

    def spans(self, org, trace, listen=None, root=True, incremental=False, token=None):
        """All spans of a trace by id; each was sent once."""
        variables = {"org": org.id, "trace": trace, "root": root, "listen": listen, "incremental": incremental}
        found = self._caught_up("spansUpdated", token or org.token, SPANS, variables)
        spans = {span["id"]: span for span in found}
        assert len(spans) == len(found), f"{len(found) - len(spans)} spans were sent more than once"
        return spans

    def spans_to_the_end(self, org, trace):
        """Every batch until the stream completes by itself."""
        variables = {"org": org.id, "trace": trace, "root": True, "listen": None, "incremental": False}
        return [data["spansUpdated"] for data in self._events(org.token, SPANS, variables)]

    def logs(self, org, trace, span, deep=False):
        """The log records of a span, in the order that they are sent in."""
        return self._caught_up("logsEmitted", org.token, LOGS, {"org": org.id, "trace": trace, "span": span, "deep": deep})

    def has_trace(self, org, trace, token=None):
        try:
            return bool(self.spans(org, trace, token=token))
        except AssertionError as error:
            if "no trace" in str(error) or "no org" in str(error):
                return False
            raise

    def _page(self, path):
        """A page as the operator sees it."""
        if not self._http.cookies:
            self._http.get(f"{self.url}/operator/sign-in", params={"key": self._operator_key}, timeout=PATIENCE_S).raise_for_status()
        response = self._http.get(self.url + path, timeout=PATIENCE_S)
        assert response.status_code == 200, f"{path} answered {response.status_code}"
        return response

    def series(self, org, trace, span):
        """What the trace page draws of a span's metrics."""
        return self._page(f"/{org.name}/traces/{trace}/metrics?span={span}").json()["series"]

    def download(self, org, trace):
        """The lines of the download, page after page."""
        lines, after = [], ""
        while True:
            response = self._page(f"/{org.name}/traces/{trace}/download" + (f"?after={after}" if after else ""))
            assert response.headers["content-type"] == "application/x-ndjson", response.headers["content-type"]
            lines += [json.loads(line) for line in response.content.split(b"\n") if line]
            after = response.headers.get("x-next")
            if not after:
                return lines
