// The trace page in Chromium, on traces made up in memory: reading, searching, keyboard, live rows, size, hostile text.

import { FLAG } from "../../../functions/web/assets/trace/model.js";
import { FakeTrace, NONE, failedRun, largeTrace } from "../lib/outline.mjs";
import { eventually } from "../lib/quillon.mjs";
import { exitCode, expectNone, test } from "../lib/report.mjs";
import { Fixture } from "./fixture.mjs";
import { HOSTILE, watchForHarm } from "./hostile.mjs";
import { Person } from "./person.mjs";

const fixture = await Fixture.start();
const person = await Person.start(fixture.url);
const { page } = person;
const harm = await watchForHarm(person);

function equal(found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
}

/** A test that also fails on what pages complained about meanwhile. */
const browse = (name, body) =>
  test("browser", `trace: ${name}`, async () => {
    await body();
    expectNone("the page complained", person.takeComplaints());
    expectNone("something ran or left", harm.take());
  });

const rows = () => page.$$eval(".tr-row", (found) => found.toSorted((a, b) => a.ariaRowIndex - b.ariaRowIndex).map((row) => row.querySelector(".tr-name").textContent));
const row = (name) => page.locator(".tr-row", { has: page.locator(".tr-name", { hasText: name }) }).first();
const active = () => page.locator(".tr-row.active .tr-name").textContent();
const soon = (what, ask) => eventually(what, ask, 20_000);
const bench = (name, figures) => console.log(JSON.stringify({ bench: `trace-page/${name}`, ...figures }));

async function open(trace, suffix = "") {
  await person.open(fixture.add(trace) + suffix);
  await page.locator("#trace [data-loaded]").waitFor({ timeout: 60_000 });
}

/** Milliseconds from the navigation to the page's own marks. */
const marks = () => page.evaluate(() => Object.fromEntries(performance.getEntriesByType("mark").map(({ name, startTime }) => [name, Math.round(startTime)])));

