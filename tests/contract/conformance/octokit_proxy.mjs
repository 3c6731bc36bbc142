// What @octokit/rest, with its plugins for retrying and throttling, does over the socket of the proxy.
//
//   node octokit_proxy.mjs DIRECTORY-OF-TOOLS
//
// In: {"socket", "api", "token", "owner", "repo", "other" (a repository outside the lease), "wait_unit" (how many
// milliseconds it waits for a second)}.
// Out: {"labels" (names, of all pages), "made", "found" (a label whose name holds a slash), "refused" (what it was told
// of the other repository and of GraphQL), "waits" (each limit it ran into, and the seconds it was told to wait)}.
import { readFileSync } from "node:fs";
import { labels, load, refused, withPlugins } from "./octokit.mjs";

const tools = process.argv[2];
const Octokit = await withPlugins(tools);
const { Agent, fetch } = (await load(tools, "undici/index.js")).default;

const told = JSON.parse(readFileSync(0, "utf8"));
const dispatcher = new Agent({ connect: { socketPath: told.socket } });
const waits = [];
const waitOnce = (limit) => (seconds, _options, _octokit, before) => {
  waits.push({ limit, seconds });
  return before < 1;
};
const octokit = new Octokit({
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

const done = await labels(octokit, { owner: told.owner, repo: told.repo });
const elsewhere = { owner: told.owner, repo: told.other };
console.log(
  JSON.stringify({
    ...done,
    refused: [
      await refused(octokit.rest.issues.listLabelsForRepo(elsewhere)),
      await refused(octokit.graphql("{ viewer { email } }")),
    ],
    waits,
  }),
);
await dispatcher.close();
