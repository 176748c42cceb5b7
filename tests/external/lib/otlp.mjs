// Sends telemetry to a running `quillon up`: OTLP JSON of a test's own, or made-up runs of any size.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

// Beside the binary under test, or where `cargo test` leaves it.
const REQUESTS = [join(dirname(process.env.QUILLON_BIN ?? ""), "examples/requests"), new URL("../../../target/debug/examples/requests", import.meta.url).pathname].find(existsSync) ?? "requests";

const attribute = ([key, value]) => {
  if (typeof value === "boolean") return { key, value: { boolValue: value } };
  if (typeof value === "number") return { key, value: { intValue: String(value) } };
  if (Array.isArray(value)) return { key, value: { arrayValue: { values: value.map((item) => ({ stringValue: item })) } } };
  return { key, value: { stringValue: value } };
};
const attributes = (pairs) => Object.entries(pairs ?? {}).map(attribute);
const nanoseconds = (ms) => (ms === null || ms === undefined ? "0" : String(BigInt(Math.round(ms * 1000)) * 1000n));

export const newId = (bytes) => randomBytes(bytes).toString("hex");

/** Posts with an org's token, as the dagger CLI does. */
export class Sender {
  constructor(url, token) {
    this.url = url;
    this.authorization = `Basic ${Buffer.from(`${token}:`).toString("base64")}`;
  }

  async post(path, body, type) {
    for (let tries = 0; ; tries++) {
      const response = await fetch(this.url + path, { method: "POST", headers: { authorization: this.authorization, "content-type": type, "content-encoding": "gzip" }, body: gzipSync(body, { level: 1 }) });
      const answer = await response.text();
      if (response.ok) return answer;
      if ((response.status !== 429 && response.status !== 503) || tries > 50) throw new Error(`${path} answered ${response.status}: ${answer.slice(0, 300)}`);
      await new Promise((resolve) => setTimeout(resolve, Math.min(1000 * (Number(response.headers.get("retry-after")) || 1), 2000)));
    }
  }

  #json(path, body) {
    return this.post(path, JSON.stringify(body), "application/json");
  }

  /** Spans `{id, parent, name, start, end, error, attributes, events, links}`; times are epoch milliseconds, no end: it runs. */
  spans(trace, spans, resource = { "service.name": "dagger-cli" }) {
    const made = spans.map(({ id, parent = "", name, start, end = null, error, attributes: own, events = [], links = [] }) => ({
      traceId: trace, spanId: id, parentSpanId: parent, name, kind: 1, startTimeUnixNano: nanoseconds(start), endTimeUnixNano: nanoseconds(end), attributes: attributes(own),
      events: events.map(({ time, name: event, attributes: more }) => ({ timeUnixNano: nanoseconds(time), name: event, attributes: attributes(more) })),
      links: links.map(({ span, attributes: more }) => ({ traceId: trace, spanId: span, attributes: attributes(more) })),
      status: error === undefined ? {} : { code: 2, message: error },
    }));
    return this.#json("/v1/traces", { resourceSpans: [{ resource: { attributes: attributes(resource) }, scopeSpans: [{ scope: { name: "dagger.io/engine" }, spans: made }] }] });
  }

  /** Log records `{span, time, body, attributes}`. */
  logs(trace, records) {
    const logRecords = records.map(({ span, time, body, attributes: own }) => ({ traceId: trace, spanId: span, timeUnixNano: nanoseconds(time), body: { stringValue: body }, attributes: attributes({ "stdio.stream": 1, ...own }) }));
    return this.#json("/v1/logs", { resourceLogs: [{ resource: { attributes: [] }, scopeLogs: [{ scope: { name: "dagger.io/engine" }, logRecords }] }] });
  }

  /** One gauge of a span. */
  gauge(trace, span, name, unit, points) {
    const dataPoints = points.map(([time, value]) => ({ timeUnixNano: nanoseconds(time), asInt: String(value), attributes: attributes({ "dagger.io/metrics.trace": trace, "dagger.io/metrics.span": span }) }));
    return this.#json("/v1/metrics", { resourceMetrics: [{ resource: { attributes: [] }, scopeMetrics: [{ scope: { name: "dagger.io/engine" }, metrics: [{ name, unit, gauge: { dataPoints } }] }] }] });
  }

  /** A made-up run of so many spans, sent as fast as the server takes it; its trace's id. */
  async generated(seed, spans, ending = "failing") {
    const child = spawn(REQUESTS, [String(seed), String(spans), ending], { stdio: ["ignore", "pipe", "pipe"] });
    let id = "";
    child.stderr.setEncoding("utf8").on("data", (text) => { id += text; });
    const ended = new Promise((resolve, reject) => child.on("error", reject).on("close", (code) => (code === 0 ? resolve() : reject(new Error(`requests ended with ${code}: ${id}`)))));
    // Failures are seen below, when it is awaited.
    ended.catch(() => {});
    const sending = new Set();
    for await (const [path, body] of frames(child.stdout)) {
      const sent = this.post(path, body, "application/x-protobuf").finally(() => sending.delete(sent));
      sending.add(sent);
      if (sending.size >= 4) await Promise.race(sending);
    }
    await Promise.all(sending);
    await ended;
    return id.trim();
  }
}

async function* frames(stream) {
  let held = Buffer.alloc(0);
  for await (const chunk of stream) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (;;) {
      if (held.length < 1) break;
      const path = held[0];
      if (held.length < 1 + path + 4) break;
      const size = held.readUInt32LE(1 + path);
      const end = 1 + path + 4 + size;
      if (held.length < end) break;
      yield [held.toString("utf8", 1, 1 + path), held.subarray(1 + path + 4, end)];
      held = held.subarray(end);
    }
  }
}
