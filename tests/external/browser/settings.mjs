// Uses the settings of an org in `quillon demo` as its admin does: sources, tokens, visibility, plan; with scripts and without.

import { Quillon, eventually } from "../lib/quillon.mjs";
import { exitCode, expectNone, test } from "../lib/report.mjs";
import { Person } from "./person.mjs";

const TAB = "/acme/settings?tab=";

function equal(found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
}

const button = (person, name) => person.page.getByRole("button", { name, exact: true });

/** Looks at a page as axe does, and for what is too wide on a telephone. */
async function fits(person, name) {
  const size = person.page.viewportSize();
  const problems = [];
  for (const [width, colorScheme] of [[1280, "light"], [360, "dark"]]) {
    await person.page.setViewportSize({ width, height: 800 });
    await person.page.emulateMedia({ colorScheme });
    problems.push(...(await person.barriers()).map((problem) => `${width}: ${problem}`));
    const overflow = await person.overflow();
    if (overflow > 0) problems.push(`${overflow} pixels wider than ${width}`);
    await person.picture(`settings-${name}-${width}`);
  }
  await person.page.setViewportSize(size);
  expectNone(name, problems);
}

/** Signs ann in and makes her the admin of `acme`, whose account is hers at the forge. */
async function becomeAdmin(person) {
  await person.open("/orgs/new");
  await person.page.getByRole("link", { name: "Continue with GitHub" }).click();
  await button(person, "Continue as ann").click();
  await person.page.waitForURL("**/orgs/new");
  await button(person, "Administer acme").click();
  await person.page.waitForURL("**/acme/checks**");
}

/** Whether the server takes telemetry of whoever has a token. */
async function works(server, token) {
  const response = await fetch(`${server.url}/v1/traces`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${token}:`)}`, "content-type": "application/json" },
    body: JSON.stringify({ resourceSpans: [] }),
  });
  return response.status === 200;
}

const demo = await Quillon.start("demo", { environment: { QUILLON_LOG: "error" } });
const ann = await Person.start(demo.url);
const browse = (name, body) =>
  test("browser", name, async () => {
    await body();
    expectNone("the pages complained", ann.takeComplaints().filter((complaint) => !complaint.includes("/forge/")));
  });

