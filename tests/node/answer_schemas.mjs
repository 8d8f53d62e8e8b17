// answer_schemas.mjs: are the answers of a server of the shapes that Qdrant's description gives them?

import {readFileSync} from 'node:fs';

const {answers, schemas} = JSON.parse(
  readFileSync(new URL('../data/qdrant/answers.json', import.meta.url)),
);

const types = {
  string: (value) => typeof value === 'string',
  boolean: (value) => typeof value === 'boolean',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isInteger(value),
  array: Array.isArray,
  object: (value) => value !== null && typeof value === 'object' && !Array.isArray(value),
};

/// What is wrong with `value`, or nothing. Members that a schema does not name are allowed.
export function problem(schema, value, path = '') {
  if (schema.nullable && value === null) return undefined;
  if (schema.nullable && Object.keys(schema).length === 1) return `${path}: ${JSON.stringify(value)} is not null`;
  if (schema.$ref) return problem(schemas[schema.$ref.split('/').at(-1)], value, path);
  for (const one of schema.allOf ?? []) {
    const wrong = problem(one, value, path);
    if (wrong) return wrong;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) {
    const wrong = choices.map((one) => problem(one, value, path));
    if (!wrong.includes(undefined)) return `${path}: of no form: ${wrong.join('; ')}`;
  }
  if (schema.enum && !schema.enum.includes(value)) return `${path}: ${value} is not of ${schema.enum}`;
  if (schema.type && !types[schema.type](value)) return `${path}: ${JSON.stringify(value)} is no ${schema.type}`;
  if (schema.minimum !== undefined && value < schema.minimum) return `${path}: ${value} is too small`;
  if (Array.isArray(value) && schema.items) {
    for (const [i, one] of value.entries()) {
      const wrong = problem(schema.items, one, `${path}[${i}]`);
      if (wrong) return wrong;
    }
  }
  if (!types.object(value)) return undefined;
  for (const name of schema.required ?? []) {
    if (!(name in value)) return `${path}.${name} is missing`;
  }
  const others = types.object(schema.additionalProperties) ? schema.additionalProperties : undefined;
  for (const [name, one] of Object.entries(value)) {
    const known = schema.properties?.[name] ?? others;
    const wrong = known && problem(known, one, `${path}.${name}`);
    if (wrong) return wrong;
  }
  return undefined;
}

const operations = Object.entries(answers).map(([name, schema]) => {
  const [method, path] = name.split(' ');
  const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
  return {name, method, pattern, schema, numNames: path.split('{').length};
});
operations.sort((a, b) => a.numNames - b.numNames); // "/collections/aliases" before "/collections/{name}"

/// Checks from now on what `fetch` gets from the server at `url`. Returns what was found so far:
/// `wrong`, a line per answer of another shape, and `unseen()`, operations that nothing asked for.
export function checkAnswers(url) {
  const seen = new Set();
  const wrong = [];
  const plainFetch = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const response = await plainFetch(input, init);
    const asked = new URL(input instanceof Request ? input.url : input);
    const method = init?.method ?? (input instanceof Request ? input.method : 'GET');
    const operation = operations.find(
      (one) => one.method === method && one.pattern.test(asked.pathname),
    );
    if (operation && response.status === 200 && asked.href.startsWith(url)) {
      seen.add(operation.name);
      const what = problem(operation.schema, await response.clone().json());
      if (what) wrong.push(`${operation.name} ${what}`);
    }
    return response;
  };
  return {
    wrong,
    unseen: () => operations.map((one) => one.name).filter((name) => !seen.has(name)),
  };
}
