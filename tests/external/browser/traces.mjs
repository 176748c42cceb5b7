// Traces in Chromium against a running `quillon up`: what is sent over OTLP is seen, live, whole, and harmless.

import { Quillon, eventually } from "../lib/quillon.mjs";
import { Sender, newId } from "../lib/otlp.mjs";
import { exitCode, expectNone, test } from "../lib/report.mjs";
import { HOSTILE, watchForHarm } from "./hostile.mjs";
import { Person } from "./person.mjs";

function equal(found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
}

const quillon = await Quillon.start("up", { environment: { QUILLON_LOG: "error" }, args: ["--agents", "0"] });
const person = await Person.start(quillon.url);
const { page } = person;
const harm = await watchForHarm(person);
// The first look at a large trace reads all of it, and a debug build takes its time.
page.setDefaultNavigationTimeout(180_000);
const browse = (name, body) =>
  test("browser", `traces: ${name}`, async () => {
    await body();
    expectNone("the page complained", person.takeComplaints());
    expectNone("something ran or left", harm.take());
  });
const soon = (what, ask, patience = 20_000) => eventually(what, ask, patience);
const row = (name) => page.locator(".tr-row", { has: page.locator(".tr-name", { hasText: name }) }).first();
const open = async (trace, suffix = "") => {
  await person.open(`/acme/traces/${trace}${suffix}`);
  await page.locator("#trace [data-loaded]").waitFor({ timeout: 180_000 });
};
const bench = (name, figures) => console.log(JSON.stringify({ bench: `trace-browser/${name}`, ...figures }));

