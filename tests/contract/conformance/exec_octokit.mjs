// What @octokit/rest, with its plugins for retrying and throttling, does under `tokenctl exec`, with no address and no
// `fetch` but its own. Its Node must be one whose `fetch` minds HTTPS_PROXY, which is 24 or later.
//
//   node exec_octokit.mjs DIRECTORY-OF-TOOLS
//
// The token is in GITHUB_TOKEN.
// In: {"owner", "repo", "other" (a repository outside the lease, as OWNER/NAME), "other_issue" (the id of an issue in it)}.
// Out: {"labels" (names, of all pages), "made", "found" (a label whose name holds a slash), "issues" (titles of the open
// ones), "commented" (where it is to be read), "refused" (what it was told of the other repository, of a permission
// outside the lease, of `GET /user`, and in GraphQL of an account's address, of the other repository and of its issue)}.
import { readFileSync } from "node:fs";
import { labels, refused, withPlugins } from "./octokit.mjs";

const Octokit = await withPlugins(process.argv[2]);
const told = JSON.parse(readFileSync(0, "utf8"));

const ISSUES = `query($owner: String!, $repo: String!) {
  repository(owner: $owner, name: $repo) { issues(first: 100, states: OPEN) { nodes { id title } } }
}`;
const COMMENT = `mutation($issue: ID!, $body: String!) {
  addComment(input: {subjectId: $issue, body: $body}) { commentEdge { node { url } } }
}`;

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
const { nodes } = (await octokit.graphql(ISSUES, place)).repository.issues;
const comment = (issue) => octokit.graphql(COMMENT, { issue, body: "So it is" });
const { node } = (await comment(nodes[0].id)).addComment.commentEdge;
console.log(
  JSON.stringify({
    ...done,
    issues: nodes.map((issue) => issue.title),
    commented: node.url,
    refused: [
      await refused(repos.get({ owner, repo })),
      await refused(repos.listWebhooks(place)),
      await refused(users.getAuthenticated()),
      await refused(octokit.graphql("{ viewer { email } }")),
      await refused(octokit.graphql(ISSUES, { owner, repo })),
      await refused(comment(told.other_issue)),
    ],
  }),
);
