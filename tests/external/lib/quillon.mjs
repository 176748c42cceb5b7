// Starts the `quillon` binary for a test, knows how to reach it, and stops it.

import { spawn, execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const PROGRAM = process.env.QUILLON_BIN ?? new URL("../../../target/debug/quillon", import.meta.url).pathname;
const PATIENCE_MS = 60_000;

/** Repeats until the answer is something; what it waits for is named in the error. */
export async function eventually(what, ask, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  let last;
  for (;;) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited in vain for ${what}${last ? `: ${last.message}` : ""}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A running `quillon up` or `quillon demo` with a data directory of its own. */
export class Quillon {
  #process;
  #output = "";

  constructor(process, data) {
    this.#process = process;
    this.data = data;
    for (const stream of [process.stdout, process.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => { this.#output += text; });
    }
  }

  /** Starts it and waits until it answers; `until` is a text that it prints when it is ready. */
  static async start(command, { environment = {}, args = [], until = "Ctrl-C" } = {}) {
    const data = mkdtempSync(join(tmpdir(), "quillon-external-"));
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("QUILLON_") && !name.startsWith("AWS_")));
    const child = spawn(PROGRAM, [command, "--data", data, "--listen", "127.0.0.1:0", ...args], {
      env: { ...inherited, QUILLON_LOG: process.env.QUILLON_LOG ?? "warn", ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const quillon = new Quillon(child, data);
    await eventually(`quillon ${command}`, () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}:\n${quillon.output}`);
      return quillon.output.includes(until) && existsSync(join(data, "instance.json"));
    });
    quillon.contact = JSON.parse(readFileSync(join(data, "instance.json"), "utf8"));
    quillon.url = quillon.contact.url.replace(/\/$/, "");
    return quillon;
  }

  get output() {
    return this.#output;
  }

  /** A file of the data directory. */
  file(name) {
    return readFileSync(join(this.data, name), "utf8").trim();
  }

  /** Runs another command beside it. */
  async run(...args) {
    const { stdout } = await promisify(execFile)(PROGRAM, [...args, "--data", this.data], { maxBuffer: 16 << 20 });
    return stdout;
  }

  /** Asks the GraphQL API as the operator. */
  async graphql(query, variables = {}) {
    const response = await fetch(`${this.url}/query`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.contact.operator_key}`, "content-type": "application/json" },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  }

  async stop() {
    if (this.#process.exitCode === null) {
      this.#process.kill("SIGTERM");
      await eventually("the end of quillon", () => this.#process.exitCode !== null || this.#process.signalCode !== null, 30_000).catch(() => this.#process.kill("SIGKILL"));
    }
    rmSync(this.data, { recursive: true, force: true, maxRetries: 3 });
  }
}