try {
  const token = (await quillon.run("admin", "token", "create", "--org", "acme", "--name", "browser-tests")).trim().split("\n").at(-1).trim();
  const sender = new Sender(quillon.url, token);
  await page.goto((await quillon.run("admin", "sign-in")).match(/http\S+/)[0]);

  const failed = newId(16);
  const ids = { root: newId(8), call: newId(8), exec: newId(8) };
  await browse("a run is seen within two seconds of its first span, moves, and ends failed", async () => {
    const began = Date.now();
    const labels = { "service.name": "dagger-cli", "dagger.io/git.remote": "github.com/acme/hello", "dagger.io/git.branch": "main", "dagger.io/git.ref": "a".repeat(40), "dagger.io/git.title": "a commit" };
    await sender.spans(failed, [{ id: ids.root, name: "dagger call test", start: began }], labels);
    await open(failed);
    await row("dagger call test").waitFor();
    bench("first-span-seen", { ms: Date.now() - began });
    await page.evaluate(() => (globalThis.sameDocument = true));
    await sender.spans(failed, [{ id: ids.call, parent: ids.root, name: "Hello.test", start: began + 10 }, { id: ids.exec, parent: ids.call, name: "Container.withExec", start: began + 20 }]);
    await row("Container.withExec").waitFor();
    await person.picture("traces-live");
    await sender.logs(failed, [{ span: ids.exec, time: began + 30, body: "compiling\r\u001b[32mcompiled\u001b[0m\n" }]);
    await sender.logs(failed, [{ span: ids.exec, time: began + 40, body: "\u001b[1;31mFAIL\u001b[0m recieve is not a word\n", attributes: { "stdio.stream": 2 } }]);
    await sender.gauge(failed, ids.exec, "dagger.io/metrics.memory.current", "byte", [[began + 20, 1_000_000], [began + 30, 5_000_000], [began + 40, 2_000_000]]);
    await sender.spans(failed, [{ id: ids.exec, parent: ids.call, name: "Container.withExec", start: began + 20, end: began + 900, error: "exit code: 1", attributes: { "wcprof.exec.argv": '["go","test"]' } }]);
    await sender.spans(failed, [
      { id: ids.call, parent: ids.root, name: "Hello.test", start: began + 10, end: began + 950, error: "failed below", links: [{ span: ids.exec, attributes: { "dagger.io/link.purpose": "error_origin" } }] },
      { id: ids.root, name: "dagger call test", start: began, end: began + 1000, error: "failed below", links: [{ span: ids.exec, attributes: { "dagger.io/link.purpose": "error_origin" } }] },
    ], labels);
    await row("Container.withExec").locator(".b-origin").waitFor();
    await row("Container.withExec").locator(".tr-error").getByText("exit code: 1").waitFor();
    await page.locator(".tr-log").getByText("recieve is not a word").waitFor();
    equal(await page.locator(".tr-log").getByText("compiling").count(), 0);
    await soon("the end", async () => (await page.locator(".tr-row.s-running").count()) === 0);
    await soon("the window's title", async () => (await page.title()).startsWith("failed dagger call test"));
    equal(await page.evaluate(() => globalThis.sameDocument), true);
    await person.picture("traces-failed");
  });
  await browse("the page of a failed run says first what failed, also without scripts", async () => {
    await open(failed);
    const head = await page.locator("main").evaluate((main) => {
      const copy = main.cloneNode(true);
      copy.querySelector("#trace").remove();
      return copy.textContent;
    });
    for (const words of ["dagger call test", "exit code: 1", "recieve is not a word"]) if (!head.includes(words)) throw new Error(`the head lacks ${words}`);
    const plain = await Person.start(quillon.url, { javaScriptEnabled: false });
    try {
      await plain.page.goto((await quillon.run("admin", "sign-in")).match(/http\S+/)[0]);
      await plain.open(`/acme/traces/${failed}`);
      const text = await plain.page.locator("main").textContent();
      for (const words of ["exit code: 1", "Container.withExec", "recieve is not a word"]) if (!text.includes(words)) throw new Error(`without scripts it lacks ${words}`);
      await plain.picture("traces-plain");
    } finally {
      await plain.stop();
    }
  });
  await browse("a call that put off its work is shown failed where its error began, with the command and the message", async () => {
    const trace = newId(16);
    const [root, check, call, work] = [8, 8, 8, 8].map(newId);
    const began = Date.now() - 60_000;
    const links = [{ span: call, attributes: { "dagger.io/link.purpose": "error_origin" } }];
    await sender.spans(trace, [
      { id: root, name: "dagger check", start: began, end: began + 50_000, error: "exit code: 7", links },
      { id: check, parent: root, name: "exec:bad", start: began + 10, end: began + 49_000, error: "exit code: 7", links, attributes: { "dagger.io/check.name": "exec:bad", "dagger.io/check.passed": false } },
      { id: call, parent: check, name: "Container.withExec", start: began + 20, end: began + 21, attributes: { "dagger.io/dag.pending": true } },
      { id: work, parent: call, name: "exec.run", start: began + 1000, end: began + 41_000, error: "exit code: 7", attributes: { "dagger.io/ui.passthrough": true } },
    ]);
    await sender.logs(trace, Array.from({ length: 200 }, (_, index) => ({ span: call, time: began + 2000 + index, body: `line ${index + 1}\n` })));
    await open(trace);
    const origin = row("Container.withExec");
    await origin.locator(".b-origin").waitFor();
    await origin.locator(".tr-error").getByText("exit code: 7").waitFor();
    equal([await origin.getAttribute("class").then((names) => names.includes("s-failure")), await origin.locator(".tr-took").textContent(), await origin.locator(".b-pending").count()], [true, "41s", 0]);
    await page.locator("#trace-failures").getByText("exit code: 7").waitFor();
    // The box of what failed is open at the end of its log, and stays there while the page is refreshed.
    await page.locator(".tr-log").getByText("line 200", { exact: true }).waitFor();
    const scrolled = () => page.locator(".tr-log").evaluate((log) => Math.round(log.scrollTop));
    const end = await soon("the end of the log", scrolled);
    for (let refreshes = 0; refreshes < 2; refreshes++) await page.waitForResponse((response) => response.url().includes("fragment=1"));
    equal(await scrolled(), end);
    await person.picture("traces-deferred");
  });
  await browse("details, metrics, search, critical path and download come from the server", async () => {
    await open(failed, `?span=${ids.exec}`);
    const box = page.locator(".tr-box").first();
    await box.getByRole("button", { name: "Details" }).click();
    await page.locator(".tr-details").getByText("wcprof.exec.argv").waitFor();
    await box.getByRole("button", { name: "Metrics" }).click();
    await page.locator(".tr-metrics").getByText("memory.current").waitFor();
    await page.getByLabel("Find in names").fill("recieve");
    await page.getByText("1 hit", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Critical path" }).click();
    await row("Container.withExec").locator(".b-critical").waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    const lines = Buffer.concat(chunks).toString().trim().split("\n").map((line) => JSON.parse(line));
    const found = lines.flatMap(({ resourceSpans = [] }) => resourceSpans).flatMap(({ scopeSpans }) => scopeSpans).flatMap(({ spans }) => spans).map(({ spanId }) => spanId);
    equal(found.toSorted(), Object.values(ids).toSorted());
    await person.picture("traces-details");
  });
  await browse("the list of traces has it, and finds it", async () => {
    await person.open("/acme/traces");
    await page.getByText("dagger call test").first().waitFor();
    await person.picture("traces-list");
  });

  await browse("what the setup page says is copied with a button", async () => {
    await person.open("/acme/traces/setup");
    const places = page.locator(".copied");
    equal(await places.count(), 7);
    await places.nth(1).getByRole("button").click();
    await places.nth(1).getByText(/^(Copied|Selected)$/).waitFor();
  });

  for (const [name, seed, spans] of [["100k", 11, 100_000], ...(process.env.QUILLON_MILLION ? [["1m", 12, 1_000_000]] : [])]) {
    await browse(`${spans.toLocaleString("en-US")} spans come in over OTLP and are all there`, async () => {
      const started = performance.now();
      const trace = await sender.generated(seed, spans);
      const sent = performance.now() - started;
      await open(trace);
      const marks = await page.evaluate(() => Object.fromEntries(performance.getEntriesByType("mark").map(({ name, startTime }) => [name, Math.round(startTime)])));
      bench(name, { sent_ms: Math.round(sent), first_rows_ms: marks["quillon-first-rows"], all_rows_ms: marks["quillon-all-rows"] });
      if (!(await page.locator(".tr-progress").textContent()).startsWith(`${spans.toLocaleString("en-US")} spans`)) throw new Error(await page.locator(".tr-progress").textContent());
      await page.locator(".tr-row.s-failure").first().waitFor();
      await person.picture(`traces-${name}`);
      const list = page.locator(".tr-list");
      await page.getByRole("button", { name: "Internal" }).click();
      const frames = await list.evaluate(async (element) => {
        const times = [];
        let last = performance.now();
        for (let i = 0; i < 120; i++) {
          element.scrollTop += Math.max(80, element.scrollHeight / 120);
          await new Promise(requestAnimationFrame);
          const now = performance.now();
          times.push(now - last);
          last = now;
        }
        return times.toSorted((a, b) => a - b);
      });
      bench(`${name}-scroll`, { frame_p50_ms: Math.round(frames[60] * 10) / 10, frame_p99_ms: Math.round(frames[118] * 10) / 10 });
      // A second look is that of everybody after the first.
      await open(trace);
      const again = await page.evaluate(() => Object.fromEntries(performance.getEntriesByType("mark").map(({ name, startTime }) => [name, Math.round(startTime)])));
      bench(`${name}-again`, { first_rows_ms: again["quillon-first-rows"], all_rows_ms: again["quillon-all-rows"] });
    });
  }

  await browse("hostile text in every field is text, on every page of traces", async () => {
    const trace = newId(16);
    const root = newId(8);
    const began = Date.now() - 10_000;
    const clean = (text) => text.replaceAll("\ud800", "");
    const spans = HOSTILE.map((text, index) => ({ id: newId(8), parent: root, name: clean(text), start: began + index, end: began + index + 5, error: clean(text), attributes: { [clean(text)]: clean(text), list: [clean(text)], "dagger.io/check.name": clean(text), "dagger.io/ui.actor.emoji": clean(text), "dagger.io/content.type": clean(text), "dagger.io/dag.call": clean(text), "dagger.io/cache.contract": "1", "dagger.io/cache.outcome": clean(text), "dagger.io/check.passed": false, "dagger.io/module.ref": clean(text) }, events: [{ time: began, name: clean(text), attributes: { [clean(text)]: clean(text) } }], links: [{ span: root, attributes: { "dagger.io/link.purpose": clean(text) } }] }));
    for (const [index, text] of HOSTILE.entries()) {
      const own = index === 0 ? trace : newId(16);
      const labels = Object.fromEntries(["service.name", "dagger.io/git.title", "dagger.io/git.branch", "dagger.io/git.tag", "dagger.io/git.author.name", "dagger.io/git.author.email", "dagger.io/git.remote", "dagger.io/git.ref", "dagger.io/git.committer.name", "dagger.io/vcs.triggerer.login", "dagger.io/vcs.change.title", "dagger.io/vcs.change.url", "dagger.io/vcs.change.branch", "dagger.io/vcs.change.number", "dagger.io/vcs.workflow.name", "dagger.io/vcs.job.name", "dagger.io/ci.vendor", "github.com/actor", "dagger.io/client.machine", "dagger.io/client.os"].map((name) => [name, name === "service.name" ? "dagger-cli" : clean(text)]));
      await sender.spans(own, [{ id: index === 0 ? root : newId(8), name: clean(text), start: began, end: began + 5000, error: clean(text) }], labels);
    }
    await sender.spans(trace, spans);
    await sender.logs(trace, spans.map(({ id, name }) => ({ span: id, time: began, body: `${name}\n\u001b]8;;${name}\u0007link\u001b]8;;\u0007\n\u001b]0;${name}\u0007\u001b[${name}m after\n`, attributes: { "dagger.io/content.type": name } })));
    for (const { id, name } of spans) await sender.gauge(trace, id, name, name, [[began, 1], [began + 1, 2]]);
    for (const path of ["/acme/traces", `/acme/traces/${trace}`, "/acme/traces/setup", `/acme/traces/${trace}/compare?with=${failed}`, `/acme/traces?q=${encodeURIComponent(HOSTILE[0])}&branch=${encodeURIComponent(HOSTILE[2])}`]) {
      const response = await page.goto(quillon.url + path);
      if (response.status() >= 500) throw new Error(`${path} answered ${response.status()}`);
      await page.locator("main").waitFor();
    }
    await open(trace);
    await page.getByLabel("Find in names").fill("ran");
    await page.getByText(/\d hits/).waitFor();
    for (const { id } of spans) {
      await person.open(`/acme/traces/${trace}?span=${id}`);
      await page.locator(".tr-row.active").waitFor();
      const box = page.locator(".tr-box").first();
      await box.getByRole("button", { name: "Log", exact: true }).click();
      await page.locator(".tr-log li").first().waitFor();
      await box.getByRole("button", { name: "Details" }).click();
      await page.locator(".tr-details").first().waitFor();
      if ((await box.getByRole("button", { name: "Metrics" }).count()) > 0) {
        await box.getByRole("button", { name: "Metrics" }).click();
        await page.locator(".tr-metrics").first().waitFor();
      }
    }
    await person.picture("traces-hostile");
    await person.open("/acme/traces");
    await person.picture("traces-hostile-list");
    if ((await person.overflow()) > 0) throw new Error("the list is too wide");
  });

  const pages = { list: "/acme/traces", trace: `/acme/traces/${failed}`, setup: "/acme/traces/setup" };
  for (const scheme of ["light", "dark"]) {
    await browse(`no serious barrier in ${scheme} colours`, async () => {
      await page.emulateMedia({ colorScheme: scheme });
      const problems = [];
      for (const [name, path] of Object.entries(pages)) {
        await person.open(path);
        if (name === "trace") await page.locator("#trace [data-loaded]").waitFor();
        problems.push(...(await person.barriers()).map((barrier) => `${name}: ${barrier}`));
        await person.picture(`traces-${name}-${scheme}`);
      }
      expectNone("axe found", problems);
    });
  }
  await browse("at 360 pixels nothing scrolls sideways", async () => {
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 360, height: 740 });
    const problems = [];
    for (const [name, path] of Object.entries(pages)) {
      await person.open(path);
      if (name === "trace") await page.locator("#trace [data-loaded]").waitFor();
      const overflow = await person.overflow();
      if (overflow > 0) problems.push(`${name} is ${overflow} pixels too wide`);
      await person.picture(`traces-${name}-360`);
    }
    expectNone("too wide", problems);
  });
} catch (error) {
  await test("browser", "the tests of traces themselves", () => { throw error; });
} finally {
  await person.stop();
  await quillon.stop();
}
process.exit(exitCode());
