// What the scripts with @octokit/rest have in common: its plugins, what each does first, and how it is refused.
import { pathToFileURL } from "node:url";

/** Imports a module of the directory of tools. */
export const load = (tools, path) => import(pathToFileURL(`${tools}/node_modules/${path}`).href);

/** Octokit with its plugins for retrying and throttling. */
export async function withPlugins(tools) {
  const { Octokit } = await load(tools, "@octokit/rest/dist-src/index.js");
  const { retry } = await load(tools, "@octokit/plugin-retry/dist-bundle/index.js");
  const { throttling } = await load(tools, "@octokit/plugin-throttling/dist-bundle/index.js");
  return Octokit.plugin(retry, throttling);
}

/** Lists all labels, makes one whose name holds a slash, and gets it. */
export async function labels({ paginate, rest: { issues } }, place) {
  const all = await paginate(issues.listLabelsForRepo, { ...place, per_page: 10 });
  const name = "type/bug";
  const made = await issues.createLabel({ ...place, name, color: "ff0000" });
  const found = await issues.getLabel({ ...place, name });
  return { labels: all.map((label) => label.name), made: made.status, found: found.data.name };
}

/** What the caller is told, or null if it is not refused. */
export async function refused(asked) {
  try {
    await asked;
    return null;
  } catch (error) {
    const headers = error.response?.headers ?? error.headers;
    return { status: error.status, message: error.message, code: headers["tokend-error"] };
  }
}
