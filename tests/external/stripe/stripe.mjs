// Payments against Stripe's own client: the same wishes have to look the same on the wire, and what it signs has to be accepted.

import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { createServer } from "node:http";

import Stripe from "stripe";

import { Quillon } from "../lib/quillon.mjs";
import { exitCode, test } from "../lib/report.mjs";

const KEY = "sk_test_external";
const SECRET = "whsec_external";
const PRICE = "price_team";
const VERSION = "2025-03-31.basil";

/** What stands in for Stripe answers: just enough to go on. */
const ANSWERS = {
  "POST /v1/customers": { id: "cus_1", object: "customer" },
  "GET /v1/subscriptions": { object: "list", url: "/v1/subscriptions", has_more: false, data: [] },
  "POST /v1/checkout/sessions": { id: "cs_1", object: "checkout.session", url: "https://checkout.stripe.example/c/pay/cs_1" },
  "POST /v1/billing_portal/sessions": { id: "bps_1", object: "billing_portal.session", url: "https://billing.stripe.example/p/session/bps_1" },
  [`GET /v1/prices/${PRICE}`]: { id: PRICE, object: "price", currency: "usd", product: "prod_1", unit_amount: 5000, recurring: { interval: "month" } },
};

const day = 86_400;
const now = () => Math.floor(Date.now() / 1000);
const subscription = () => ({
  id: "sub_1", object: "subscription", customer: "cus_1", status: "trialing", created: now(),
  trial_start: now(), trial_end: now() + 14 * day, canceled_at: null, ended_at: null,
  items: { object: "list", data: [{ id: "si_1", current_period_start: now(), current_period_end: now() + 14 * day }] },
});

