// Uses the pages of `quillon demo` as a person does: signs in, reads, filters, reruns, cancels, by mouse and by keyboard.

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Quillon, eventually } from "../lib/quillon.mjs";
import { exitCode, expectNone, test } from "../lib/report.mjs";
import { Person } from "./person.mjs";

const STATES = { load: "loaded", "hello:lint": "passed", "hello:readme": "passed", "hello:unit-tests": "passed", "hello:spelling": "failed" };

/** A module with a check that waits to be cancelled. */
function makeSlowRepository() {
  const folder = mkdtempSync(join(tmpdir(), "quillon-external-repository-"));
  mkdirSync(join(folder, ".dagger/checks"), { recursive: true });
  writeFileSync(join(folder, "dagger.json"), '{"name": "slow", "engineVersion": "v0.21.8", "sdk": {"source": "go"}, "source": ".dagger"}\n');
  writeFileSync(join(folder, ".dagger/checks/waits"), "#!/bin/sh\necho waiting\nexec sleep 600\n");
  chmodSync(join(folder, ".dagger/checks/waits"), 0o755);
  const git = (...args) => execFileSync("git", ["-C", folder, "-c", "user.name=Ada", "-c", "user.email=ada@acme.example", ...args]);
  git("init", "--quiet", "--initial-branch", "main");
  git("add", "--all");
  git("commit", "--quiet", "--message", "wait for it");
  return folder;
}

function equal(found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
}

const demo = await Quillon.start("demo", { environment: { QUILLON_LOG: "error" } });
const person = await Person.start(demo.url);
const { page } = person;
const slow = makeSlowRepository();

/** A test that also fails on what pages complained about meanwhile. */
const browse = (name, body) =>
  test("browser", name, async () => {
    await body();
    expectNone("the pages complained", person.takeComplaints());
  });

/** Name → state of the rows on the page. */
const rows = () =>
  page.$$eval(".row", (found) => Object.fromEntries(found.map((row) => [row.querySelector(".row-name").textContent.trim(), row.querySelector(".row-state .word").textContent.trim()])));
const row = (name) => page.locator(".row", { has: page.locator(".row-name", { hasText: name }) }).first();
const word = (name) => row(name).locator(".row-state .word");
const soon = (what, ask) => eventually(what, ask, 30_000);

