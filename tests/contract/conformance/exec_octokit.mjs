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
import { labels, refused, withPlugins } from "./octokit.mjs";

const Octokit = await withPlugins(process.argv[2]);
const told = JSON.parse(readFileSync(0, "utf8"));
const never = () => false;
const octokit = new Octokit({
  auth: process.env.GITHUB_TOKEN,
  userAgent: "octokit check",
  throttle: { onRateLimit: never, onSecondaryRateLimit: never },
});

const { repos, users } = octokit.rest;
const place = { owner: told.owner, repo: told.repo };
const done = await labels(octokit, place);
const [owner, repo] = told.other.split("/");
console.log(
  JSON.stringify({
    ...done,
    refused: [
      await refused(repos.get({ owner, repo })),
      await refused(repos.listWebhooks(place)),
      await refused(users.getAuthenticated()),
      await refused(octokit.graphql("{ viewer { login } }")),
    ],
  }),
);
