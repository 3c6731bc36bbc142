// What @octokit/auth-app gets for an App: finds the installation of a repository and mints.
//
//   node auth_app.mjs DIRECTORY-OF-TOOLS
//
// In: {"api", "client_id", "private_key", "owner", "repositories" (names), "permissions"}.
// Out: {"installation", "token", "permissions", "repositories", "expires_at", "reads"}, the last the
// status of a read with the token.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const tools = process.argv[2];
// They are modules without an entry for `require`.
const load = (name) =>
  import(pathToFileURL(`${tools}/node_modules/@octokit/${name}/${ENTRY[name]}`).href);
const ENTRY = { "auth-app": "dist-node/index.js", request: "dist-bundle/index.js" };
const { createAppAuth } = await load("auth-app");
const { request } = await load("request");

const told = JSON.parse(readFileSync(0, "utf8"));
const api = request.defaults({ baseUrl: told.api, headers: { "user-agent": "auth-app check" } });
const auth = createAppAuth({
  appId: told.client_id,
  privateKey: told.private_key,
  request: api,
});
const { token: jwt } = await auth({ type: "app" });
const place = { owner: told.owner, repo: told.repositories[0] };
const { data: installation } = await api("GET /repos/{owner}/{repo}/installation", {
  ...place,
  headers: { authorization: `bearer ${jwt}` },
});
const minted = await auth({
  type: "installation",
  installationId: installation.id,
  repositoryNames: told.repositories,
  permissions: told.permissions,
});
const headers = { authorization: `token ${minted.token}` };
const { data: reached } = await api("GET /installation/repositories", { headers });
const read = await api("GET /repos/{owner}/{repo}/contents/{path}", {
  ...place,
  path: "README.md",
  headers,
});
console.log(
  JSON.stringify({
    installation: installation.id,
    token: minted.token,
    permissions: minted.permissions,
    repositories: reached.repositories.map((one) => one.full_name),
    expires_at: minted.expiresAt,
    reads: read.status,
  }),
);
