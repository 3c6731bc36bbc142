// Cuts GitHub's own OpenAPI description down to the calls in use, with what these refer to.
//
//   node cut.mjs DESCRIPTION.json > cut.json
//
// The whole of it is 13 MB, and prism takes a minute to read it. Nothing is changed in what is kept,
// except what is listed below under MENDED, each with its reason.
import { readFileSync } from "node:fs";

const KINDS = ["actions", "dependabot", "codespaces"];

/** Every call of the broker, and of what acts for callers in tests. */
const CALLS = {
  "/": ["get"],
  "/meta": ["get"],
  "/user": ["get"],
  "/rate_limit": ["get"],
  "/app": ["get"],
  "/app/installations": ["get"],
  "/app/installations/{installation_id}": ["get"],
  "/app/installations/{installation_id}/access_tokens": ["post"],
  "/orgs/{org}/installation": ["get"],
  "/users/{username}/installation": ["get"],
  "/repos/{owner}/{repo}/installation": ["get"],
  "/installation/token": ["delete"],
  "/installation/repositories": ["get"],
  "/credentials/revoke": ["post"],
  "/orgs/{org}": ["get"],
  "/orgs/{org}/repos": ["get"],
  "/repos/{owner}/{repo}": ["get"],
  "/repos/{owner}/{repo}/contents/{path}": ["get"],
  "/repos/{owner}/{repo}/git/refs/{ref}": ["delete"],
  "/repos/{owner}/{repo}/issues": ["get", "post"],
  "/repos/{owner}/{repo}/issues/{issue_number}": ["get", "patch"],
  "/repos/{owner}/{repo}/issues/{issue_number}/comments": ["get", "post"],
  "/repos/{owner}/{repo}/labels": ["get", "post"],
  "/repos/{owner}/{repo}/labels/{name}": ["get", "patch", "delete"],
  "/repos/{owner}/{repo}/pulls": ["get"],
  "/repos/{owner}/{repo}/pulls/{pull_number}": ["get"],
  "/repos/{owner}/{repo}/readme": ["get"],
  "/repos/{owner}/{repo}/branches": ["get"],
  "/repos/{owner}/{repo}/commits": ["get"],
  "/repos/{owner}/{repo}/commits/{ref}/statuses": ["get"],
  "/repos/{owner}/{repo}/releases": ["get", "post"],
  "/repos/{owner}/{repo}/releases/{release_id}": ["get", "patch"],
  "/repos/{owner}/{repo}/releases/tags/{tag}": ["get"],
  "/repos/{owner}/{repo}/deployments": ["get"],
  "/repos/{owner}/{repo}/environments": ["get"],
  "/repos/{owner}/{repo}/hooks": ["get"],
  "/repos/{owner}/{repo}/keys": ["get"],
  "/repos/{owner}/{repo}/actions/runs": ["get"],
  "/repos/{owner}/{repo}/actions/runs/{run_id}": ["get"],
  "/repos/{owner}/{repo}/actions/workflows": ["get"],
  "/repos/{owner}/{repo}/actions/workflows/{workflow_id}": ["get"],
  "/repos/{owner}/{repo}/actions/artifacts": ["get"],
  "/repos/{owner}/{repo}/actions/permissions": ["get"],
  "/repos/{owner}/{repo}/code-scanning/alerts": ["get"],
  "/repos/{owner}/{repo}/secret-scanning/alerts": ["get"],
  "/repos/{owner}/{repo}/dependabot/alerts": ["get"],
};
for (const place of [
  ...KINDS.map((kind) => `/repos/{owner}/{repo}/${kind}`),
  ...KINDS.map((kind) => `/orgs/{org}/${kind}`),
  "/repos/{owner}/{repo}/environments/{environment_name}",
]) {
  CALLS[`${place}/secrets`] = ["get"];
  CALLS[`${place}/secrets/public-key`] = ["get"];
  CALLS[`${place}/secrets/{secret_name}`] = ["get", "put", "delete"];
  if (place.startsWith("/orgs/")) CALLS[`${place}/secrets/{secret_name}/repositories`] = ["get"];
}

const whole = JSON.parse(readFileSync(process.argv[2], "utf8"));
const cut = { openapi: whole.openapi, info: whole.info, paths: {}, components: {} };
for (const [path, methods] of Object.entries(CALLS)) {
  const described = whole.paths[path];
  cut.paths[path] = {};
  for (const method of methods) {
    if (!described?.[method]) throw new Error(`the description has no ${method} ${path}`);
    cut.paths[path][method] = described[method];
  }
}

// MENDED: here an account is a user *and* an enterprise; everywhere else it is one of both.
cut.paths["/app/installations"].get.responses["200"].content["application/json"].schema.items = {
  $ref: "#/components/schemas/installation",
};
// MENDED: version 2026-03-10 has no `rate`, as the description itself says beside the call.
const rates = whole.components.schemas["rate-limit-overview"];
rates.required = rates.required.filter((name) => name !== "rate");
// MENDED: by GitHub's documentation (“Troubleshooting the REST API”, “Rate limits for the REST API”)
// these may be the answer to any call, and the description lists them for few. Their bodies are checked.
const ANYWHERE = ["301", "401", "403", "404", "429"];
// MENDED: prism lets a bad request pass where the description has an answer to it. It must not.
const TO_BAD_REQUESTS = ["400", "422"];
const refusal = {
  description: "Anywhere",
  content: { "application/json": { schema: { $ref: "#/components/schemas/basic-error" } } },
};
for (const call of Object.values(cut.paths).flatMap((methods) => Object.values(methods))) {
  for (const status of ANYWHERE) call.responses[status] ??= refusal;
  for (const status of TO_BAD_REQUESTS) delete call.responses[status];
}

const seen = new Set();
function keep(node) {
  if (node === null || typeof node !== "object") return;
  if (typeof node.$ref === "string" && !seen.has(node.$ref)) {
    seen.add(node.$ref);
    const [, , part, name] = node.$ref.split("/");
    const target = whole.components[part][name];
    (cut.components[part] ??= {})[name] = target;
    keep(target);
  }
  Object.values(node).forEach(keep);
}
keep(cut.paths);
// MENDED: "nullable" without a type is a schema that prism cannot compile, and it passes whatever it
// cannot compile, without a word. `compiles.mjs` finds what is left.
(function typed(node) {
  if (node === null || typeof node !== "object") return;
  Object.values(node).forEach(typed);
  const alternatives = node.anyOf ?? node.oneOf;
  if (node.nullable === true && node.type === undefined && alternatives) {
    delete node.nullable;
    alternatives.push({ type: "object", nullable: true, maxProperties: 0 });
  }
})(cut);
// Examples are not checked, and are most of the text.
(function strip(node) {
  if (node === null || typeof node !== "object") return;
  if (node.content || node.in) delete node.examples;
  for (const media of Object.values(node.content ?? {})) delete media.examples;
  Object.values(node).forEach(strip);
})(cut);
console.log(JSON.stringify(cut));