try {
  const failed = failedRun();
  await browse("a failed run is open where it failed, with its message and its log", async () => {
    await open(failed.trace);
    await row("Container.withExec").locator(".tr-error").getByText("exit code: 1").waitFor();
    await page.locator(".tr-log").getByText("recieve is not a word").waitFor();
    equal((await rows()).length, 8);
    equal(await row("connect").getAttribute("aria-expanded"), "false");
    equal(await row("Hello").getAttribute("aria-level"), "2");
    await row("Container.from").locator(".b-cached").waitFor();
    await person.picture("trace-failed");
  });
  await browse("terminal output is text, colors and links to the web only", async () => {
    const log = page.locator(".tr-log");
    if ((await log.locator(".f1.bold").count()) !== 1) throw new Error("the colour of the failure is lost");
    equal(await log.locator("code a").evaluateAll((links) => links.map(({ href, rel, textContent }) => [href, rel, textContent])), [["https://example.com/docs", "noopener noreferrer nofollow", "the docs"]]);
    if ((await log.getByText("50%").count()) !== 0) throw new Error("a frame that was overwritten is there");
    await log.getByText("100%").waitFor();
  });
  await browse("a log is filtered, plainly and by regular expression, and counted", async () => {
    const box = page.locator(".tr-log-box");
    await box.getByLabel("Filter lines").fill("OK");
    await box.getByText("12 of 62 lines").waitFor();
    await box.getByRole("button", { name: "Aa" }).click();
    await box.getByText("0 of 62 lines").waitFor();
    await box.getByRole("button", { name: ".*" }).click();
    await box.getByLabel("Filter lines").fill("pkg\\d5");
    await box.getByText("5 of 62 lines").waitFor();
    equal(await box.locator("mark").first().textContent(), "pkg15");
    await box.getByLabel("Filter lines").fill("(");
    await box.getByText("not a regular expression").waitFor();
    await box.getByLabel("Filter lines").fill("");
    await box.getByRole("button", { name: "Full screen" }).click();
    await page.locator("dialog.tr-full[open]").waitFor();
    await person.picture("trace-log-full");
    await page.keyboard.press("Escape");
    await page.locator("dialog.tr-full").waitFor({ state: "detached" });
    await box.waitFor();
  });
  await browse("details, metrics and the critical path are there when asked for", async () => {
    const box = page.locator(".tr-box");
    await box.getByRole("button", { name: "Details" }).click();
    await box.getByText('["go", "test", "./...", "-count=1", "-race", "-timeout=10m"]').waitFor();
    await box.getByText("dagger-engine").waitFor();
    await box.getByText("3 attributes", { exact: true }).waitFor();
    await person.picture("trace-details");
    await box.getByRole("button", { name: "Metrics" }).click();
    await box.getByRole("img", { name: "memory.current" }).waitFor();
    if (!/^M\d/.test(await box.locator("path").first().getAttribute("d"))) throw new Error("the curve is empty");
    await person.picture("trace-metrics");
    await page.getByRole("button", { name: "Critical path" }).click();
    await row("Container.withExec").locator(".b-critical").waitFor();
    equal(await page.locator(".tr-row.critical").count(), 3);
    await page.getByRole("button", { name: "Internal" }).click();
    equal(await page.locator(".tr-progress").textContent(), "31 spans");
  });
  await browse("the keyboard is enough: j k arrows Enter o f g / n ?", async () => {
    await open(failed.trace);
    await page.keyboard.press("j");
    equal(await active(), "dagger call test");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    equal(await active(), "load module");
    await page.keyboard.press("ArrowRight");
    await soon("the children", async () => (await rows()).includes("ModuleSource.dependency3"));
    await page.keyboard.press("ArrowRight");
    equal(await active(), "ModuleSource.dependency0");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    equal([await active(), await row("load module").getAttribute("aria-expanded")], ["load module", "false"]);
    await page.keyboard.press("e");
    await soon("the failure", async () => (await active()).startsWith("Container.withExec"));
    await page.keyboard.press("f");
    await page.getByRole("navigation", { name: "Zoomed span" }).getByText("Whole trace").waitFor();
    await page.keyboard.press("f");
    await page.keyboard.press("g");
    equal(await active(), "dagger call test");
    await page.keyboard.press("d");
    await page.locator(".tr-box .tr-details").getByText("process.pid").waitFor();
    await page.keyboard.press("Enter");
    await page.keyboard.press("/");
    equal(await page.evaluate(() => document.activeElement.id), "tr-find");
    await page.keyboard.type("dependency1");
    await page.getByText("11 hits").waitFor();
    await page.keyboard.press("Enter");
    equal(await active(), "ModuleSource.dependency1");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.getByRole("dialog").getByText("next failure").waitFor();
    await person.picture("trace-help");
    await page.keyboard.press("Escape");
  });
  await browse("search finds names here and logs on the server, marks and counts them", async () => {
    await open(failed.trace);
    await page.getByLabel("Find in names").fill("recieve");
    await page.getByText("1 hit", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Next hit" }).click();
    await page.getByText("1 of 1 hit").waitFor();
    equal(await page.locator(".tr-row.hit.active").count(), 1);
    await page.getByLabel("Find in names").fill("no such thing");
    await page.getByText("1 hit", { exact: true }).waitFor();
  });
  await browse("a link leads to a span, also to one that is folded away or internal, and to a line", async () => {
    await open(failed.trace, "?span=1000000000000003");
    await soon("the internal span", async () => (await active()) === "creating client");
    await page.locator(".tr-details").getByText("1000000000000003").waitFor();
    await open(failed.trace, "?span=100000000000001c#L7");
    await page.locator('.tr-log li.chosen[data-line="7"]').waitFor();
    await page.getByRole("link", { name: "Link to line 9" }).click();
    await soon("the address", () => page.url().endsWith("#L9"));
    await page.keyboard.press("k");
    await soon("another span in the address", () => !page.url().includes("100000000000001c") && page.url().includes("span=1"));
    fixture.extra = `<p><a href="?span=${failed.trace.rows[failed.from].id}">where it began</a></p>`;
    await open(failed.trace);
    await page.evaluate(() => (globalThis.sameDocument = true));
    await page.getByRole("link", { name: "where it began" }).click();
    await soon("the linked span", async () => (await active()).startsWith("Container.from"));
    equal(await page.evaluate(() => globalThis.sameDocument), true);
    fixture.extra = "";
    await open(failed.trace, "?span=ffffffffffffffff");
    await page.getByText("not in this trace").waitFor();
  });
  await browse("a click in the strip zooms, the breadcrumb leads back", async () => {
    await open(failed.trace);
    const strip = page.locator(".tr-flame");
    const { width } = await strip.boundingBox();
    await strip.click({ position: { x: width * 0.6, y: 28 } });
    await page.getByRole("navigation", { name: "Zoomed span" }).getByText("Hello.test").waitFor();
    await person.picture("trace-zoomed");
    await page.getByRole("button", { name: "Whole trace" }).click();
    await soon("the whole trace", async () => !(await page.getByRole("navigation", { name: "Zoomed span" }).isVisible()));
  });
  await browse("the whole trace is downloaded, page by page, into one file", async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
    equal(download.suggestedFilename(), `trace-${failed.trace.id}.jsonl`);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    equal(Buffer.concat(chunks).toString(), '{"page":1}\n{"page":2}\n');
  });

  await browse("a running trace moves by itself, follows its end, and holds still for a reader", async () => {
    const trace = new FakeTrace("1123456789abcdef0123456789abcdef");
    trace.isFinished = false;
    trace.origin = Date.now() - 5000;
    const root = trace.add("dagger call build", { start: 0, end: null, received: 5000 });
    for (let i = 0; i < 60; i++) trace.add(`step ${i}`, { parent: root, start: i * 10, end: i * 10 + 5 });
    await open(trace);
    await page.getByText("step 59").waitFor();
    await page.evaluate(() => (globalThis.sameDocument = true));
    for (let i = 60; i < 80; i++) trace.add(`step ${i}`, { parent: root, start: i * 10, end: null, received: 5000 });
    await page.getByText("step 79").waitFor();
    await person.picture("trace-live");
    // The reader scrolls: what they look at stays where it is, whatever comes above and below.
    await page.mouse.move(300, 500);
    await page.locator(".tr-list").hover();
    await page.mouse.wheel(0, -700);
    await soon("the scroll", async () => !(await page.getByText("step 79").isVisible()));
    const place = () => page.locator(".tr-row", { hasText: "step 50" }).first().evaluate((element) => Math.round(element.getBoundingClientRect().top));
    const before = await place();
    trace.add("a late one before all", { parent: root, start: 1, end: 2 });
    for (let i = 80; i < 120; i++) trace.add(`step ${i}`, { parent: root, start: i * 10, end: null, received: 5000 });
    await soon("the new rows", async () => (await page.locator(".tr-progress").textContent()).startsWith("122 spans"));
    equal(await place(), before);
    for (const { row } of trace.rows) if (Number.isNaN(trace.rows[row].end)) trace.change(row, { end: 9000, flags: trace.rows[row].flags | FLAG.ENDED });
    trace.isFinished = true;
    await soon("the end", async () => (await page.locator(".tr-progress").textContent()) === "122 spans");
    equal(await place(), before);
    equal(await page.evaluate(() => globalThis.sameDocument), true);
    equal(await page.locator(".tr-row.s-running").count(), 0);
  });
  await browse("a server that refuses is asked again, and the page says so", async () => {
    fixture.failures.set("outline", 2);
    const trace = new FakeTrace("2123456789abcdef0123456789abcdef");
    trace.add("late but here");
    await person.open(fixture.add(trace));
    await page.getByText("too many questions at once").waitFor();
    await page.getByText("late but here").waitFor();
    await soon("the message's end", async () => !(await page.getByText("too many questions at once").isVisible()));
    // The browser reports the refusals itself.
    person.complaints = person.complaints.filter((complaint) => !complaint.includes("429"));
  });

  await browse("a first look that fails while nobody looks is made up for when somebody does", async () => {
    const trace = new FakeTrace("7123456789abcdef0123456789abcdef");
    trace.add("seen in the end");
    fixture.failures.set("outline", 1);
    const path = fixture.add(trace);
    const hide = (isHidden) => page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, isHidden);
    await page.route(`**${path}/outline*`, async (route) => {
      await hide(true);
      await route.continue();
    });
    await person.open(path);
    await page.getByText("too many questions at once").waitFor();
    await page.unroute(`**${path}/outline*`);
    await hide(false);
    await row("seen in the end").waitFor();
    person.complaints = person.complaints.filter((complaint) => !complaint.includes("429"));
  });
  await browse("where a page gets another trace, as after a rerun, the tree is of that one", async () => {
    const next = new FakeTrace("8123456789abcdef0123456789abcdef");
    next.add("the second attempt");
    fixture.add(next);
    await open(failed.trace, "?span=100000000000001c#L7");
    // What the refresh of a page does.
    await page.evaluate((base) => { document.getElementById("trace").dataset.base = base; }, `/acme/traces/${next.id}`);
    await row("the second attempt").waitFor();
    equal([await page.locator(".tr").count(), await row("Container.withExec").count(), new URL(page.url()).search + new URL(page.url()).hash], [1, 0, ""]);
    const asked = () => fixture.requests.filter((path) => path.includes(failed.trace.id)).length;
    const before = asked();
    await page.keyboard.press("j");
    equal(await active(), "the second attempt");
    await page.getByRole("button", { name: "Fold all" }).click();
    equal(asked(), before);
    // The place goes while the next attempt has sent nothing, and comes again.
    await page.evaluate(() => document.getElementById("trace").remove());
    await page.evaluate((base) => {
      const place = document.createElement("div");
      Object.assign(place, { id: "trace" });
      Object.assign(place.dataset, { client: "", base });
      document.getElementById("main").append(place);
    }, `/acme/traces/${failed.trace.id}`);
    await row("Container.withExec").waitFor();
    equal(await page.locator(".tr").count(), 1);
  });
  await browse("a call that put off its work is shown as the row that took it up, once that is read", async () => {
    const trace = new FakeTrace("a123456789abcdef0123456789abcdef");
    const root = trace.add("dagger check", { end: 60_000 });
    const call = trace.add("Container.withExec", { parent: root, start: 100, end: 109, flags: FLAG.PENDING | FLAG.CALL });
    trace.add("Container.file", { parent: root, start: 120, end: 121, flags: FLAG.PENDING | FLAG.CALL });
    const work = trace.add("resume withExec", { parent: root, start: 130, end: 41_000, flags: FLAG.PASSTHROUGH });
    trace.resumes.set(work, trace.rows[call].id);
    await open(trace);
    await row("Container.withExec").locator(".tr-took").getByText("41s").waitFor();
    equal([await row("Container.withExec").locator(".b-pending").count(), await row("Container.file").locator(".b-pending").count()], [0, 1]);
    // What is known is not asked for again.
    const asked = fixture.requests.filter((path) => path.includes(`${trace.id}/spans`)).length;
    await page.getByRole("button", { name: "Fold all" }).click();
    await page.getByRole("button", { name: "Internal" }).click();
    await row("resume withExec").waitFor();
    equal(fixture.requests.filter((path) => path.includes(`${trace.id}/spans`)).length, asked);
  });
  await browse("a log shows its times, its verbose lines and its addresses, and more of it than is read at once", async () => {
    const trace = new FakeTrace("9123456789abcdef0123456789abcdef");
    const span = trace.add("writes much", { end: 5000, logs: 9 });
    const record = (body, more = {}) => ({ span: trace.rows[span].id, time: trace.origin + 1000, stream: 1, body, verbose: false, global: false, type: "", ...more });
    trace.logs.set(span, [record("see https://example.com/run/7.\n"), record("only for the curious\n", { verbose: true }), record("the end\n")]);
    await open(trace, `?span=${trace.rows[span].id}`);
    const box = page.locator(".tr-log-box");
    await box.getByText("2 of 3 lines").waitFor();
    equal(await box.locator("code a").evaluateAll((links) => links.map(({ href, rel }) => [href, rel])), [["https://example.com/run/7", "noopener noreferrer nofollow"]]);
    equal(await box.getByText("only for the curious").count(), 0);
    await box.getByRole("button", { name: "Verbose" }).click();
    await box.getByText("only for the curious").waitFor();
    await box.getByRole("button", { name: "Times" }).click();
    const time = await box.locator("code[data-time]").first().evaluate((line) => getComputedStyle(line, "::before").content);
    if (!/^"\d\d:\d\d:\d\d[.,]\d{3}"$/.test(time)) throw new Error(`the time is ${time}`);
    await person.picture("trace-log-times");
    // A link to a line for the curious shows it.
    await open(trace, `?span=${trace.rows[span].id}#L2`);
    await page.locator('.tr-log li.chosen[data-line="2"]').waitFor();
    trace.logs.set(span, Array.from({ length: 201_000 }, (_, index) => record(`line ${index + 1}\n`)));
    await open(trace, `?span=${trace.rows[span].id}`);
    await box.getByText("200,000 lines").waitFor();
    await box.getByText("line 200000", { exact: true }).waitFor();
    await box.getByRole("button", { name: "Read on" }).click();
    await box.getByText("201,000 lines, the first 1,000 left out").waitFor();
    await box.getByText("line 201000", { exact: true }).waitFor();
    equal(await box.getByRole("button", { name: "Read on" }).isVisible(), false);
  });

  for (const [name, size] of [["100k", 100_000], ["1m", 1_000_000]]) {
    await browse(`${size.toLocaleString("en-US")} spans open, scroll, fold and are searched`, async () => {
      const trace = largeTrace(size);
      trace.id = trace.id.replace("0", size === 100_000 ? "3" : "4");
      await open(trace);
      const { "quillon-first-rows": first, "quillon-all-rows": all } = await marks();
      const build = await page.evaluate(() => Math.round(performance.getEntriesByName("quillon-build").at(-1).duration));
      const shown = size.toLocaleString("en-US");
      if (!(await page.locator(".tr-progress").textContent()).startsWith(`${shown} spans, `)) throw new Error("the count is wrong");
      await page.getByRole("button", { name: "Internal" }).click();
      equal(await page.locator(".tr-progress").textContent(), `${shown} spans`);
      const folded = page.locator('.tr-row[aria-expanded="false"]').first();
      const id = await folded.getAttribute("id");
      await folded.locator(".tr-twist").click();
      await soon("the unfolded module", async () => (await page.locator(`#${id}`).getAttribute("aria-expanded")) === "true");
      const list = page.locator(".tr-list");
      await list.focus();
      const frames = await list.evaluate(async (element) => {
        const times = [];
        const step = Math.max(200, element.scrollHeight / 240);
        let last = performance.now();
        for (let i = 0; i < 240; i++) {
          element.scrollTop = i % 2 === 0 ? i * step : element.scrollTop + 60;
          await new Promise(requestAnimationFrame);
          const now = performance.now();
          times.push(now - last);
          last = now;
        }
        return times.toSorted((a, b) => a - b);
      });
      const inDocument = await page.locator(".tr-row").count();
      if (inDocument > 150) throw new Error(`${inDocument} rows are in the document`);
      bench(name, { first_rows_ms: first, all_rows_ms: all, build_ms: build, frame_p50_ms: Math.round(frames[120] * 10) / 10, frame_p99_ms: Math.round(frames[237] * 10) / 10, heap_mb: Math.round((await page.evaluate(() => performance.memory?.usedJSHeapSize ?? 0)) / 1e6) });
      await page.keyboard.press("G");
      await soon("the last row", async () => (await page.locator(".tr-row.active").count()) === 1);
      await page.getByLabel("Find in names").fill("step36");
      await page.getByText(/\d hits/).waitFor();
      await page.keyboard.press("Enter");
      await soon("a hit", async () => (await active()).includes("step36"));
      await person.picture(`trace-${name}`);
    });
  }

  await browse("hostile text in every field is text", async () => {
    const trace = new FakeTrace("5123456789abcdef0123456789abcdef");
    trace.events = new Map();
    trace.links = new Map();
    const root = trace.add(HOSTILE[0], { start: 0, end: 1000, flags: FLAG.ERROR });
    for (const [index, text] of HOSTILE.entries()) {
      const span = trace.add(text, { parent: root, start: index, end: index + 5, flags: FLAG.ERROR | FLAG.ERROR_ORIGIN | FLAG.CALL | FLAG.CACHED | FLAG.METRICS, logs: 3 });
      trace.messages.set(span, text);
      if (index % 2 === 0) trace.calls.set(span, { receiver: text, field: text, args: [[text, text, text + text]], type: text });
      trace.attributes.set(span, [[text, text], ["list", [text]], ["map", { [text]: text }], ["address", `https:${text}`], ["address2", text]]);
      trace.events.set(span, [{ name: text, time: text, attributes: [[text, text]] }]);
      trace.links.set(span, [{ span: text, purpose: text, attributes: [[text, text]] }, { span: trace.rows[root].id, purpose: "cause", attributes: [] }]);
      trace.metrics.set(span, [{ name: text, unit: text, points: [[1, 2], [3, text]] }]);
      trace.logs.set(span, [{ span: trace.rows[span].id, time: 0, stream: 1, body: `${text}\n\u001b]8;;${text}\u0007link\u001b]8;;\u0007\n\u001b]0;${text}\u0007\u001b[${text}m after\n`, type: text }, { span: text, time: text, stream: text, body: { [text]: text } }]);
      trace.hits.push({ row: span, where: text, excerpt: text });
    }
    await open(trace);
    await page.getByLabel("Find in names").fill("anything");
    await page.getByText(/\d hits/).waitFor();
    for (const row of trace.rows.slice(1)) {
      await person.open(`/acme/traces/${trace.id}?span=${row.id}`);
      const box = page.locator(".tr-box", { has: page.locator(".tr-tab") });
      await page.locator(".tr-row.active").waitFor();
      const box1 = box.first();
      await box1.waitFor();
      await page.locator(".tr-log li").first().waitFor();
      await box1.getByRole("button", { name: "Details" }).click();
      await page.locator(".tr-details").first().waitFor();
      await box1.getByRole("button", { name: "Metrics" }).click();
      await page.locator(".tr-metrics").first().waitFor();
    }
    await person.picture("trace-hostile");
  });

  for (const scheme of ["light", "dark"]) {
    await browse(`no serious barrier in ${scheme} colours`, async () => {
      await page.emulateMedia({ colorScheme: scheme });
      await open(failed.trace);
      await page.locator(".tr-log").getByText("recieve").waitFor();
      const problems = await person.barriers();
      await person.picture(`trace-${scheme}`);
      await page.getByRole("button", { name: "Details" }).click();
      await page.locator(".tr-details").waitFor();
      problems.push(...(await person.barriers()));
      expectNone("axe found", problems);
    });
  }
  await browse("at 360 pixels nothing scrolls sideways", async () => {
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 360, height: 740 });
    for (const tab of ["Log", "Details", "Metrics"]) {
      await open(failed.trace);
      await page.locator(".tr-box").getByRole("button", { name: tab, exact: true }).click();
      await eventually("the content", async () => (await page.locator(".tr-log li, .tr-details, .tr-metrics").count()) > 0);
      const overflow = await person.overflow();
      const list = await page.locator(".tr-list").evaluate((element) => element.scrollWidth - element.clientWidth);
      await person.picture(`trace-360-${tab.toLowerCase()}`);
      equal([tab, overflow, list], [tab, 0, 0]);
    }
    await page.setViewportSize({ width: 1280, height: 860 });
  });
  await browse("motion is reduced for who asks for it", async () => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    const trace = new FakeTrace("6123456789abcdef0123456789abcdef");
    trace.isFinished = false;
    trace.origin = Date.now();
    trace.add("runs", { start: 0, end: null, received: 0, parent: NONE });
    await open(trace);
    equal(await page.locator(".tr-state .i").first().evaluate((element) => getComputedStyle(element).animationName), "none");
    await page.emulateMedia({ reducedMotion: null });
  });
} catch (error) {
  await test("browser", "the trace tests themselves", () => { throw error; });
} finally {
  await person.stop();
  await fixture.stop();
}
process.exit(exitCode());
