// qdrant_harness.mjs: the server, the official client and what the cases of qdrant_client_test.mjs share.

import assert from 'node:assert/strict';

import {QdrantClient} from '@qdrant/js-client-rest';

import {checkAnswers} from './answer_schemas.mjs';
import {startServer} from './serve.mjs';

const program = process.argv[2];
export const kMaxId = 18446744073709551615n;
export const kUuid = '5c56c793-69f3-4fbf-87e6-c4bf54c28c26';
export const called = new Set();
export let server, client, answers;

/// The client, noting down which methods are called.
function watched(qdrant) {
  return new Proxy(qdrant, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args) => {
        called.add(name);
        return value.apply(target, args);
      };
    },
  });
}

/// Asserts that `promise` fails with `status` and a message that holds `text`.
export async function fails(promise, status, text = '') {
  const error = await promise.then(
    (answer) => assert.fail(`expected ${status}, got ${stringify(answer)}`),
    (reason) => reason,
  );
  assert.equal(error.status, status, error.stack);
  const message = error.data?.status?.error;
  assert.equal(typeof message, 'string', `no message: ${stringify(error.data)}`);
  assert.ok(message.includes(text), `${message} lacks ${text}`);
  return error;
}
export const stringify = (value) =>
  JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}n` : one));
export const ids = (points) => points.map((point) => point.id);
export const near = (a, b, tolerance = 1e-5) =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} is not near ${b}`);
/// What is not in the client: plain HTTP.
export const http = (method, path, body) =>
  fetch(`${server.url}${path}`, {
    method,
    headers: body === undefined ? {} : {'content-type': 'application/json'},
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
  });

export const cities = ['Berlin', 'London', 'Moscow', 'Rome'];
/// A collection `name` of ten points of 4 dimensions with city, number, price, tags and date.
export async function tenPoints(name, {distance = 'Cosine', indexed = true} = {}) {
  await client.recreateCollection(name, {vectors: {size: 4, distance}});
  const points = Array.from({length: 10}, (_, i) => ({
    id: i + 1,
    vector: [Math.cos(i / 5), Math.sin(i / 5), 0.1, i % 2],
    payload: {
      city: cities[i % 4],
      number: i,
      price: 10.5 - i,
      tags: i % 2 ? ['odd', 'all'] : ['all'],
      day: `2024-01-${String(i + 1).padStart(2, '0')}T00:00:00Z`,
      flag: i < 3,
    },
  }));
  await client.upsert(name, {points});
  if (indexed) {
    for (const [field_name, field_schema] of [
      ['city', 'keyword'],
      ['number', 'integer'],
      ['price', 'float'],
      ['day', 'datetime'],
      ['flag', 'bool'],
    ])
      await client.createPayloadIndex(name, {field_name, field_schema, wait: true});
  }
  return points;
}

/// Cosines of the ten points to `query`, as {id: score}.
export function cosines(points, query) {
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  return new Map(
    points.map(({id, vector}) => [
      id,
      dot(vector, query) / Math.sqrt(dot(vector, vector) * dot(query, query)),
    ]),
  );
}

export async function start() {
  server = await startServer(program);
  answers = checkAnswers(server.url);
  client = watched(new QdrantClient({url: server.url}));
}

export const stop = () => server?.stop();
