// Uses the pages of accounts and orgs of `quillon demo` as people do: ann, who owns acme at the forge, and ben, her colleague.

import { Quillon, eventually } from "../lib/quillon.mjs";
import { exitCode, expectNone, test } from "../lib/report.mjs";
import { Person } from "./person.mjs";

const demo = await Quillon.start("demo", { environment: { QUILLON_LOG: "error" } });
const ann = await Person.start(demo.url);
const ben = await Person.start(demo.url, { viewport: { width: 360, height: 740 }, colorScheme: "dark" });

function equal(found, expected) {
  if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
}

const path = (person) => person.page.url().slice(demo.url.length);

/** A test that also fails on what the pages of both complained about meanwhile, the forge's own aside. */
const browse = (name, body) =>
  test("browser", name, async () => {
    await body();
    const ours = [...ann.takeComplaints(), ...ben.takeComplaints()].filter((complaint) => !complaint.includes("/forge/"));
    expectNone("the pages complained", ours);
  });

/** Looks at a page as axe does, and for what is too wide. */
async function fits(person, name) {
  const problems = await person.barriers();
  const overflow = await person.overflow();
  if (overflow > 0) problems.push(`${overflow} pixels too wide`);
  expectNone(name, problems);
  await person.picture(name);
}

/** Signs in with the forge, from wherever the person is asked to. */
async function signIn(person, login) {
  await person.page.getByRole("link", { name: "Continue with GitHub" }).click();
  await person.page.getByRole("button", { name: `Continue as ${login}` }).click();
  await person.page.waitForURL((url) => !url.pathname.startsWith("/forge/") && !url.pathname.startsWith("/auth/"));
}

const button = (person, name) => person.page.getByRole("button", { name, exact: true });

/** Asks as `quillon login` does. */
async function device(form, endpoint) {
  const response = await fetch(`${demo.url}/oauth/${endpoint}`, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", "user-agent": "quillon on a laptop" },
    body: new URLSearchParams(form),
  });
  return { status: response.status, body: await response.json() };
}

let token;
let invitation;

