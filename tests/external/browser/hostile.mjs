// Texts that would run, leave or deceive if a page took them for anything but text; and a watch over what they did.

const run = "globalThis.__ran=1";

/** One text per way in. */
export const HOSTILE = [
  `<script>${run}</script>`,
  `<img src=x onerror="${run}">`,
  `"><svg onload=${run}>`,
  `'"--></style></script><script>${run}</script>`,
  `<a href="javascript:${run}">x</a>`,
  `javascript:${run}`,
  "https://evil.example/track.png",
  "//evil.example/x",
  "<iframe src=https://evil.example></iframe>",
  "<link rel=stylesheet href=https://evil.example/x.css><style>@import 'https://evil.example/y.css';*{background:url(https://evil.example/z)}</style>",
  "<form action=https://evil.example><button autofocus onfocus=globalThis.__ran=1>",
  "<meta http-equiv=refresh content='0;url=https://evil.example'>",
  "<base href=https://evil.example/>",
  "{{constructor.constructor('globalThis.__ran=1')()}}${globalThis.__ran=1}",
  "\u001b]8;;javascript:globalThis.__ran=1\u0007click\u001b]8;;\u0007",
  "\u001b]52;c;c3RlYWw=\u0007\u001b[2J\u001b[31m\u009b32m\u001bP1$r\u001b\\",
  "\u202egnp.exe\u2066\u200f hidden\u0000nul\ud800",
  "__proto__",
  "constructor",
  "a".repeat(5000),
  "<".repeat(500),
  `</title></textarea></noscript></template><math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${run}&gt;">`,
];

/** Watches pages: dialogs, scripts that ran, requests to other hosts, violated policies. */
export async function watchForHarm(person) {
  const found = [];
  person.context.on("dialog", (dialog) => {
    found.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  });
  person.context.on("request", (request) => {
    if (!request.url().startsWith(person.url) && !request.url().startsWith("blob:")) found.push(`request to ${request.url()}`);
  });
  person.context.on("page", (page) => found.push(`a window: ${page.url()}`));
  await person.context.exposeBinding("__harm", (_source, text) => found.push(text));
  await person.context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => globalThis.__harm(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    Object.defineProperty(globalThis, "__ran", { set: () => globalThis.__harm("a script ran") });
  });
  return { take: () => found.splice(0) };
}
