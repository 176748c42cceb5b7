// What we say to GitHub, against GitHub's own OpenAPI description: the calls as they stand in the code, and the requests
// that a running `quillon up` sends. The answers of our forge are held against it too, because every scenario trusts them.
//
// One `quillon up` is the forge, a second one believes that it is GitHub and reaches it through a recording proxy.

import { execFileSync } from "node:child_process";
import { createHash, createHmac, createSign, randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { Quillon, eventually } from "../lib/quillon.mjs";
import { exitCode, expectNone, test } from "../lib/report.mjs";
import { Description } from "./description.mjs";
import { record } from "./recorder.mjs";

const APP_ID = "1";
const CLIENT_ID = "Iv1.0000000000000001";
const SECRET = "a webhook secret of the external suite";
const root = new URL("../../..", import.meta.url).pathname;
const description = new Description();

/** The calls in the code of `shared/github`: method and path with query, values replaced by `1`. */
function callsInTheCode() {
  const calls = [];
  const folder = join(root, "shared/github/src");
  for (const file of readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".rs") && !name.includes("tests"))) {
    const text = readFileSync(join(folder, file), "utf8");
    const spelled = [
      ...text.matchAll(/Call::(get|post)\(\s*(?:format!\()?"([^"]+)"/g),
      ...text.matchAll(/let path = format!\("([^"]+)"\);\s*let \w+ = self\.ask\(&Call::(get|post)\(path\)/g),
    ];
    for (const [, first, second] of spelled) {
      const [method, path] = first.startsWith("/") ? [second, first] : [first, second];
      calls.push({ method: method.toUpperCase(), path: path.replaceAll("{PER_PAGE}", "100").replaceAll("{after}", "&cursor=v1_1").replaceAll(/\{[^}]*\}/g, "1") });
    }
  }
  return calls;
}

/** A local git repository with a module of two checks, a tag and a branch. */
function makeRepository(folder) {
  const write = (name, text, mode = 0o644) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), mode);
  };
  write("dagger.json", '{"name": "hello", "engineVersion": "v0.21.8", "sdk": {"source": "go"}, "source": ".dagger"}\n');
  write(".dagger/checks/passes", "#!/bin/sh\necho fine\n", 0o755);
  write(".dagger/checks/fails", "#!/bin/sh\necho broken >&2\nexit 1\n", 0o755);
  const git = (...args) => execFileSync("git", ["-C", folder, "-c", "user.name=Ada", "-c", "user.email=ada@acme.example", ...args], { encoding: "utf8" }).trim();
  git("init", "--quiet", "--initial-branch", "main");
  git("add", "--all");
  git("commit", "--quiet", "--message", "hello");
  git("tag", "--annotate", "v1", "--message", "one");
  git("branch", "topic/one");
  return git("rev-parse", "HEAD");
}

/** Asks the forge as the App. */
async function asApp(forge, path) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = `${part({ alg: "RS256", typ: "JWT" })}.${part({ iat: now - 30, exp: now + 300, iss: APP_ID })}`;
  const signature = createSign("RSA-SHA256").update(claims).sign(forge.file("forge/app-key.pem"), "base64url");
  const response = await fetch(`${forge.url}/forge/api/v3${path}`, { headers: { authorization: `Bearer ${claims}.${signature}`, "user-agent": "tests", accept: "application/vnd.github+json" } });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** What a person does at the authorization page; gives where their browser is sent. */
async function consent(address, login) {
  const page = await (await fetch(address)).text();
  const [, account] = new RegExp(`value="(\\d+)">Continue as ${login}<`).exec(page) ?? [];
  if (!account) throw new Error(`nobody is ${login}: ${page}`);
  const form = new URLSearchParams([...new URL(address).searchParams, ["account", account]]);
  const answer = await fetch(`${forge.url}/forge/login/oauth/authorize`, { method: "POST", body: form, redirect: "manual" });
  return answer.headers.get("location");
}