try {
  await test("browser", "a page without a sign-in shows nothing of an org", async () => {
    const response = await page.goto(`${demo.url}/acme/checks`);
    if (response.status() !== 200 || !page.url().includes("/sign-in?next=")) throw new Error(`answered ${response.status()} at ${page.url()}`);
    if ((await page.content()).includes("acme/hello")) throw new Error("it names a repository");
    await person.picture("signed-out");
  });
  await browse("the printed link signs in", async () => {
    await page.goto(/^\s*(http\S+sign-in\S+)$/m.exec(demo.output)[1]);
    if (page.url().includes("key=")) throw new Error("the key stays in the address");
    await person.open("/acme/checks");
    await page.getByRole("heading", { name: "Checks", exact: true }).waitFor();
  });
  await browse("the Checks page shows the commit, its four checks and their states", async () => {
    await page.getByRole("link", { name: "acme/hello", exact: true }).waitFor();
    await page.getByText("hello: four checks").waitFor();
    await page.getByText("Ada Lovelace").waitFor();
    const details = page.locator("details.checks").first();
    if (!(await details.evaluate((element) => element.open))) await details.locator("summary").click();
    equal(Object.entries(await rows()).sort(), Object.entries(STATES).sort());
    await person.picture("checks");
  });
  await browse("the page of a failed check shows why, and its log", async () => {
    await row("hello:spelling").locator(".row-name").click();
    await page.getByRole("heading", { name: "hello:spelling" }).waitFor();
    await page.locator("#log").getByText("is not a word").waitFor();
    const colored = await page.locator("#log code span").count();
    if (colored === 0) throw new Error("the colours of the log are lost");
    await person.picture("check");
  });
  await browse("the page of a check shows the trace of its attempt, open where it failed", async () => {
    const row = page.locator(".tr-row", { hasText: "spelling" });
    await row.first().waitFor();
    await page.locator(".tr-log").getByText("is not a word").first().waitFor();
    await page.locator("#trace-failures").getByText("exit code: 1").first().waitFor();
    await person.picture("check-trace");
  });
  await browse("a failed check is rerun from its page, which updates itself", async () => {
    const loaded = await page.evaluate(() => (globalThis.sameDocument = true));
    await page.getByRole("button", { name: "Rerun", exact: true }).click();
    await page.locator("a.tab", { hasText: "Attempt 2" }).waitFor();
    await soon("the end of attempt 2", async () => (await page.locator("#verdict").textContent()).includes("failed") && (await page.locator("#log").count()) === 1);
    await person.picture("attempt-2");
    equal(await page.evaluate(() => globalThis.sameDocument), loaded);
    await page.locator("a.tab", { hasText: "Attempt 1" }).click();
    await page.locator("#log").getByText("is not a word").waitFor();
  });
  await browse("a new push appears by itself, and its running check is cancelled from the page", async () => {
    await person.open("/acme/checks");
    await page.evaluate(() => (globalThis.sameDocument = true));
    await demo.run("push", slow, "--as", "acme/slow", "--no-wait");
    // The page asks every ten seconds while nothing runs.
    await page.getByText("wait for it").waitFor({ timeout: 30_000 });
    await soon("the running check", async () => (await word("slow:waits").textContent()) === "running");
    await person.picture("running");
    await row("slow:waits").getByRole("button", { name: "Cancel slow:waits" }).click();
    await soon("the cancelled check", async () => (await word("slow:waits").textContent()) === "cancelled");
    await person.picture("cancelled");
    equal(await page.evaluate(() => globalThis.sameDocument), true);
  });
  await browse("a check of several seconds is rerun and cancelled on the page of its commit", async () => {
    await page.locator("h3 a", { hasText: "wait for it" }).click();
    await page.getByRole("button", { name: "Rerun slow:waits" }).click();
    await soon("the running check", async () => (await word("slow:waits").textContent()) === "running");
    await row("slow:waits").locator(".row-name").click();
    await page.getByRole("button", { name: "Cancel", exact: true }).click();
    await soon("the cancelled check", async () => (await page.locator("#verdict").textContent()).includes("cancelled"));
    await person.picture("cancelled-check");
  });
  await browse("filters by repository, branch and state", async () => {
    const cards = () => page.locator("article.card h3").allTextContents();
    const choose = async ({ repository = "", branch = "", state = "" }) => {
      await person.open("/acme/checks");
      await page.getByRole("combobox", { name: "Repository" }).fill(repository);
      await page.getByLabel("Branch, tag or pull request").fill(branch);
      await page.getByLabel("State").selectOption(state);
      await page.getByRole("button", { name: "Filter" }).click();
      await page.waitForURL((url) => url.searchParams.has("state") || url.searchParams.has("repository"));
      return cards();
    };
    equal(await choose({ repository: "acme/hello" }), ["hello: four checks"]);
    equal(await choose({ repository: "acme/slow", branch: "main" }), ["wait for it"]);
    equal(await choose({ state: "failed" }), ["hello: four checks"]);
    equal(await choose({ state: "cancelled" }), ["wait for it"]);
    equal(await choose({ state: "unfinished" }), []);
    equal(await choose({ branch: "nowhere", repository: "acme/hello" }), []);
    await person.picture("filtered");
    await page.getByRole("link", { name: "Clear" }).click();
    await page.waitForURL((url) => url.search === "");
    equal((await cards()).length, 2);
  });
  await browse("the keyboard is enough: / j k Enter ?", async () => {
    await person.open("/acme/checks");
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() || document.activeElement?.id);
    await page.keyboard.press("/");
    equal(await focused(), "filter");
    await page.keyboard.type("jk?");
    equal(await page.locator("#filter").inputValue(), "jk?");
    await page.locator("#filter").fill("");
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    const first = await focused();
    await page.keyboard.press("j");
    const second = await focused();
    await page.keyboard.press("k");
    equal([first, second, await focused()], ["wait for it", "hello: four checks", "wait for it"]);
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    await person.picture("help");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "wait for it" }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("j");
    equal(await focused(), "load");
  });
  const pages = { orgs: "/", checks: "/acme/checks" };
  await person.open("/acme/checks?repository=acme/hello");
  pages.commit = await page.locator("article.card h3 a").first().getAttribute("href");
  pages.check = `${pages.commit}?check=hello:spelling`;
  pages.load = `${pages.commit}?check=load`;
  for (const scheme of ["light", "dark"]) {
    await browse(`no serious barrier in ${scheme} colours`, async () => {
      await page.emulateMedia({ colorScheme: scheme });
      const problems = [];
      const backgrounds = new Set();
      for (const [name, path] of Object.entries(pages)) {
        await person.open(path);
        problems.push(...(await person.barriers()).map((barrier) => `${name}: ${barrier}`));
        backgrounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
        await person.picture(`${name}-${scheme}`);
      }
      expectNone("axe found", problems);
      const [, red] = /(\d+)/.exec([...backgrounds][0]);
      if (Number(red) < 128 !== (scheme === "dark")) throw new Error(`the background is ${[...backgrounds]} in ${scheme} colours`);
    });
  }
  await browse("the colour scheme can be chosen, and the choice is kept", async () => {
    await page.emulateMedia({ colorScheme: "light" });
    await person.open("/acme/checks");
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await page.locator("#theme").click();
    await page.locator("#theme").click();
    const dark = await background();
    if (dark === light) throw new Error("nothing changed");
    await page.reload();
    equal(await background(), dark);
    await page.locator("#theme").click();
    equal(await background(), light);
  });
  await browse("at 360 pixels nothing scrolls sideways", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    const problems = [];
    for (const [name, path] of Object.entries(pages)) {
      await person.open(path);
      const overflow = await person.overflow();
      if (overflow > 0) problems.push(`${name} is ${overflow} pixels too wide`);
      await person.picture(`${name}-360`);
    }
    expectNone("too wide", problems);
    await page.setViewportSize({ width: 1280, height: 860 });
  });
  await browse("a wrong address is answered with a page that leads back", async () => {
    const response = await page.goto(`${demo.url}/acme/checks/github.com/acme/nothing@${"0".repeat(40)}`);
    equal(response.status(), 404);
    if ((await page.getByRole("link").count()) === 0) throw new Error("it has no link");
    // The browser reports the missing page itself.
    person.takeComplaints();
  });
  await browse("signing out is signing out", async () => {
    await person.open("/acme/checks");
    await page.locator(".person-menu summary").click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL("**/sign-in");
    const response = await page.request.get(`${demo.url}/acme/checks`, { maxRedirects: 0 });
    if (response.status() === 200) throw new Error("the page is still there");
  });
} catch (error) {
  await test("browser", "the tests themselves", () => { throw error; });
} finally {
  await person.stop();
  await demo.stop();
  rmSync(slow, { recursive: true, force: true });
}

const paper = await Quillon.start("demo", { environment: { QUILLON_LOG: "error" } });
const plain = await Person.start(paper.url, { javaScriptEnabled: false });
try {
  await test("browser", "without scripts everything can be read and a check can be rerun", async () => {
    await plain.page.goto(/^\s*(http\S+sign-in\S+)$/m.exec(paper.output)[1]);
    await plain.open("/acme/checks");
    await plain.page.getByText("hello: four checks").waitFor();
    await plain.page.locator("h3 a").first().click();
    await plain.page.getByRole("button", { name: "Rerun hello:spelling" }).click();
    await plain.page.locator("#flash").waitFor();
    await eventually("attempt 2", async () => {
      await plain.page.reload();
      return (await plain.page.getByText("attempt 2").count()) > 0;
    });
    expectNone("the pages complained", plain.takeComplaints());
  });
} finally {
  await plain.stop();
  await paper.stop();
}
process.exit(exitCode());