try {
  await becomeAdmin(ann);
  ann.takeComplaints();
  await browse("autocheck is switched by keyboard, and the page stays where it is", async () => {
    await ann.open(`${TAB}Git+Sources&q=hel`);
    const autocheck = ann.page.getByRole("switch", { name: "Autocheck of acme/hello" });
    for (const [before, after] of [["true", "false"], ["false", "true"]]) {
      equal(await autocheck.getAttribute("aria-checked"), before);
      await autocheck.focus();
      await ann.page.keyboard.press("Space");
      await eventually("the switch", async () => (await autocheck.getAttribute("aria-checked")) === after);
      equal(await ann.page.getByLabel("Name").inputValue(), "hel");
    }
    await ann.page.locator(".change summary").click();
    await fits(ann, "sources");
  });
  await browse("how a repository is checked is changed, and nonsense is refused with what was typed", async () => {
    await ann.page.getByRole("link", { name: "acme/hello", exact: true }).click();
    await ann.page.getByLabel("Branches that are checked as they are").fill("release/*\nhotfix");
    await ann.page.getByLabel("Longest time of one check").fill("900");
    await button(ann, "Save").click();
    await ann.page.getByText("The repository's settings were changed.").waitFor();
    equal(await ann.page.getByLabel("Branches that are checked as they are").inputValue(), "release/*\nhotfix");
    await ann.page.getByLabel("Directories whose modules are left out").fill("x".repeat(300));
    await button(ann, "Save").click();
    await ann.page.getByRole("alert").getByText("is no glob").waitFor();
    equal(await ann.page.getByLabel("Longest time of one check").inputValue(), "900");
    await fits(ann, "repository");
    ann.takeComplaints();
  });
  await browse("an account is disconnected by its name, and connected again by who administers it", async () => {
    await ann.open(`${TAB}Git+Sources`);
    await ann.page.locator(".change summary").click();
    await ann.page.getByLabel("Type acme to confirm").fill("acm");
    await button(ann, "Disconnect").click();
    await ann.page.getByRole("alert").getByText("type its name: acme").waitFor();
    // What was refused is open again.
    await ann.page.getByLabel("Type acme to confirm").fill("acme");
    await button(ann, "Disconnect").click();
    await ann.page.getByText("The account is disconnected.").waitFor();
    await ann.page.getByText("None yet, so nothing is checked.").waitFor();
    await ann.page.getByRole("link", { name: "Connect GitHub" }).click();
    await button(ann, "Continue as ann").click();
    await ann.page.waitForURL("**/acme/settings**");
    await fits(ann, "sources-none");
    await button(ann, "Connect acme").click();
    await ann.page.getByText("The account is connected.").waitFor();
    await eventually("the repository", async () => {
      await ann.page.reload();
      return (await ann.page.getByRole("switch", { name: "Autocheck of acme/hello" }).count()) === 1;
    });
    ann.takeComplaints();
  });
  await browse("a token is made, shown once, rotated and revoked", async () => {
    await ann.open(`${TAB}Tokens`);
    await ann.page.getByLabel("Name").first().fill('<b>ci"');
    await ann.page.getByLabel("read checks and traces").check();
    await button(ann, "Make the token").click();
    const old = await ann.page.locator("#secret").textContent();
    await ann.page.getByText("GitLab CI", { exact: true }).click();
    await fits(ann, "token-made");
    equal([/^dag_acme_[0-9a-f]{64}$/.test(old), await works(demo, old)], [true, true]);
    await ann.page.getByRole("link", { name: "Back to the tokens" }).click();
    equal((await ann.page.content()).includes(old), false);
    await ann.page.locator(".change summary").click();
    await ann.page.getByText("How: GitHub Actions").click();
    await fits(ann, "tokens");
    await ann.page.getByLabel("The old one works on").selectOption("for an hour");
    await button(ann, "Rotate").click();
    const fresh = await ann.page.locator("#secret").textContent();
    equal([fresh === old, await works(demo, old), await works(demo, fresh)], [false, true, true]);
    await ann.page.getByRole("link", { name: "Back to the tokens" }).click();
    const row = ann.page.locator(".things > li", { hasNot: ann.page.getByText("replaced") }).first();
    await row.locator("summary").click();
    await row.getByLabel(/to confirm/).fill("another");
    await row.getByRole("button", { name: "Revoke" }).click();
    await ann.page.getByRole("alert").getByText("type its name").waitFor();
    ann.takeComplaints();
    // The form that was refused is open, and a link leads to it.
    await ann.page.getByRole("link", { name: "To the form" }).click();
    await row.getByLabel(/to confirm/).fill('<b>ci"');
    await row.getByRole("button", { name: "Revoke" }).click();
    await ann.page.getByText("The token was revoked").waitFor();
    // Where telemetry is taken in it may work for a minute more, as the page says.
    equal(await ann.page.locator(".things").first().locator("li", { hasNot: ann.page.getByText("replaced") }).count(), 0);
  });
  await browse("a project of a CI system is trusted and trusted no more", async () => {
    await ann.page.getByLabel("Its id there").fill("42");
    await ann.page.getByLabel("Name").last().fill("the pipeline");
    await button(ann, "Trust it").click();
    await ann.page.getByText("The project is trusted").waitFor();
    await button(ann, "Remove the pipeline").click();
    await ann.page.getByText("The project is trusted no more.").waitFor();
  });
  await browse("who may read traces is said for the org and for a repository", async () => {
    await ann.open(`${TAB}Visibility`);
    await button(ann, "Make all of them private").click();
    await ann.page.getByText("No trace is public by rule").waitFor();
    await ann.page.getByLabel("Repository", { exact: true }).fill("acme/hello");
    await button(ann, "Save").click();
    await ann.page.getByLabel("Who reads traces of acme/hello").waitFor();
    await ann.page.getByText("Delete a trace").click();
    await fits(ann, "visibility");
    await ann.page.getByLabel("Link or id of the trace").first().fill("nonsense");
    await button(ann, "Make private").click();
    await ann.page.getByRole("alert").getByText("no such trace").waitFor();
    equal(await ann.page.getByLabel("Link or id of the trace").first().inputValue(), "nonsense");
    ann.takeComplaints();
  });
  await browse("the plan says that everything is free here", async () => {
    await ann.open(`${TAB}Plan`);
    await ann.page.getByText("everything is free for everybody").waitFor();
    await fits(ann, "plan");
  });
} catch (error) {
  await test("browser", "the tests of settings themselves", () => { throw error; });
} finally {
  await ann.stop();
  await demo.stop();
}

// The same without scripts: switches are buttons that lead back to where they were.
const paper = await Quillon.start("demo", { environment: { QUILLON_LOG: "error" } });
const plain = await Person.start(paper.url, { javaScriptEnabled: false });
try {
  await test("browser", "without scripts repositories are switched and tokens made", async () => {
    await becomeAdmin(plain);
    await plain.open(`${TAB}Git+Sources&q=hel`);
    await plain.page.getByRole("switch").click();
    await plain.page.getByText("Autocheck is off").waitFor();
    equal([await plain.page.getByRole("switch").getAttribute("aria-checked"), await plain.page.getByLabel("Name").inputValue()], ["false", "hel"]);
    await plain.open(`${TAB}Tokens`);
    await plain.page.getByLabel("Name").first().fill("ci");
    await button(plain, "Make the token").click();
    equal(await works(paper, await plain.page.locator("#secret").textContent()), true);
  });
} finally {
  await plain.stop();
  await paper.stop();
}
process.exit(exitCode());
