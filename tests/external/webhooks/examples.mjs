// Posts every payload of `@octokit/webhooks-examples`, whole and damaged and correctly signed, to a running `quillon up`:
// each is accepted, ignored or refused on purpose, and none is answered with 5xx.

import { createHmac, randomUUID } from "node:crypto";
import { createRequire } from "node:module";

import { Quillon } from "../lib/quillon.mjs";
import { exitCode, expectNone, test } from "../lib/report.mjs";

const AT_ONCE = 8;
const events = createRequire(import.meta.url)("@octokit/webhooks-examples");

/** Another value of another type, so that nothing that reads the field can be content. */
const wrong = (value) => (typeof value === "string" ? { unexpected: [7] } : typeof value === "number" ? "not a number" : Array.isArray(value) ? 7 : [null, "x"]);

/** Every path to a field, at most `depth` levels down. */
function* paths(value, depth, path = []) {
  if (depth === 0 || value === null || typeof value !== "object") return;
  for (const key of Object.keys(value)) {
    yield [...path, key];
    yield* paths(value[key], depth - 1, [...path, key]);
  }
}

/** A copy in which one field is changed, or removed where the change is none. */
function changed(payload, path, change) {
  const copy = structuredClone(payload);
  const last = path.at(-1);
  const parent = path.slice(0, -1).reduce((value, key) => value[key], copy);
  if (change === undefined) delete parent[last];
  else parent[last] = change(parent[last]);
  return copy;
}

/** The damaged bodies of one payload, each with what was done to it. */
function* damages(payload, depth) {
  const text = JSON.stringify(payload);
  yield ["cut in half", text.slice(0, text.length / 2)];
  yield ["cut before its end", text.slice(0, -1)];
  yield ["followed by more", `${text}{}`];
  yield ["empty", ""];
  yield ["not an object", "[]"];
  yield ["not UTF-8", Buffer.concat([Buffer.from(text.slice(0, 20)), Buffer.from([0xff, 0xfe]), Buffer.from(text.slice(20))])];
  for (const path of paths(payload, depth)) {
    yield [`without ${path.join(".")}`, JSON.stringify(changed(payload, path))];
    yield [`with a wrong ${path.join(".")}`, JSON.stringify(changed(payload, path, wrong))];
    yield [`with ${path.join(".")} null`, JSON.stringify(changed(payload, path, () => null))];
  }
}

const quillon = await Quillon.start("up", { args: ["--agents", "0"], environment: { QUILLON_LOG: "error" } });
const secret = quillon.file("webhook-secret");

async function post(event, body, headers = {}) {
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  const response = await fetch(`${quillon.url}/github/webhook`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-github-event": event,
      "x-github-delivery": randomUUID(),
      "x-hub-signature-256": `sha256=${signature}`,
      ...headers,
    },
    body,
  });
  const text = await response.text();
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    said = { unreadable: text };
  }
  return { status: response.status, said };
}

/** Posts all cases, some at once; gives what is wrong, and counts the rest. */
async function postAll(cases, expected) {
  const problems = [];
  const counts = { accepted: 0, ignored: 0, refused: 0 };
  const queue = cases[Symbol.iterator]();
  const worker = async () => {
    for (;;) {
      const { value, done } = queue.next();
      if (done) return;
      const { event, what, body } = value;
      const { status, said } = await post(event, body);
      const kind = status === 202 && "accepted" in said ? "accepted" : status === 202 && typeof said.ignored === "string" ? "ignored" : status === 400 && typeof said.error === "string" ? "refused" : null;
      if (kind === null || !expected.includes(kind)) problems.push(`${event} ${what}: ${status} ${JSON.stringify(said).slice(0, 200)}`);
      else counts[kind] += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  console.log(`        ${counts.accepted} accepted, ${counts.ignored} ignored, ${counts.refused} refused`);
  return { problems, counts };
}

function* whole() {
  for (const { name, examples } of events) for (const [index, payload] of examples.entries()) yield { event: name, what: `example ${index}`, body: JSON.stringify(payload) };
}

/** Payloads that are read are damaged two levels deep, the others at the top; in each event the first examples are. */
function* damaged(wanted) {
  for (const { name, examples } of events) {
    for (const [index, payload] of examples.entries()) {
      const depth = wanted.has(name) ? (index < 3 ? 2 : 1) : index < 1 ? 1 : 0;
      for (const [what, body] of damages(payload, depth)) yield { event: name, what: `example ${index} ${what}`, body };
    }
  }
}

const READ = ["installation", "installation_repositories", "merge_group", "ping", "pull_request", "push", "repository"];
try {
  const total = events.reduce((sum, { examples }) => sum + examples.length, 0);
  await test("webhooks", `all ${total} payloads of ${events.length} events are accepted or ignored`, async () => {
    const { problems, counts } = await postAll(whole(), ["accepted", "ignored"]);
    expectNone("answered otherwise", problems);
    if (counts.accepted < 10) throw new Error(`only ${counts.accepted} were accepted: this test posts them wrongly`);
  });
  await test("webhooks", "damaged payloads are accepted, ignored or refused, and never answered with 5xx", async () => {
    const { problems, counts } = await postAll(damaged(new Set(READ)), ["accepted", "ignored", "refused"]);
    expectNone("answered otherwise", problems);
    if (counts.refused < 100) throw new Error(`only ${counts.refused} were refused: this test damages nothing that matters`);
  });
  await test("webhooks", "payloads of events that are read are refused when they are cut", async () => {
    const cases = events.filter(({ name }) => READ.includes(name) && name !== "ping").flatMap(({ name, examples }) =>
      examples.map((payload, index) => ({ event: name, what: `example ${index} cut`, body: JSON.stringify(payload).slice(0, -2) })));
    expectNone("answered otherwise", (await postAll(cases, ["refused"])).problems);
  });
  await test("webhooks", "a signature that is wrong, of another kind or absent is refused with 401 or 400", async () => {
    const body = JSON.stringify(events.find(({ name }) => name === "push").examples[0]);
    const problems = [];
    for (const [what, expected, headers] of [
      ["of another secret", 401, { "x-hub-signature-256": `sha256=${createHmac("sha256", "another").update(body).digest("hex")}` }],
      ["of no form", 401, { "x-hub-signature-256": "sha256=" }],
      ["empty", 401, { "x-hub-signature-256": "" }],
    ]) {
      const { status } = await post("push", body, headers);
      if (status !== expected && !(what === "empty" && status === 400)) problems.push(`${what}: ${status}`);
    }
    expectNone("signatures", problems);
  });
  await test("webhooks", "a body over GitHub's limit is refused with 413", async () => {
    const { status } = await post("push", JSON.stringify({ filler: "x".repeat(5 << 20) }));
    if (status !== 413) throw new Error(`answered ${status}`);
  });
  await test("webhooks", "the server is well afterwards", async () => {
    const { status } = await fetch(`${quillon.url}/healthz`);
    if (status !== 200) throw new Error(`answered ${status}`);
  });
} finally {
  await quillon.stop();
}
process.exit(exitCode());
