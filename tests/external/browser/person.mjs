// A person with a browser: Chromium on pages of one server, what went wrong in them, and pictures of them.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

const PROGRAM = process.env.QUILLON_CHROMIUM || "/usr/bin/chromium";
const PICTURES = process.env.QUILLON_SCREENSHOTS ?? join(tmpdir(), "quillon-screenshots");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Without these the browser looks for hosts of its maker at every start.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"];

/** A browser with a profile of its own. */
export class Person {
  /** What no page may cause: console errors, violated policies, exceptions, failed requests. */
  complaints = [];

  static async start(url, options = {}) {
    const person = new Person();
    person.url = url;
    person.profile = mkdtempSync(join(tmpdir(), "quillon-chromium-"));
    person.context = await chromium.launchPersistentContext(person.profile, {
      executablePath: PROGRAM,
      headless: true,
      args: FLAGS,
      viewport: { width: 1280, height: 860 },
      colorScheme: "light",
      ...options,
    });
    person.context.setDefaultTimeout(20_000);
    person.page = person.context.pages()[0] ?? (await person.context.newPage());
    person.watch(person.page);
    return person;
  }

  watch(page) {
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(`${message.type()} on ${page.url()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.complaints.push(`exception on ${page.url()}: ${error.message}`));
    page.on("response", (response) => {
      if (response.status() >= 500) this.complaints.push(`${response.status()} ${response.url()}`);
      if (!response.url().startsWith(this.url)) this.complaints.push(`a request left the server: ${response.url()}`);
    });
  }

  /** The complaints since the last call. */
  takeComplaints() {
    return this.complaints.splice(0);
  }

  async open(path) {
    await this.page.goto(new URL(path, this.url).href);
  }

  async picture(name) {
    mkdirSync(PICTURES, { recursive: true });
    await this.page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  }

  /** What axe finds that is serious or critical, in words. */
  async barriers() {
    // A click is over when the next page begins to arrive.
    await this.page.waitForLoadState();
    // Evaluated by the debugger: the page's own policy forbids scripts from elsewhere, and shall.
    await this.page.evaluate(axe);
    const { violations } = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    return serious.flatMap(({ id, help, nodes }) => nodes.slice(0, 3).map((node) => `${id}: ${help}: ${node.html.slice(0, 140)} ${node.any[0]?.message ?? ""}`));
  }

  /** How far the page is wider than the window, in pixels. */
  async overflow() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  }

  async stop() {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 3 });
  }
}