/** The token of a person for the App, as its documentation says one gets it. */
async function userToken(login) {
  const verifier = randomUUID() + randomUUID();
  const query = { client_id: CLIENT_ID, redirect_uri: `${forge.url}/auth/github/callback`, state: "s", code_challenge: createHash("sha256").update(verifier).digest("base64url"), code_challenge_method: "S256" };
  const back = new URL(await consent(`${forge.url}/forge/login/oauth/authorize?${new URLSearchParams(query)}`, login));
  const form = new URLSearchParams({ client_id: CLIENT_ID, client_secret: forge.file("forge/client-secret"), code: back.searchParams.get("code"), redirect_uri: query.redirect_uri, code_verifier: verifier });
  const answer = await (await fetch(`${forge.url}/forge/login/oauth/access_token`, { method: "POST", body: form, headers: { accept: "application/json" } })).json();
  if (!answer.access_token) throw new Error(JSON.stringify(answer));
  return answer.access_token;
}

/** Sends a webhook to a server, as GitHub would. */
async function deliver(server, event, payload) {
  const body = JSON.stringify(payload);
  const headers = {
    "content-type": "application/json",
    "x-github-event": event,
    "x-github-delivery": randomUUID(),
    "x-hub-signature-256": `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`,
  };
  const response = await fetch(`${server.url}/github/webhook`, { method: "POST", headers, body });
  if (response.status !== 202) throw new Error(`${event}: ${response.status} ${await response.text()}`);
}

const key = ({ method, path }) => {
  const found = description.find(method, path.split("?")[0]);
  return found ? `${method} ${found.route}` : `${method} ${path.split("?")[0]}`;
};

const calls = callsInTheCode();
await test("github", `every call in the code is in GitHub's description ${description.version}`, () => {
  const problems = calls.flatMap(({ method, path }) => {
    const url = new URL(path, "http://github");
    // What bodies must be is asked of the recorded requests.
    const found = description.requestProblems({ method, path: url.pathname, query: url.searchParams }).filter((problem) => !problem.startsWith("body"));
    return found.map((problem) => `${method} ${path}: ${problem}`);
  });
  expectNone("GitHub would not take", problems);
  if (calls.length < 10) throw new Error(`only ${calls.length} calls were found: this test reads the code wrongly`);
});