try {
  await browse("whoever wants a page signs in first and is led back to it", async () => {
    await ann.open("/account");
    equal(path(ann), "/sign-in?next=%2Faccount");
    await fits(ann, "accounts-sign-in");
    await signIn(ann, "ann");
    equal(path(ann), "/account");
    await ann.page.getByText("ann@acme.example").waitFor();
  });
  await browse("from the first sign-in to the first token", async () => {
    await ann.open("/");
    equal(path(ann), "/orgs/new");
    await button(ann, "Administer acme").waitFor();
    await fits(ann, "accounts-new-org");
    await ann.page.getByLabel("Name").fill("acme");
    await button(ann, "Make it").click();
    await ann.page.getByRole("alert").getByText("is taken").waitFor();
    equal(await ann.page.getByLabel("Name").inputValue(), "acme");
    // Whoever listens hears first that it was not done, and why.
    equal([await ann.page.title(), await ann.page.locator("#problem:focus").count()], ["Not done: New organization · Quillon", 1]);
    ann.takeComplaints();
    // By keyboard alone.
    await ann.page.getByLabel("Name").focus();
    await ann.page.keyboard.press("Control+A");
    await ann.page.keyboard.type("Workshop");
    await ann.page.keyboard.press("Enter");
    await ann.page.waitForURL("**/Workshop/welcome/team");
    await fits(ann, "accounts-welcome-team");
    await ann.page.getByLabel("GitHub login or e-mail address").fill("no login!");
    await ann.page.getByLabel("admin").check();
    await button(ann, "Make an invitation").click();
    await ann.page.getByRole("alert").getByText("is not a GitHub login").waitFor();
    equal([await ann.page.getByLabel("GitHub login or e-mail address").inputValue(), await ann.page.getByLabel("admin").isChecked()], ["no login!", true]);
    await fits(ann, "accounts-welcome-team-refused");
    ann.takeComplaints();
    await ann.page.getByRole("link", { name: "Nobody else yet" }).click();
    await fits(ann, "accounts-welcome-token");
    await button(ann, "Make a token").click();
    token = await ann.page.locator("#secret").textContent();
    if (!/^dag_Workshop_[0-9a-f]{64}$/.test(token)) throw new Error(`no token: ${token}`);
    await ann.page.getByText("GitHub Actions", { exact: true }).click();
    await ann.page.getByText(".github/workflows/dagger.yml").waitFor();
    await fits(ann, "accounts-welcome-token-made");
    await ann.page.setViewportSize({ width: 360, height: 800 });
    await fits(ann, "accounts-welcome-token-made-360");
    await ann.page.setViewportSize({ width: 1280, height: 860 });
    await ann.page.getByRole("link", { name: "I have kept it, continue" }).click();
    await ann.page.getByRole("link", { name: "Connect GitHub" }).waitFor();
    await fits(ann, "accounts-welcome-github");
    const sent = await fetch(`${demo.url}/v1/traces`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`${token}:`)}`, "content-type": "application/json" },
      body: JSON.stringify({ resourceSpans: [] }),
    });
    equal(sent.status, 200);
  });
  await browse("the org of one's own GitHub account is taken over", async () => {
    await ann.open("/orgs/new");
    // GitHub was asked when she signed in.
    await button(ann, "Administer acme").click();
    await ann.page.waitForURL("**/acme/checks**");
    await ann.page.getByText("Welcome: you are in.").waitFor();
    await ann.page.getByText("hello: four checks").waitFor();
  });
  await browse("the switcher leads from one org to the other, with mouse and keyboard", async () => {
    await ann.page.locator(".org-menu summary").focus();
    await ann.page.keyboard.press("Enter");
    await ann.page.getByRole("link", { name: "Workshop" }).waitFor();
    await ann.page.keyboard.press("Escape");
    await ann.page.locator(".org-menu[open]").waitFor({ state: "detached" });
    await ann.page.locator(".org-menu summary").click();
    await ann.page.getByRole("link", { name: "Workshop" }).click();
    await ann.page.waitForURL("**/Workshop/checks");
    await ann.page.locator(".person-menu summary").click();
    await ann.picture("accounts-menu");
    await ann.page.getByRole("link", { name: "Account", exact: true }).click();
    await ann.page.waitForURL("**/account");
  });
  await browse("an invitation is made, sent, and accepted by whom it is for", async () => {
    await ann.open("/acme/settings?tab=Members");
    await ann.page.getByLabel("GitHub login or e-mail address").fill("Ben");
    await button(ann, "Make an invitation").click();
    invitation = await ann.page.locator("#secret").textContent();
    await fits(ann, "accounts-invitation-link");
    // Ann is not Ben.
    await ann.page.goto(invitation);
    await ann.page.getByText("This invitation is for").waitFor();
    await button(ann, "Sign out and come back as the other one").waitFor();
    // Ben has a telephone.
    await ben.page.goto(invitation);
    await ben.page.getByText("Sign in to see the invitation.").waitFor();
    await signIn(ben, "ben");
    equal(ben.page.url(), invitation);
    await fits(ben, "accounts-invitation-360");
    await ben.page.getByRole("button", { name: /^Join as/ }).click();
    await ben.page.waitForURL("**/acme/checks**");
    await ben.page.getByText("hello: four checks").waitFor();
    const again = await ben.page.request.get(invitation);
    equal(again.status(), 404);
  });
  await browse("what a member may not, they do not see, and are told when they ask", async () => {
    await ben.open("/acme/settings?tab=Members");
    equal(await ben.page.getByRole("button", { name: "Make an invitation" }).count(), 0);
    equal(await ben.page.getByRole("link", { name: "Audit", exact: true }).count(), 0);
    const refused = await ben.page.request.get(`${demo.url}/acme/settings?tab=Audit`);
    equal([refused.status(), (await refused.text()).includes("<code>admin</code>")], [403, true]);
    equal((await ben.page.request.get(`${demo.url}/Workshop/checks`)).status(), 404);
  });
  await browse("roles change at once, by keyboard too, and the last admin stays", async () => {
    await ann.open("/acme/settings?tab=Members");
    const row = ann.page.locator(".members > li", { has: ann.page.locator("strong", { hasText: "Ben" }) });
    await row.locator("summary").focus();
    await ann.page.keyboard.press("Enter");
    await row.getByLabel("admin").focus();
    await ann.page.keyboard.press("Space");
    await row.getByLabel("member").uncheck();
    await row.getByRole("button", { name: "Save roles" }).click();
    await ann.page.getByText("The roles were changed.").waitFor();
    equal((await ben.page.request.get(`${demo.url}/acme/checks`)).status(), 403);
    equal((await ben.page.request.get(`${demo.url}/acme/settings?tab=Audit`)).status(), 200);
    await row.locator("summary").click();
    await row.getByLabel("member").check();
    await row.getByLabel("admin").uncheck();
    await row.getByRole("button", { name: "Save roles" }).click();
    // The message was there before.
    await row.locator(".chip", { hasText: "admin" }).waitFor({ state: "detached" });
    await row.locator(".chip", { hasText: "member" }).waitFor();
    const own = ann.page.locator(".members > li", { has: ann.page.locator("strong", { hasText: "Ann" }) });
    await own.locator("summary").click();
    await own.getByLabel("admin").uncheck();
    await own.getByRole("button", { name: "Save roles" }).click();
    await ann.page.getByRole("alert").getByText("needs an admin").waitFor();
    ann.takeComplaints();
  });
  await browse("a device is signed in by comparing its code, and out again", async () => {
    const asked = await device({ client_id: "quillon", scope: "offline_access" }, "device/code");
    equal(asked.status, 200);
    const link = asked.body.verification_uri_complete ?? `${demo.url}/activate?user_code=${asked.body.user_code}`;
    await ben.page.goto(link);
    await ben.page.getByText(asked.body.user_code).waitFor();
    await ben.page.getByText("Approve only if").waitFor();
    await fits(ben, "accounts-device-360");
    await button(ben, "Approve").click();
    await ben.page.getByRole("heading", { name: "The device is signed in" }).waitFor();
    const grant = { grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: asked.body.device_code, client_id: "quillon" };
    const tokens = await eventually("the device's tokens", async () => {
      const answer = await device(grant, "token");
      return answer.status === 200 ? answer.body : null;
    }, 30_000);
    if (!tokens.access_token.startsWith("qat_")) throw new Error("no access token");
    equal((await device(grant, "token")).status, 400);
    await ben.open("/account");
    await fits(ben, "accounts-account-360");
    await ben.page.getByRole("button", { name: /^Sign out .*/ }).last().click();
    await ben.page.getByText("The device is signed out").waitFor();
    const wrong = await ben.page.request.get(`${demo.url}/activate?user_code=BCDF-GHJK`);
    equal(wrong.status(), 404);
  });
  await browse("the audit log tells who did all that, and is exported", async () => {
    await ann.open("/acme/settings?tab=Audit");
    for (const deed of ["became the first admin of the org", "invited", "accepted the invitation of", "changed the roles of"]) {
      await ann.page.locator(".deeds").getByText(deed).first().waitFor();
    }
    await ann.page.getByLabel("Person").fill("ben");
    await button(ann, "Filter").click();
    await ann.page.waitForURL("**who=ben**");
    equal(await ann.page.locator(".deeds").getByText("became the first admin").count(), 0);
    const file = ann.page.waitForEvent("download");
    await ann.page.getByRole("link", { name: /^CSV/ }).click();
    equal((await file).suggestedFilename(), "acme-audit.csv");
  });
  await browse("no page of the settings and of accounts has a barrier, and all fit a telephone", async () => {
    const pages = ["/account", "/activate", "/orgs/new", "/"];
    for (const tab of ["General", "Members", "Git+Sources", "Tokens", "Visibility", "Plan", "Audit"]) pages.push(`/acme/settings?tab=${tab}`);
    for (const [width, scheme] of [[1280, "light"], [360, "dark"], [360, "light"]]) {
      await ann.page.setViewportSize({ width, height: 800 });
      await ann.page.emulateMedia({ colorScheme: scheme });
      for (const page of pages) {
        await ann.open(page);
        await fits(ann, `accounts-${page.replace(/\W+/g, "-")}-${width}-${scheme}`);
      }
    }
    await ann.page.setViewportSize({ width: 1280, height: 860 });
  });
  await browse("an org is deleted by its name, says so everywhere, and is had back", async () => {
    await ann.open("/Workshop/settings");
    await ann.page.getByLabel("Type Workshop to confirm").fill("Workshop");
    await button(ann, "Delete Workshop").click();
    await ann.page.getByText("Workshop will be deleted on").waitFor();
    await ann.open("/Workshop/traces");
    await ann.page.getByText("Workshop will be deleted on").waitFor();
    await fits(ann, "accounts-ending");
    await button(ann, "Keep the organization").click();
    await ann.page.getByText("The organization stays.").waitFor();
  });
  await browse("signing out everywhere ends all sessions", async () => {
    await ann.open("/account");
    await button(ann, "Sign out everywhere").click();
    await ann.page.waitForURL("**/sign-in");
    await ann.open("/acme/checks");
    equal(path(ann), "/sign-in?next=%2Facme%2Fchecks");
  });
} catch (error) {
  await test("browser", "the tests themselves", () => { throw error; });
} finally {
  await ann.stop();
  await ben.stop();
  await demo.stop();
}

// The same without scripts: menus, folds and forms are the browser's own.
const paper = await Quillon.start("demo", { environment: { QUILLON_LOG: "error" } });
const plain = await Person.start(paper.url, { javaScriptEnabled: false });
try {
  await test("browser", "without scripts people sign in, make an org and sign out", async () => {
    await plain.open("/orgs/new");
    await signIn(plain, "ann");
    await plain.page.getByLabel("Name").fill("paper");
    await button(plain, "Make it").click();
    await plain.page.waitForURL("**/paper/welcome/team");
    await plain.page.locator(".org-menu summary").click();
    await plain.page.getByRole("link", { name: "All organizations" }).click();
    await plain.page.locator(".person-menu summary").click();
    await button(plain, "Sign out").click();
    await plain.page.waitForURL("**/sign-in");
  });
} finally {
  await plain.stop();
  await paper.stop();
}
process.exit(exitCode());
