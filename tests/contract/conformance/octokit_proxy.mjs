// What @octokit/rest, with its plugins for retrying and throttling, does over the socket of the proxy.
//
//   node octokit_proxy.mjs DIRECTORY-OF-TOOLS
//
// In: {"socket", "api", "token", "owner", "repo", "other" (a repository outside the lease), "wait_unit" (how many
// milliseconds it waits for a second)}.
// Out: {"labels" (names, of all pages), "made", "found" (a label whose name holds a slash), "refused" (what it was told
// of the other repository and of GraphQL), "waits" (each limit it ran into, and the seconds it was told to wait)}.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const tools = process.argv[2];
const load = (path) => import(pathToFileURL(`${tools}/node_modules/${path}`).href);
const { Octokit } = await load("@octokit/rest/dist-src/index.js");
const { retry } = await load("@octokit/plugin-retry/dist-bundle/index.js");
const { throttling } = await load("@octokit/plugin-throttling/dist-bundle/index.js");
const { Agent, fetch } = (await load("undici/index.js")).default;

const told = JSON.parse(readFileSync(0, "utf8"));
const dispatcher = new Agent({ connect: { socketPath: told.socket } });
const waits = [];
const waitOnce = (limit) => (seconds, _options, _octokit, before) => {
  waits.push({ limit, seconds });
  return before < 1;
};
const octokit = new (Octokit.plugin(retry, throttling))({
  auth: told.token,
  baseUrl: told.api,
  userAgent: "octokit check",
  request: {
    // Links to further pages begin with https, as GitHub's do; over the socket it is plain HTTP.
    fetch: (url, options) => fetch(url.replace(/^https:/, "http:"), { ...options, dispatcher }),
  },
  throttle: {
    onRateLimit: waitOnce("primary"),
    onSecondaryRateLimit: waitOnce("secondary"),
    retryAfterBaseValue: told.wait_unit,
  },
});

const { issues } = octokit.rest;
const place = { owner: told.owner, repo: told.repo };
const labels = await octokit.paginate(issues.listLabelsForRepo, { ...place, per_page: 10 });
const name = "type/bug";
const made = await issues.createLabel({ ...place, name, color: "ff0000" });
const found = await issues.getLabel({ ...place, name });

const refused = async (asked) => {
  try {
    await asked;
    return null;
  } catch (error) {
    const headers = error.response?.headers ?? error.headers;
    return { status: error.status, message: error.message, code: headers["tokend-error"] };
  }
};
const elsewhere = { owner: told.owner, repo: told.other };
console.log(
  JSON.stringify({
    labels: labels.map((label) => label.name),
    made: made.status,
    found: found.data.name,
    refused: [
      await refused(issues.listLabelsForRepo(elsewhere)),
      await refused(octokit.graphql("{ viewer { login } }")),
    ],
    waits,
  }),
);
await dispatcher.close();
