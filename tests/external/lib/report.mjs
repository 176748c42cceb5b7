// Counts what passed and failed for `tests/external/run`, and prints it as it happens.

import { appendFileSync } from "node:fs";

const file = process.env.QUILLON_RESULTS;
let failures = 0;

/** Runs one test; a failure is reported and does not end the others. */
export async function test(concern, name, body) {
  const started = Date.now();
  try {
    await body();
    note("passed", concern, name);
    console.log(`ok      ${name} (${Date.now() - started} ms)`);
    return true;
  } catch (error) {
    failures += 1;
    note("failed", concern, name);
    console.log(`FAILED  ${name}\n        ${String(error?.stack ?? error).split("\n").slice(0, 8).join("\n        ")}`);
    return false;
  }
}

function note(outcome, concern, name) {
  if (file) appendFileSync(file, `${outcome} ${concern}: ${name}\n`);
}

/** The exit code of a concern. */
export function exitCode() {
  return failures === 0 ? 0 : 1;
}

/** Fails with all problems at once. */
export function expectNone(what, problems) {
  if (problems.length > 0) throw new Error(`${what}:\n${problems.slice(0, 30).join("\n")}${problems.length > 30 ? `\n… ${problems.length} in all` : ""}`);
}