const folder = mkdtempSync(join(tmpdir(), "quillon-external-repository-"));
const sha = makeRepository(folder);
const forge = await Quillon.start("up", { args: ["--agents", "0"], environment: { QUILLON_LOG: "error" } });
const proxy = await record(`${forge.url}/forge`);
let server;
try {
  await forge.run("push", folder, "--as", "acme/hello", "--no-wait");
  await forge.run("push", folder, "--as", "acme/hello", "--ref", "v1", "--no-wait");
  await forge.run("push", folder, "--as", "acme/hello", "--ref", "topic/one", "--no-wait");
  server = await Quillon.start("up", {
    environment: {
      QUILLON_GITHUB_API_URL: `${proxy.url}/api/v3`,
      QUILLON_GITHUB_URL: `${forge.url}/forge`,
      QUILLON_GITHUB_APP_ID: APP_ID,
      QUILLON_GITHUB_APP_PRIVATE_KEY: join(forge.data, "forge/app-key.pem"),
      QUILLON_GITHUB_WEBHOOK_SECRET: SECRET,
      QUILLON_GITHUB_CLIENT_ID: CLIENT_ID,
      QUILLON_GITHUB_CLIENT_SECRET: forge.file("forge/client-secret"),
      // The forge sends people back to its own server only.
      QUILLON_PUBLIC_URL: forge.url,
      QUILLON_LOG: "error",
    },
  });
  await test("github", "a server that believes the forge to be GitHub brings a push to its statuses", async () => {
    const deliveries = await asApp(forge, "/app/hook/deliveries?per_page=100");
    for (const { id, event } of deliveries.reverse()) await deliver(server, event, (await asApp(forge, `/app/hook/deliveries/${id}`)).request.payload);
    const payload = JSON.parse(readFileSync(join(root, "events/github/pull_request-opened.json"), "utf8"));
    const push = deliveries.find(({ event }) => event === "push");
    const { repository, installation } = (await asApp(forge, `/app/hook/deliveries/${push.id}`)).request.payload;
    // The forge knows no such pull request: what is asked about it is what matters here.
    await deliver(server, "pull_request", { ...payload, repository, installation });
    const posted = (context) => proxy.exchanges.some(({ method, path, body, status }) => method === "POST" && path.endsWith(`/statuses/${sha}`) && status === 201 && body.context === context && body.state !== "pending");
    await eventually("the statuses", () => ["quillon/hello/passes", "quillon/hello/fails", "quillon"].every(posted));
    await eventually("the question about the pull request", () => proxy.exchanges.some(({ path }) => /\/pulls\/\d+$/.test(path)));
  });
  await test("github", "people sign in, and what is asked about them is answered", async () => {
    const start = await fetch(`${server.url}/auth/github`, { redirect: "manual" });
    const back = new URL(await consent(start.headers.get("location"), "ann"));
    const cookie = start.headers.getSetCookie().map((cookie) => cookie.split(";")[0]).join("; ");
    const before = proxy.exchanges.length;
    const end = await fetch(server.url + back.pathname + back.search, { redirect: "manual", headers: { cookie } });
    if (![302, 303].includes(end.status) || !end.headers.getSetCookie().some((cookie) => cookie.startsWith("quillon_session="))) throw new Error(`${end.status} ${await end.text()}`);
    const asked = proxy.exchanges.slice(before).map(({ path, status }) => `${status} ${path}`);
    for (const expected of ["200 /user", "200 /user/emails", "200 /user/installations", "200 /user/memberships/orgs/acme"]) if (!asked.includes(expected)) throw new Error(`${expected} is not among ${asked.join(", ")}`);
    // What we do not ask, and what GitHub says no to, is held against the description too.
    const token = await userToken("ben");
    const ask = (path, credential = token) => fetch(`${proxy.url}/api/v3${path}`, { headers: { authorization: `Bearer ${credential}`, "user-agent": "tests", accept: "application/vnd.github+json" } });
    const { installations: [{ id }] } = await (await ask("/user/installations?per_page=1&page=1")).json();
    const answers = [[`/user/installations/${id}/repositories?per_page=100`, 200], ["/user/installations/7/repositories", 404], ["/user/memberships/orgs/acme", 200], ["/user/memberships/orgs/nobody", 404], ["/user/emails?per_page=1&page=2", 200]];
    for (const [path, status] of answers) {
      const answer = await ask(path);
      if (answer.status !== status) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    }
    if ((await ask("/user", "ghu_unknown")).status !== 401) throw new Error("an unknown token is somebody");
  });
  await test("github", "every request that was sent is as GitHub describes it", () => {
    const problems = proxy.exchanges.flatMap((exchange) => description.requestProblems(exchange).map((problem) => `${exchange.method} ${exchange.path}: ${problem}`));
    expectNone("GitHub would not take", [...new Set(problems)]);
    if (proxy.exchanges.length < 20) throw new Error(`only ${proxy.exchanges.length} requests were recorded`);
  });
  await test("github", "the forge answers as GitHub describes it", () => {
    const problems = proxy.exchanges.flatMap((exchange) => description.answerProblems(exchange).map((problem) => `${key(exchange)}: ${exchange.status} ${problem}`));
    expectNone("GitHub would not answer so", [...new Set(problems)]);
  });
  const seen = new Set(proxy.exchanges.map(key));
  const silent = [...new Set(calls.map(key))].filter((call) => !seen.has(call));
  console.log(`        ${proxy.exchanges.length} requests of ${seen.size} kinds were recorded; not sent, and held against the description from the code alone:`);
  console.log(silent.length > 0 ? silent.map((call) => `          ${call}`).join("\n") : "          none");
} catch (error) {
  await test("github", "the recording", () => { throw error; });
} finally {
  proxy.close();
  await server?.stop();
  await forge.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(exitCode());
