// Asks the server of this page, and nobody else.

export class ApiError extends Error {
  constructor(message, status, retryAfterMs) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

const WORDS = { 400: "the server did not understand the question", 401: "signed out: reload to sign in", 403: "not allowed", 404: "this trace is not there any more, or not for you: reload the page", 429: "too many questions at once" };

export class Api {
  #life = new AbortController();

  /** `base` is the trace's path; a share link's token goes along with every question. */
  constructor(base, share) {
    this.base = base;
    this.share = share;
    // What to add to this clock to have the server's.
    this.skew = 0;
  }

  url(path, parameters = {}) {
    const url = new URL(`${this.base}/${path}`, location.origin);
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
    if (this.share) url.searchParams.set("share", this.share);
    return url;
  }

  async ask(path, parameters, { accept = "application/json", signal } = {}) {
    let response;
    try {
      response = await fetch(this.url(path, parameters), { headers: { accept }, credentials: "same-origin", redirect: "error", cache: "no-store", signal: signal ? AbortSignal.any([signal, this.#life.signal]) : this.#life.signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("the server cannot be reached", 0);
    }
    const date = Date.parse(response.headers.get("date") ?? "");
    if (!Number.isNaN(date) && Math.abs(date - Date.now()) > 2000) this.skew = date - Date.now();
    if (!response.ok) {
      const seconds = Number(response.headers.get("retry-after"));
      throw new ApiError(WORDS[response.status] ?? `the server answered ${response.status}`, response.status, seconds > 0 ? seconds * 1000 : undefined);
    }
    return response;
  }

  async json(path, parameters, options) {
    return whole(await this.ask(path, parameters, options), (response) => response.json());
  }

  async bytes(path, parameters, options) {
    return whole(await this.ask(path, parameters, { ...options, accept: "application/octet-stream" }), (response) => response.arrayBuffer());
  }

  /** A part of a file, and where the next one begins. */
  async part(path, parameters, options) {
    const response = await this.ask(path, parameters, { ...options, accept: "application/x-ndjson" });
    return { blob: await whole(response, () => response.blob()), next: response.headers.get("x-next") };
  }

  /** Asks nothing any more. */
  stop() {
    this.#life.abort();
  }

  /** The server's time, epoch milliseconds. */
  now() {
    return Date.now() + this.skew;
  }
}

// An answer can break off after its first line.
async function whole(response, read) {
  try {
    return await read(response);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("the answer broke off", 0);
  }
}
