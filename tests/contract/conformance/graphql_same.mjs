// Whether documents mean the same, by GraphQL's reference implementation. In: [{"came", "sent"}], each with one
// operation. Out: those that do not, as that implementation reads them: fragments put in place, strings as their
// values. A query's `followRenames` is the broker's own.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { parse, print, visit, Kind } = createRequire(`${process.argv[2]}/node_modules/`)("graphql");

const read = (text) => {
  const document = parse(text, { noLocation: true });
  const fragments = new Map();
  for (const one of document.definitions) {
    if (one.kind === Kind.FRAGMENT_DEFINITION) fragments.set(one.name.value, one);
  }
  const whole = (node) =>
    visit(node, {
      FragmentSpread: ({ name, directives }) => {
        const { typeCondition, selectionSet } = fragments.get(name.value);
        return { kind: Kind.INLINE_FRAGMENT, typeCondition, directives, selectionSet: whole(selectionSet) };
      },
      StringValue: ({ kind, value }) => ({ kind, value, block: false }),
      Field: (field) =>
        field.name.value === "repository"
          ? { ...field, arguments: field.arguments.filter(({ name }) => name.value !== "followRenames") }
          : undefined,
    });
  const used = new Set();
  const operation = whole(document.definitions.find((one) => one.kind === Kind.OPERATION_DEFINITION));
  visit(operation.selectionSet, { Variable: ({ name }) => void used.add(name.value) });
  const variableDefinitions = operation.variableDefinitions.filter(({ variable }) => used.has(variable.name.value));
  return print({ ...operation, variableDefinitions });
};

const pairs = JSON.parse(readFileSync(0, "utf8"));
const read_both = pairs.map(({ came, sent }) => ({ came: read(came), sent: read(sent) }));
console.log(JSON.stringify(read_both.filter(({ came, sent }) => came !== sent)));
