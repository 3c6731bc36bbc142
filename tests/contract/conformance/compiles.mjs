// Says which schemas of a description prism cannot check: it lets pass, without a word, whatever it
// cannot compile.
//
//   node compiles.mjs DIRECTORY-OF-TOOLS DESCRIPTION.json
import { createRequire } from "node:module";

const [, , tools, file] = process.argv;
const prism = createRequire(`${tools}/node_modules/@stoplight/prism-cli/package.json`);
const http = createRequire(prism.resolve("@stoplight/prism-http"));
const { getHttpOperationsFromSpec } = prism("./dist/operations.js");
const { default: Ajv } = http("ajv");
const { default: addFormats } = http("ajv-formats");

// As prism makes it.
const ajv = new Ajv({
  allErrors: true,
  allowUnionTypes: true,
  allowMatchingProperties: true,
  strict: false,
  logger: { warn() {}, log() {}, error() {} },
});
addFormats(ajv);

let bad = 0;
for (const call of await getHttpOperationsFromSpec(file)) {
  const bodies = [["request", call.request?.body], ...call.responses.map((r) => [r.code, r])];
  for (const [where, body] of bodies) {
    for (const { schema } of body?.contents ?? []) {
      try {
        if (schema) ajv.compile(schema);
      } catch (error) {
        bad += 1;
        console.log(`${call.method} ${call.path} ${where}: ${error.message}`);
      }
    }
  }
}
process.exit(bad === 0 ? 0 : 1);
