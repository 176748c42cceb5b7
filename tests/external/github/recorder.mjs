// A proxy that keeps what goes through it: our requests to GitHub's API, with their answers.

import { createServer } from "node:http";

/** Starts a proxy before `target`; gives its address and the exchanges so far. */
export async function record(target) {
  const exchanges = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const sent = Buffer.concat(chunks);
    const { host, connection, "content-length": length, ...headers } = request.headers;
    const upstream = await fetch(target + request.url, { method: request.method, headers, body: sent.length > 0 ? sent : undefined, redirect: "manual" }).catch(() => null);
    if (!upstream) return response.writeHead(502).end();
    const received = Buffer.from(await upstream.arrayBuffer());
    const url = new URL(request.url, target);
    exchanges.push({
      method: request.method,
      path: decodeURIComponent(url.pathname.replace(/^\/api\/v3/, "")),
      query: url.searchParams,
      headers: request.headers,
      body: sent.length > 0 ? JSON.parse(sent.toString()) : undefined,
      status: upstream.status,
      answer: received.length > 0 && /json/.test(upstream.headers.get("content-type") ?? "") ? JSON.parse(received.toString()) : undefined,
    });
    const answered = Object.fromEntries([...upstream.headers].filter(([name]) => !["content-length", "transfer-encoding", "connection", "content-encoding"].includes(name)));
    response.writeHead(upstream.status, answered).end(received);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, exchanges, close: () => server.close() };
}