/** The requests so far, as far as their meaning goes. */
let requests = [];
const server = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (text) => { body += text; });
  request.on("end", () => {
    const { pathname, search } = new URL(request.url, "http://stripe");
    const what = `${request.method} ${pathname}`;
    requests.push({
      what,
      fields: [...new URLSearchParams(request.method === "GET" ? search : body)].sort(),
      version: request.headers["stripe-version"],
      type: request.method === "POST" ? request.headers["content-type"] : undefined,
      key: request.headers.authorization,
      idempotent: "idempotency-key" in request.headers,
    });
    const answer = ANSWERS[what];
    response.writeHead(answer ? 200 : 404, { "content-type": "application/json", "request-id": "req_1" });
    response.end(JSON.stringify(answer ?? { error: { type: "invalid_request_error" } }));
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address();

const taken = () => requests.splice(0);

const quillon = await Quillon.start("up", {
  args: ["--agents", "0"],
  environment: {
    QUILLON_BILLING: "stripe",
    QUILLON_STRIPE_SECRET_KEY: KEY,
    QUILLON_STRIPE_WEBHOOK_SECRET: SECRET,
    QUILLON_STRIPE_PRICE_TEAM: PRICE,
    QUILLON_STRIPE_API_URL: `http://127.0.0.1:${port}`,
  },
});
const client = new Stripe(KEY, { host: "127.0.0.1", port, protocol: "http", apiVersion: VERSION, maxNetworkRetries: 1, telemetry: false });

const operator = (method, path, body) => fetch(`${quillon.url}/operator/v1/${path}`, {
  method, headers: { authorization: `Bearer ${quillon.contact.operator_key}`, "content-type": "application/json" }, body: JSON.stringify(body),
});

/** The operator's session, and the token of its forms. */
async function signIn() {
  const link = quillon.output.match(/https?:\S+\/operator\/sign-in\?key=\S+/)[0];
  const response = await fetch(link, { redirect: "manual" });
  const cookie = response.headers.getSetCookie().map((value) => value.split(";")[0]).join("; ");
  const page = await (await fetch(`${quillon.url}/acme/settings?tab=Plan`, { headers: { cookie } })).text();
  const csrf = page.match(/name="csrf" value="([0-9a-f]+)"/)[1];
  return async (step) => {
    const response = await fetch(`${quillon.url}/acme/billing/${step}`, { method: "POST", headers: { cookie }, body: new URLSearchParams({ csrf }) });
    return { status: response.status, page: await response.text() };
  };
}

const deliver = (body, signature) => fetch(`${quillon.url}/billing/webhook`, {
  method: "POST", headers: { "content-type": "application/json", "stripe-signature": signature }, body,
});

try {
  const org = await (await operator("POST", "orgs", { name: "acme" })).json();
  const post = await signIn();
  const address = (path) => `${quillon.url}/acme/${path}`;

  await test("stripe", "a checkout is asked for as Stripe's own client asks for one", async () => {
    taken();
    const { status, page } = await post("checkout");
    equal(status, 200, page);
    match(page, /https:\/\/checkout\.stripe\.example\/c\/pay\/cs_1/);
    const ours = taken();
    await client.customers.create({ name: "acme", description: "an org of Quillon", metadata: { org: org.id } });
    await client.subscriptions.list({ customer: "cus_1", status: "all", limit: 100 });
    await client.checkout.sessions.create({
      mode: "subscription",
      customer: "cus_1",
      client_reference_id: org.id,
      line_items: [{ price: PRICE, quantity: 1 }],
      payment_method_collection: "always",
      subscription_data: { metadata: { org: org.id }, trial_period_days: 14, trial_settings: { end_behavior: { missing_payment_method: "cancel" } } },
      success_url: address("billing/back?from=checkout"),
      cancel_url: address("settings?tab=Plan&checkout=left"),
    });
    deepStrictEqual(ours, taken());
  });

  await test("stripe", "the portal is asked for as Stripe's own client asks for it", async () => {
    const { status, page } = await post("portal");
    equal(status, 200, page);
    match(page, /https:\/\/billing\.stripe\.example\/p\/session\/bps_1/);
    const ours = taken();
    await client.billingPortal.sessions.create({ customer: "cus_1", return_url: address("billing/back") });
    // Every visit gets a page of its own: unlike the client we send no key.
    deepStrictEqual(ours, taken().map((request) => ({ ...request, idempotent: false })));
  });

  await test("stripe", "a price is read as Stripe's own client reads one", async () => {
    const { plans } = await (await fetch(`${quillon.url}/plans`)).json();
    deepStrictEqual(plans.map(({ item, price }) => [item.external_name, price[0].price]), [["Individual", 0], ["Team", 5000]]);
    const ours = taken();
    await client.prices.retrieve(PRICE);
    deepStrictEqual(ours, taken());
  });

  const event = (type) => JSON.stringify({ id: "evt_1", object: "event", api_version: VERSION, created: now(), type, data: { object: subscription() } });
  const signed = (payload, more = {}) => client.webhooks.generateTestHeaderString({ payload, secret: SECRET, ...more });

  await test("stripe", "a webhook that Stripe's own library signs is taken in", async () => {
    ANSWERS["GET /v1/subscriptions"].data = [subscription()];
    const body = event("customer.subscription.created");
    const response = await deliver(body, signed(body));
    equal(response.status, 200, await response.text());
    const info = await quillon.graphql("query($name: String!) { org(name: $name) { subscription { status planID } } }", { name: "acme" });
    equal(info.org.subscription.status, "trialing");
  });

  await test("stripe", "one that it would not verify is refused", async () => {
    const body = event("customer.subscription.created");
    const refused = {
      "of another secret": [body, signed(body, { secret: "whsec_other" })],
      "of another body": [`${body} `, signed(body)],
      "recorded": [body, signed(body, { timestamp: now() - 301 })],
      "of another scheme": [body, signed(body, { scheme: "v0" })],
      "without a signature": [body, `t=${now()}`],
    };
    for (const [what, [sent, signature]] of Object.entries(refused)) {
      const { status } = await deliver(sent, signature);
      ok(status === 400 || status === 401, `${what}: ${status}`);
      try {
        client.webhooks.constructEvent(sent, signature, SECRET);
      } catch {
        continue;
      }
      throw new Error(`${what}: Stripe's own library verifies it`);
    }
    const { status } = await deliver(body, signed(body, { timestamp: now() - 290 }));
    equal(status, 200, "the tolerance is that of Stripe's own library");
    client.webhooks.constructEvent(body, signed(body, { timestamp: now() - 290 }), SECRET);
  });
} finally {
  await quillon.stop();
  server.close();
}
process.exit(exitCode());
