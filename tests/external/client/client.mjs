// The trace page's modules without a browser: the wire format, the tree of hints, terminal output, filters, search.

import assert from "node:assert/strict";

import { FakeTrace, NONE, encode, failedRun, largeTrace } from "../lib/outline.mjs";
import { exitCode, test } from "../lib/report.mjs";

const assets = new URL("../../../functions/web/assets/trace/", import.meta.url);
const load = (name) => import(new URL(name, assets).href);
const { decode, WireError } = await load("wire.js");
const { FLAG, Model } = await load("model.js");
const { CLOSED, OPENED, Tree } = await load("tree.js");
const { LogText, linkedRuns, markedRuns, matcher } = await load("logs.js");
const { duration, ticks } = await load("format.js");
const { webAddress } = await load("dom.js");
const { findNames } = await load("search.js");
const { MOST_LANES, flameBoxes } = await load("flame.js");
const { curve } = await load("details.js");

const it = (name, body) => test("client", name, body);
const buffer = (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
const ask = (trace, query) => decode(buffer(trace.outline(new URLSearchParams(query))));
const modelOf = (trace) => {
  const model = new Model();
  for (let more = true; more; ) {
    const answer = ask(trace, { from: model.size, names: model.names.length });
    model.apply(answer);
    more = answer.hasMore;
  }
  return model;
};
const names = (tree, rows) => [...rows].map((row) => tree.model.nameOf(row));
const shown = (tree, choices = new Uint8Array(tree.size)) => names(tree, tree.visible(choices));

await it("an outline is decoded to what was encoded", () => {
  const trace = new FakeTrace();
  const root = trace.add("a — ünïcode 🚀", { start: 0, end: 10, flags: FLAG.ROOT });
  trace.add("", { parent: root, start: 0.5, end: null, logs: 7, received: 3 });
  const model = modelOf(trace);
  assert.equal(model.count, 2);
  assert.equal(model.nameOf(0), "a — ünïcode 🚀");
  assert.equal(model.idOf(1), "1000000000000001");
  assert.equal(model.find("1000000000000001"), 1);
  assert.equal(model.find("no id"), -1);
  assert.equal(model.parent[0], NONE);
  assert.ok(Number.isNaN(model.end[1]));
  assert.equal(model.logs[1], 7);
  assert.ok(model.has(0, FLAG.ROOT));
});
await it("an outline that is cut anywhere or damaged is an error and nothing else", () => {
  const whole = failedRun().trace.outline(new URLSearchParams());
  for (let length = 0; length < whole.length; length += 7) assert.throws(() => decode(buffer(whole.subarray(0, length))), WireError, `cut at ${length}`);
  let state = 1;
  for (let i = 0; i < 2000; i++) {
    const damaged = Buffer.from(whole);
    for (let j = 0; j < 4; j++) damaged[(state = (state * 48271) % 2147483647) % (i % 2 ? 64 : damaged.length)] = state & 255;
    const model = new Model();
    try {
      model.apply(decode(buffer(damaged)));
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
      continue;
    }
    const tree = new Tree(model);
    tree.visible(new Uint8Array(model.size));
  }
});
await it("updates replace rows, in any order, and an earlier origin moves the others", () => {
  const trace = new FakeTrace();
  const root = trace.add("root", { start: 0, end: null });
  const model = modelOf(trace);
  const cursor = ask(trace, {}).cursor;
  trace.change(root, { end: 50, flags: FLAG.ENDED });
  trace.add("later", { parent: root, start: 5, end: 6 });
  model.apply(ask(trace, { after: cursor, names: model.names.length }));
  assert.deepEqual([model.count, model.end[0], model.nameOf(1)], [2, 50, "later"]);
  model.apply(decode(buffer(encode({ rows: [{ row: 2, id: "00000000000000aa", start: 0, end: 1, received: 1, name: 2, flags: 0 }], total: 3, names: ["earliest"], firstName: 2, origin: trace.origin - 100 }))));
  assert.deepEqual([model.start[0], model.start[1], model.start[2], model.origin], [100, 105, 0, trace.origin - 100]);
});
await it("a tree shows internal rows not, pass-through rows as their children, revealed rows below their boundary", () => {
  const { trace, root, load: loaded, pass, test: tested, exec, revealed } = failedRun();
  const tree = new Tree(modelOf(trace));
  assert.ok(!tree.isShown(3), "internal");
  assert.ok(!tree.isShown(pass), "pass-through");
  assert.equal(tree.childCount(loaded), 20);
  assert.equal(tree.parentOf(revealed), tested);
  assert.deepEqual(names(tree, tree.childrenOf(tested)), ["revealed deep inside", "Container.from", "unit tests", "Container.withExec"]);
  assert.deepEqual(tree.ancestors(exec), [root, tested]);
  assert.deepEqual(tree.position(exec), [4, 4]);
  const all = new Tree(tree.model, { showsAll: true });
  assert.equal(all.count, trace.rows.length);
  assert.ok(all.isShown(pass) && all.isShown(3));
  assert.equal(new Tree(tree.model, { wanted: new Set([3]) }).parentOf(3), 1);
});
await it("failures are open, successes folded, and a reader's choice wins", () => {
  const { trace, root, load: loaded, test: tested } = failedRun();
  const tree = new Tree(modelOf(trace));
  assert.deepEqual(shown(tree), ["dagger call test", "connect", "load module", "Hello.test", "revealed deep inside", "Container.from", "unit tests", "Container.withExec"]);
  const choices = new Uint8Array(tree.size);
  choices[tested] = CLOSED;
  choices[1] = OPENED;
  assert.deepEqual(shown(tree, choices), ["dagger call test", "connect", "starting engine", "load module", "Hello.test"]);
  choices[loaded] = OPENED;
  assert.equal(shown(tree, choices).length, 25);
  choices[root] = CLOSED;
  assert.deepEqual(shown(tree, choices), ["dagger call test"]);
});
await it("encapsulated rows come out when their parent failed, internal ones when the error began there", () => {
  const trace = new FakeTrace();
  const root = trace.add("root", { flags: FLAG.ERROR });
  const parent = trace.add("parent", { parent: root, flags: FLAG.ERROR | FLAG.ENCAPSULATE });
  const hidden = trace.add("internal", { parent, flags: FLAG.INTERNAL | FLAG.ENCAPSULATED });
  trace.add("origin", { parent: hidden, flags: FLAG.ERROR | FLAG.ERROR_ORIGIN });
  const tree = new Tree(modelOf(trace));
  assert.ok(shown(tree).includes("internal"));
  assert.ok(tree.isShown(3));
});
await it("running rows are open, an encapsulating one is not, and a lost one is called so", () => {
  const trace = new FakeTrace();
  trace.isFinished = false;
  const root = trace.add("root", { start: 0, end: null });
  const busy = trace.add("busy", { parent: root, start: 1, end: null });
  trace.add("inside", { parent: busy, start: 2, end: null });
  const closed = trace.add("closed", { parent: root, start: 3, end: null, flags: FLAG.ENCAPSULATE });
  trace.add("folded", { parent: closed, start: 3, end: null });
  const model = modelOf(trace);
  assert.deepEqual(shown(new Tree(model)), ["root", "busy", "inside", "closed"]);
  assert.equal(model.stateOf(busy, 50_000), "running");
  assert.equal(model.stateOf(busy, 100_000), "lost");
});
await it("a call that put off its work runs, ends and fails with what it asked for", () => {
  const trace = new FakeTrace();
  trace.isFinished = false;
  const root = trace.add("dagger check", { end: null, received: 1000 });
  const call = trace.add("Container.withExec", { parent: root, start: 100, end: 101, flags: FLAG.PENDING | FLAG.CALL });
  trace.add("resolver", { parent: call, start: 100.2, end: 100.8, flags: FLAG.PASSTHROUGH });
  const told = (now = 1000) => {
    const model = modelOf(trace);
    model.settle();
    return [model.stateOf(call, now), model.endOf(call, now), model.isPending(call)];
  };
  assert.deepEqual(told(), ["succeeded", 101, true]);
  const work = trace.add("exec.run", { parent: call, start: 200, end: null, received: 1000, flags: FLAG.PASSTHROUGH });
  assert.deepEqual(told(), ["running", 1000, false]);
  assert.deepEqual(told(200_000)[0], "lost");
  trace.change(work, { end: 900, flags: FLAG.PASSTHROUGH | FLAG.ENDED });
  assert.deepEqual(told(), ["succeeded", 900, false]);
  trace.change(work, { flags: FLAG.PASSTHROUGH | FLAG.ENDED | FLAG.ERROR });
  assert.deepEqual(told(), ["failed", 900, false]);
  trace.change(work, { flags: FLAG.PASSTHROUGH | FLAG.ENDED | FLAG.ERROR | FLAG.BLOCKED });
  assert.deepEqual(told()[0], "succeeded");
  trace.change(call, { flags: FLAG.PENDING | FLAG.CALL | FLAG.ENDED | FLAG.ERROR_ORIGIN });
  assert.deepEqual(told()[0], "failed");
});
await it("what is measured where a command runs belongs to the call", () => {
  const trace = new FakeTrace();
  const call = trace.add("Container.withExec", { end: 10, flags: FLAG.PENDING });
  const work = trace.add("exec.run", { parent: call, start: 20, end: 90, flags: FLAG.PASSTHROUGH | FLAG.METRICS });
  const own = trace.add("upload", { parent: call, start: 0, end: 5, flags: FLAG.METRICS });
  const model = modelOf(trace);
  model.settle();
  assert.deepEqual([call, work, own].map((row) => model.measuredIn(row)), [[work], [work], [own]]);
});
await it("a call goes as the row beside it that took up its work", () => {
  const trace = new FakeTrace();
  const parent = trace.add("Exec.bad", { end: 1000 });
  const call = trace.add("Container.withExec", { parent, start: 100, end: 109, flags: FLAG.PENDING | FLAG.CALL });
  const other = trace.add("Container.withExec", { parent, start: 110, end: 119, flags: FLAG.PENDING | FLAG.CALL });
  const work = trace.add("resume withExec", { parent, start: 120, end: 700, flags: FLAG.PASSTHROUGH | FLAG.ERROR });
  const model = modelOf(trace);
  model.settle();
  assert.deepEqual([model.resumesBeside(call), model.stateOf(call, 0), model.isPending(call)], [[work], "succeeded", true]);
  assert.deepEqual([model.resume("no id", work), model.resume(model.idOf(call), work), model.resume(model.idOf(call), work)], [false, true, false]);
  model.settle();
  assert.deepEqual([model.resumesBeside(call), model.stateOf(call, 0), model.endOf(call, 0)], [[], "failed", 700]);
  assert.deepEqual([model.stateOf(other, 0), model.isPending(other)], ["succeeded", true]);
});
await it("a lost run is as long as it was heard of, what only its telemetry outlived no longer than the run", () => {
  const trace = new FakeTrace();
  const root = trace.add("dagger call deploy", { end: null, received: 600_000 });
  const step = trace.add("deploy", { parent: root, start: 10_000, end: null, received: 600_000 });
  const ends = () => {
    const model = modelOf(trace);
    model.settle();
    return [root, step].map((row) => model.endOf(row, 900_000));
  };
  assert.deepEqual(ends(), [600_000, 600_000]);
  trace.change(root, { end: 20_000, flags: FLAG.ENDED });
  assert.deepEqual(ends(), [20_000, 20_000]);
});
await it("cycles, spans that are their own parent, and absent parents lose nothing and end", () => {
  const trace = new FakeTrace();
  trace.add("a", { parent: 1 });
  trace.add("b", { parent: 2 });
  trace.add("c", { parent: 0 });
  trace.add("own", { parent: 3 });
  trace.add("free");
  const model = modelOf(trace);
  const tree = new Tree(model);
  assert.equal(tree.count, 5);
  assert.deepEqual(shown(tree, new Uint8Array(5).fill(OPENED)).sort(), ["a", "b", "c", "free", "own"]);
  // A parent that has not come yet hides its children until it comes.
  model.parent[4] = 77;
  assert.equal(new Tree(model).count, 4);
});
await it("a chain of 200,000 spans is a tree like any other", () => {
  const trace = new FakeTrace();
  for (let i = 0; i < 200_000; i++) trace.add("link", { parent: i === 0 ? NONE : i - 1, start: i, end: 200_000 });
  const model = modelOf(trace);
  const tree = new Tree(model);
  assert.equal(tree.depth[199_999], 199_999);
  assert.equal(tree.below(0), 199_999);
});
await it("a million spans become a tree", () => {
  const trace = largeTrace(1_000_000);
  const model = modelOf(trace);
  const started = performance.now();
  const tree = new Tree(model);
  console.log(JSON.stringify({ bench: "trace-client/tree-of-1m", ms: Math.round(performance.now() - started) }));
  assert.equal(model.count, 1_000_000);
  assert.equal(tree.count + tree.hidden, 1_000_000);
  assert.ok(tree.visible(new Uint8Array(tree.size)).length > 900);
});

const linesOf = (...bodies) => {
  const log = new LogText();
  log.add(bodies.map((body) => (typeof body === "string" ? { span: "a", stream: 1, body, time: 0 } : { time: 0, ...body })));
  return log.lines;
};
const texts = (...bodies) => linesOf(...bodies).map((line) => line.text);
await it("writes are joined to lines, per span and stream", () => {
  assert.deepEqual(texts("one\ntw", "o\nthree"), ["one", "two", "three"]);
  assert.deepEqual(texts({ span: "a", stream: 1, body: "out" }, { span: "a", stream: 2, body: "err\n" }, { span: "a", stream: 1, body: "put\n" }), ["output", "err"]);
  assert.deepEqual(texts({ span: "a", body: "" }, { span: "a", body: null }), []);
  assert.deepEqual(texts({ span: "a", body: { level: "info" } }), ['{"level":"info"}']);
});
await it("carriage returns, erased and rewritten lines collapse to what a terminal shows last", () => {
  assert.deepEqual(texts("10%\r50%\r100%\ndone\n"), ["100%", "done"]);
  assert.deepEqual(texts("10%\r", "50%"), ["50%"]);
  assert.deepEqual(texts("dos\r\nlines\r\n"), ["dos", "lines"]);
  assert.deepEqual(texts("dos\r", "\nlines"), ["dos", "lines"]);
  assert.deepEqual(texts("last frame stays\r"), ["last frame stays"]);
  assert.deepEqual(texts("gone\u001b[2K\rhere"), ["here"]);
  assert.deepEqual(texts("a\nb\n\u001b[2Ax\ny\n"), ["x", "y"]);
  assert.deepEqual(texts("abx\bc"), ["abc"]);
});
await it("colors and styles become classes of a closed list", () => {
  const classes = (body) => linesOf(body)[0].runs.map(({ text, className }) => [text, className]);
  assert.deepEqual(classes("\u001b[1;31mred\u001b[0m plain"), [["red", "f1 bold"], [" plain", ""]]);
  assert.deepEqual(classes("\u001b[38;5;196mx"), [["x", "f1"]]);
  assert.deepEqual(classes("\u001b[38;2;0;170;0mx"), [["x", "f2"]]);
  assert.deepEqual(classes("\u001b[7;44mx"), [["x", "f4"]]);
  for (const [, name] of classes("\u001b[1;3;4;9;38;5;999;48;2;999;999;999mx")) assert.match(name, /^([fg]\d+|bold|italic|underline|strike| )*$/);
});
await it("links are links only where they lead to the web", () => {
  const hrefs = (body) => linesOf(body)[0].runs.map(({ href }) => href ?? null);
  assert.deepEqual(hrefs("\u001b]8;;https://example.com/a\u0007x\u001b]8;;\u0007y"), ["https://example.com/a", null]);
  for (const address of ["javascript:alert(1)", "data:text/html,x", "java\nscript:alert(1)", "vbscript:x", "file:///etc/passwd", "//evil.example", "blob:https://x/1", " javascript:alert(1)"]) {
    assert.equal(webAddress(address), null, address);
    assert.ok(!linesOf(`\u001b]8;;${address}\u0007x`).some((line) => line.runs.some(({ href }) => href)), address);
  }
});
await it("addresses that a program prints are links, without what ends a sentence around them", () => {
  const links = (text, runs = [{ text, className: "f1", href: null }]) => linkedRuns(runs).map((run) => (run.href ? `[${run.text}]` : run.text)).join("");
  for (const [text, expected] of [
    ["see https://example.com/x?y=1#z.", "see [https://example.com/x?y=1#z]."],
    ["(https://example.com/a) and http://b.example/c_(d), too", "([https://example.com/a]) and [http://b.example/c_(d)], too"],
    ['"https://example.com"', '"[https://example.com]"'],
    ["javascript://x ftp://x xhttps://x", "javascript://x ftp://x xhttps://x"],
    ["nothing", "nothing"],
  ]) assert.equal(links(text), expected);
  assert.equal(links("", [{ text: "https://shown.example", className: "", href: "https://meant.example" }]), "[https://shown.example]");
  assert.equal(linkedRuns([{ text: "https://shown.example", className: "", href: "https://meant.example" }])[0].href, "https://meant.example");
  const runs = linkedRuns([{ text: "a https://b.example c", className: "f1", href: null }]);
  assert.deepEqual(runs.map(({ className }) => className), ["f1", "f1", "f1"]);
  assert.equal(markedRuns(runs, [[4, 6]]).map(({ text }) => text).join(""), "a https://b.example c");
});
await it("lines for verbose views are known as such, and apart from what is written beside them", () => {
  const log = new LogText();
  log.add([{ span: "a", stream: 1, body: "half ", time: 1 }, { span: "a", stream: 1, body: "debug\n", verbose: true, time: 2 }, { span: "a", stream: 1, body: "line\n", time: 3 }]);
  assert.deepEqual(log.lines.map(({ text, source }) => [text, source.isVerbose]), [["half line", false], ["debug", true]]);
  assert.ok(log.hasVerbose);
});
await it("what is neither text nor style is dropped, also when it comes in pieces", () => {
  assert.deepEqual(texts("a\u001b]0;title\u0007b\u001b]52;c;c3RlYWw=\u0007c\u001bPq#0\u001b\\d\u0000\u0001e\u009b31mf"), ["abcde31mf"]);
  assert.deepEqual(texts("a\u001b[3", "1mred"), ["ared"]);
  assert.deepEqual(texts("a\u001b]8;;https://example.", "com\u0007b"), ["ab"]);
  assert.deepEqual(texts("rtl \u202e gnp.exe"), ["rtl \ufffd gnp.exe"]);
  assert.deepEqual(texts(`\u001b]8;;${"x".repeat(10_000)}`, "y".repeat(10)).length, 1);
  const long = linesOf("z".repeat(100_000))[0];
  assert.deepEqual([long.text.length, long.cut], [16_384, 83_616]);
});
await it("lines beyond the limit go, from the first on", () => {
  const log = new LogText();
  log.add(Array.from({ length: 300 }, (_, i) => ({ span: "a", stream: 1, time: i, body: `${i}\n`.repeat(1000) })));
  assert.deepEqual([log.lines.length, log.dropped], [200_000, 100_000]);
});
await it("a filter finds plain text and regular expressions, says what is wrong, and never hangs", () => {
  const find = (text, line, options) => matcher(text, options).find(line);
  assert.deepEqual(find("AB", "xabab"), [[1, 3], [3, 5]]);
  assert.deepEqual(find("AB", "xabab", { isCased: true }), []);
  assert.deepEqual(find("a.c", "abc a.c"), [[4, 7]]);
  assert.deepEqual(find("a.c", "abc a.c", { isRegex: true }), [[0, 3], [4, 7]]);
  assert.deepEqual(find("x*", "ab", { isRegex: true }).length, 3);
  assert.match(matcher("(", { isRegex: true }).error, /regular expression/);
  assert.equal(matcher("").find, null);
  assert.deepEqual(markedRuns([{ text: "abc", className: "f1" }, { text: "def", className: "" }], [[2, 4]]).map(({ text, isMarked = false }) => [text, isMarked]), [["ab", false], ["c", true], ["d", true], ["ef", false]]);
});
await it("in the strip nothing covers what runs beside it, and no failure is left out", () => {
  const trace = new FakeTrace();
  const root = trace.add("dagger check", { end: 1000 });
  const first = trace.add("go:test", { parent: root, start: 100, end: 900, flags: FLAG.ERROR });
  const inner = trace.add("withExec", { parent: first, start: 200, end: 800 });
  const beside = trace.add("go:lint", { parent: root, start: 100, end: 400 });
  const after = trace.add("go:vet", { parent: root, start: 400, end: 500 });
  const model = modelOf(trace);
  const frame = { from: 0, to: 1000, now: 1000, grain: 2 / 1000 };
  const boxes = flameBoxes(model, new Tree(model), -1, frame);
  assert.deepEqual(Object.fromEntries(boxes.map(({ row, level }) => [row, level])), { [root]: 0, [first]: 1, [inner]: 2, [beside]: 3, [after]: 3 });
  for (let i = 0; i < 40; i++) trace.add(`many ${i}`, { parent: root, start: 100, end: 900 });
  const late = trace.add("failed", { parent: root, start: 110, end: 900, flags: FLAG.ERROR });
  const crowded = modelOf(trace);
  const all = flameBoxes(crowded, new Tree(crowded), -1, frame);
  assert.ok(all.every(({ level }) => level < MOST_LANES));
  assert.ok(all.some(({ row, state }) => row === late && state === "failure"));
});
await it("names are found whatever their case, the strip is merged to its width, curves keep to their frame", () => {
  const model = modelOf(largeTrace(50_000));
  assert.ok(findNames(model, "CONTAINER.STEP3").length > 500);
  const tree = new Tree(model);
  const boxes = flameBoxes(model, tree, -1, { from: 0, to: 3_600_000, now: 3_600_000, grain: 2 / 1000 });
  assert.ok(boxes.length < 5000, String(boxes.length));
  assert.ok(boxes.every(({ left, right }) => left >= 0 && right <= 1 && right >= left));
  assert.equal(curve([]), "");
  assert.doesNotMatch(curve([[0, 1], [Number.NaN, 2], [5, Number.POSITIVE_INFINITY], [9, -4]]), /NaN|Infinity/);
});
await it("durations and ticks", () => {
  assert.deepEqual([0, 0.02, 0.4, 12, 1234, 61_000, 194_000, 3_720_000, Number.NaN].map(duration), ["0ms", "20µs", "400µs", "12ms", "1.2s", "1m01s", "3m14s", "1h02m", ""]);
  assert.deepEqual(ticks(0, 100, 5), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(ticks(0, Number.NaN, 5), []);
  assert.ok(ticks(0, 1e15, 6).length <= 7);
});
process.exit(exitCode());
