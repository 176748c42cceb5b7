// A server of the trace page without the product: our assets under the same policy, and answers of traces made up in memory.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const web = new URL("../../../functions/web/", import.meta.url);
const read = (path) => readFileSync(new URL(path, web));

// The policy of the real pages, read from where it is decided.
const policy = /CONTENT_SECURITY_POLICY: &str = "((?:[^"\\]|\\[\s\S])*)"/.exec(read("src/respond.rs").toString())[1].replace(/\\\s+/g, "");

const TYPES = { js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml" };

const page = (trace, extra) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Trace · Quillon</title>
<link rel="icon" href="/assets/quillon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/quillon.css"><link rel="stylesheet" href="/assets/trace.css">
<script src="/assets/theme.js"></script><script type="module" src="/assets/keys.js"></script><script type="module" src="/assets/trace/main.js"></script></head>
<body>${read("templates/part/signs.html")}
<header class="top"><div class="top-in"><a class="mark" href="/">Quillon</a><span class="grow"></span><button type="button" id="help-open" class="quiet scripted" aria-haspopup="dialog"><kbd>?</kbd><span class="sr">Keyboard shortcuts</span></button><button type="button" id="theme" class="quiet scripted"><span class="sr" id="theme-name">Color scheme</span>◐</button></div></header>
<main id="main" tabindex="-1" data-refresh="never"><h1>A trace</h1>${extra}<div id="trace" data-client data-base="/acme/traces/${trace.id}" data-trace="${trace.id}"><ol class="trace-rows"><li>what is there without scripts</li></ol></div></main>
<p id="announcer" class="sr" aria-live="polite"></p>
<dialog id="help" aria-labelledby="help-title"><h2 id="help-title">Keyboard shortcuts</h2><dl class="keys"><div><dt><kbd>?</kbd></dt><dd>this help</dd></div></dl><form method="dialog"><button>Close</button></form></dialog>
</body></html>`;

/** Serves traces by their ids; `failures` is how many of the next answers of a path are errors. */
export class Fixture {
  traces = new Map();
  failures = new Map();
  requests = [];
  extra = "";

  static async start() {
    const fixture = new Fixture();
    fixture.server = createServer((request, response) => fixture.#serve(request, response));
    await new Promise((resolve) => fixture.server.listen(0, "127.0.0.1", resolve));
    fixture.url = `http://127.0.0.1:${fixture.server.address().port}`;
    return fixture;
  }

  add(trace) {
    this.traces.set(trace.id, trace);
    return `/acme/traces/${trace.id}`;
  }

  #serve(request, response) {
    const url = new URL(request.url, this.url);
    this.requests.push(url.pathname + url.search);
    response.setHeader("content-security-policy", policy);
    response.setHeader("x-content-type-options", "nosniff");
    const send = (status, type, body, headers = {}) => {
      const packed = body.length > 1024 ? gzipSync(body, { level: 1 }) : null;
      response.writeHead(status, { "content-type": type, ...(packed ? { "content-encoding": "gzip" } : {}), ...headers });
      response.end(packed ?? body);
    };
    const asset = /^\/assets\/((?:trace\/)?[a-z]+\.(js|css|svg))$/.exec(url.pathname);
    if (asset !== null) return send(200, TYPES[asset[2]], read(`assets/${asset[1]}`));
    const [, id, path] = /^\/acme\/traces\/([0-9a-f]{32})(?:\/(\w+))?$/.exec(url.pathname) ?? [];
    const trace = this.traces.get(id);
    if (trace === undefined) return send(404, "text/plain", "not found");
    if (path === undefined) return send(200, "text/html; charset=utf-8", page(trace, this.extra));
    const failures = this.failures.get(path) ?? 0;
    if (failures > 0) {
      this.failures.set(path, failures - 1);
      return send(429, "application/json", "{}", { "retry-after": "1" });
    }
    const answer = trace.answer(path, url.searchParams);
    if (answer === null) return send(404, "text/plain", "not found");
    return send(200, answer.type, answer.body, answer.headers);
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
