// Makes a description of 1Password Connect's API fit for prism: ours, or 1Password's own.
//
//   node connect.mjs TOOLS DESCRIPTION.yaml > cut.json
//
// Kept are the calls in use. What is changed is listed under MENDED, each with its reason.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [, , tools, description] = process.argv;
const yaml = createRequire(`${tools}/node_modules/`)("js-yaml");
const whole = yaml.load(readFileSync(description, "utf8"));

const CALLS = {
  "/heartbeat": ["get"],
  "/health": ["get"],
  "/v1/vaults": ["get"],
  "/v1/vaults/{}/items": ["get", "post"],
  "/v1/vaults/{}/items/{}": ["get", "patch"],
};

// MENDED: prism does not look at the paths of servers, so they go to where the calls are.
const prefix = (servers) => new URL(servers[0].url).pathname.replace(/\/$/, "");
const paths = {};
for (const [path, calls] of Object.entries(whole.paths)) {
  const { servers: own, ...kept } = calls;
  for (const [method, call] of Object.entries(kept)) {
    const at = prefix(call.servers ?? own ?? whole.servers) + path;
    if (method === "parameters") continue;
    if (!CALLS[at.replace(/\{\w+\}/g, "{}")]?.includes(method)) continue;
    delete call.servers;
    // MENDED: prism lets a bad request pass where the description has an answer to it. It must not.
    delete call.responses["400"];
    paths[at] ??= kept.parameters ? { parameters: kept.parameters } : {};
    paths[at][method] = call;
  }
}
for (const [at, methods] of Object.entries(CALLS)) {
  const found = Object.keys(paths).find((path) => path.replace(/\{\w+\}/g, "{}") === at);
  for (const method of methods)
    if (!paths[found]?.[method]) throw new Error(`the description has no ${method} ${at}`);
}
// MENDED: a patch's value is an object by 1Password's schema, and text or a truth value in the examples
// beside it.
const patch = whole.components.schemas.Patch;
if (patch) patch.items.properties.value = {};
const { servers, tags, ...rest } = whole;
// Examples are not checked, and are most of the text.
(function strip(node) {
  if (node === null || typeof node !== "object") return;
  for (const media of Object.values(node.content ?? {})) delete media.examples;
  Object.values(node).forEach(strip);
})(paths);
console.log(JSON.stringify({ ...rest, paths }));
