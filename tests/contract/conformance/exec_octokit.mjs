// What @octokit/rest, with its plugins for retrying and throttling, does under `tokenctl exec`, with no address and no
// `fetch` but its own. Its Node must be one whose `fetch` minds HTTPS_PROXY, which is 24 or later.
//
//   node exec_octokit.mjs DIRECTORY-OF-TOOLS
//
// The token is in GITHUB_TOKEN.
// In: {"owner", "repo", "other" (a repository outside the lease, as OWNER/NAME)}.
// Out: {"labels" (names, of all pages), "made", "found" (a label whose name holds a slash), "refused" (what it was told
// of the other repository, of a permission outside the lease, of `GET /user` and of GraphQL)}.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const tools = process.argv[2];
const load = (path) => import(pathToFileURL(`${tools}/node_modules/${path}`).href);
const { Octokit } = await load("@octokit/rest/dist-src/index.js");
const { retry } = await load("@octokit/plugin-retry/dist-bundle/index.js");
const { throttling } = await load("@octokit/plugin-throttling/dist-bundle/index.js");

const told = JSON.parse(readFileSync(0, "utf8"));
const never = () => false;
const octokit = new (Octokit.plugin(retry, throttling))({
  auth: process.env.GITHUB_TOKEN,
  userAgent: "octokit check",
  throttle: { onRateLimit: never, onSecondaryRateLimit: never },
});

const { issues, repos, users } = octokit.rest;
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
const [owner, repo] = told.other.split("/");
console.log(
  JSON.stringify({
    labels: labels.map((label) => label.name),
    made: made.status,
    found: found.data.name,
    refused: [
      await refused(repos.get({ owner, repo })),
      await refused(repos.listWebhooks(place)),
      await refused(users.getAuthenticated()),
      await refused(octokit.graphql("{ viewer { login } }")),
    ],
  }),
);
