// GitHub's OpenAPI description: which operation a request is, and what is wrong with it or with its answer.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import addFormats from "ajv-formats";
import Ajv from "ajv";

const require = createRequire(import.meta.url);
const pointer = (...parts) => parts.map((part) => String(part).replaceAll("~", "~0").replaceAll("/", "~1")).join("/");

/** OpenAPI 3.0 says `nullable` beside anything, the validator takes it beside `type` only. */
function spellOutNull(value) {
  if (Array.isArray(value)) return value.map(spellOutNull);
  if (value === null || typeof value !== "object") return value;
  const { nullable, ...rest } = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, name === "example" || name === "examples" ? null : spellOutNull(inner)]));
  if (nullable !== true) return typeof nullable === "boolean" || nullable === undefined ? rest : { nullable, ...rest };
  return { anyOf: [rest, { type: "null" }] };
}

/** GitHub's description of its REST API. */
export class Description {
  #document;
  #ajv;
  #routes;

  constructor() {
    this.#document = spellOutNull(JSON.parse(readFileSync(require.resolve("@octokit/openapi/generated/api.github.com.json"), "utf8")));
    this.#ajv = new Ajv({ strict: false, allErrors: true, validateSchema: false, logger: false });
    addFormats(this.#ajv);
    this.#ajv.addSchema(this.#document, "github");
    this.#routes = Object.keys(this.#document.paths).map((path) => ({ path, pattern: this.#pattern(path) }));
    // The most literal route first: `/a/b` before `/a/{b}`.
    this.#routes.sort((a, b) => a.path.split("{").length - b.path.split("{").length);
  }

  get version() {
    return this.#document.info.version;
  }

  #resolve(value) {
    return value?.$ref ? value.$ref.slice(2).split("/").reduce((at, part) => at[part.replaceAll("~1", "/").replaceAll("~0", "~")], this.#document) : value;
  }

  #parameters(path, operation) {
    return [...(this.#document.paths[path].parameters ?? []), ...(operation?.parameters ?? [])].map((parameter) => this.#resolve(parameter));
  }

  #pattern(path) {
    const several = new Set();
    for (const operation of Object.values(this.#document.paths[path])) {
      for (const parameter of this.#parameters(path, operation)) if (parameter["x-multi-segment"]) several.add(parameter.name);
    }
    const source = path.split(/(\{[^}]+\})/).map((part) => {
      if (!part.startsWith("{")) return part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
      const name = part.slice(1, -1);
      return `(?<${name.replaceAll("-", "_")}>${several.has(name) ? ".+" : "[^/]+"})`;
    });
    return new RegExp(`^${source.join("")}$`);
  }

  /** The operation of a request. `/repositories/{id}/…`, which GitHub serves and describes only by name, is looked up by name. */
  find(method, path) {
    const described = path.replace(/^\/repositories\/\d+/, "/repos/owner/repo");
    for (const { path: route, pattern } of this.#routes) {
      const match = pattern.exec(described);
      const operation = match && this.#document.paths[route][method.toLowerCase()];
      if (operation) return { route, method: method.toLowerCase(), operation, values: { ...match.groups } };
    }
    return null;
  }

  /** What is wrong with a value, by a schema of the description; in words. */
  #problems(reference, value, what) {
    const validate = this.#ajv.getSchema(reference) ?? this.#ajv.compile({ $ref: reference });
    if (validate(value)) return [];
    return validate.errors.map((error) => `${what}${error.instancePath} ${error.message}${error.params?.additionalProperty ? ` (${error.params.additionalProperty})` : ""}`);
  }

  /** What is wrong with a request; nothing when GitHub would take it. */
  requestProblems({ method, path, query, headers, body }) {
    const found = this.find(method, path);
    if (!found) return [`GitHub describes no ${method} ${path}`];
    const problems = [];
    const parameters = this.#parameters(found.route, found.operation);
    const known = new Map(parameters.filter((parameter) => parameter.in === "query").map((parameter) => [parameter.name, parameter]));
    for (const [name, text] of query) {
      const parameter = known.get(name);
      if (!parameter) {
        problems.push(`the parameter \`${name}\` is not described`);
        continue;
      }
      const schema = this.#resolve(parameter.schema);
      const value = ["integer", "number"].includes(schema.type) ? Number(text) : schema.type === "boolean" ? text === "true" : text;
      if (!this.#ajv.validate(schema, value)) problems.push(`the parameter \`${name}\` ${this.#ajv.errorsText()}`);
      if (name === "per_page" && Number(text) > 100) problems.push("`per_page` is over 100");
    }
    for (const parameter of known.values()) if (parameter.required && !query.has(parameter.name)) problems.push(`the parameter \`${parameter.name}\` is missing`);
    const content = this.#resolve(found.operation.requestBody)?.content?.["application/json"];
    if (body !== undefined && !content) problems.push("a body was sent, and none is described");
    if (content && (body !== undefined || found.operation.requestBody.required)) {
      const reference = `github#/${pointer("paths", found.route, found.method, "requestBody", "content", "application/json", "schema")}`;
      problems.push(...this.#problems(reference, body, "body"));
      // The schemas allow more fields than they name; a field without a name has no meaning there.
      const named = this.#resolve(content.schema).properties;
      if (named && body) problems.push(...Object.keys(body).filter((name) => !(name in named)).map((name) => `body/${name} is not described`));
    }
    if (headers) {
      if (!headers["user-agent"]) problems.push("GitHub refuses requests without `User-Agent`");
      if (!/^(application\/vnd\.github|application\/json)/.test(headers.accept ?? "")) problems.push(`\`Accept: ${headers.accept}\` is not GitHub's`);
      if (!/^(Bearer|token) /i.test(headers.authorization ?? "")) problems.push("there is no credential");
      if (body !== undefined && !/^application\/json/.test(headers["content-type"] ?? "")) problems.push("a body without `Content-Type: application/json`");
    }
    return problems;
  }

  /** What is wrong with an answer. */
  answerProblems({ method, path, status, answer }) {
    const found = this.find(method, path);
    const response = found && this.#resolve(found.operation.responses[status]);
    if (!response) return [`${status} is not described`];
    const declared = found.operation.responses[status];
    const reference = declared.$ref
      ? `github${declared.$ref}/${pointer("content", "application/json", "schema")}`
      : `github#/${pointer("paths", found.route, found.method, "responses", status, "content", "application/json", "schema")}`;
    return response.content?.["application/json"] ? this.#problems(reference, answer, "answer") : [];
  }
}
