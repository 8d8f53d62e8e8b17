// survival_test.mjs: a server that is killed, and one that is given a very large body.
//
//   node survival_test.mjs PROGRAM

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import {runCases, test} from './cases.mjs';
import {startServer} from './serve.mjs';

const program = process.argv[2];
const folders = [];
const newFolder = () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sightline-survival-'));
  folders.push(folder);
  return folder;
};

/// Sends JSON; returns the answer's `result`.
async function call(server, method, route, body) {
  const answer = await fetch(`${server.url}${route}`, {
    method,
    headers: body === undefined ? {} : {'content-type': 'application/json'},
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${route}: ${answer.status} ${text}`);
  return JSON.parse(text).result;
}

test('kill -9 under write load loses no acknowledged point and leaves no half of a write', async () => {
  const data = newFolder();
  const dim = 8;
  const writes = 5; // at a time
  const perWrite = 20;
  const vectorOf = (id) => Array.from({length: dim}, (_, i) => Math.fround(id + i / 16));
  const acknowledged = []; // first ids of writes
  const begun = new Set();
  let next = 0;
  let server = await startServer(program, {data});
  await call(server, 'PUT', '/collections/load', {vectors: {size: dim, distance: 'Dot'}});

  for (let round = 0; round < 3; ++round) {
    let stopped = false;
    const writer = async () => {
      while (!stopped) {
        const first = next;
        next += perWrite;
        begun.add(first);
        const points = Array.from({length: perWrite}, (_, i) => ({
          id: first + i,
          vector: vectorOf(first + i),
          payload: {first},
        }));
        try {
          await call(server, 'PUT', '/collections/load/points?wait=true', {points});
          acknowledged.push(first);
        } catch {
          return; // the server is gone
        }
      }
    };
    const before = acknowledged.length;
    const writers = Array.from({length: writes}, writer);
    while (acknowledged.length < before + 25) await new Promise((go) => setTimeout(go, 5));
    await server.kill();
    stopped = true;
    await Promise.all(writers);

    const start = Date.now();
    server = await startServer(program, {data});
    assert.ok(Date.now() - start < 30_000, 'ready within 30 s of a restart');
    for (const first of acknowledged) {
      const ids = Array.from({length: perWrite}, (_, i) => first + i);
      const points = await call(server, 'POST', '/collections/load/points', {ids, with_vector: true});
      assert.equal(points.length, perWrite, `acknowledged write ${first} in round ${round}`);
      for (const point of points) {
        assert.deepEqual(point.vector, vectorOf(point.id));
        assert.deepEqual(point.payload, {first});
      }
    }
    for (const first of begun) {
      const filter = {must: [{key: 'first', match: {value: first}}]};
      const {count} = await call(server, 'POST', '/collections/load/points/count', {filter});
      assert.ok(count === 0 || count === perWrite, `${count} points of the write ${first}`);
    }
    // What was written is found: a search knows as many points as the storage does.
    const {count} = await call(server, 'POST', '/collections/load/points/count', {});
    const all = {query: vectorOf(1), limit: count + 100};
    const {points} = await call(server, 'POST', '/collections/load/points/query', all);
    assert.equal(points.length, count);
  }
  await server.stop();
});

/// Bytes of VmHWM, the most that the process has ever had resident, or of VmRSS.
const memory = (pid, field) =>
  1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

// The sanitizers' own memory would be measured.
if (!process.env.SIGHTLINE_SANITIZE) {
  test('20,000 points of 512 dimensions in one body grow the process by less than 500 MB', async () => {
    const numPoints = 20_000;
    const dim = 512;
    const server = await startServer(program, {
      data: newFolder(),
      env: {SIGHTLINE_SERVER_MAX_JSON_BYTES: String(256 << 20)},
    });
    await call(server, 'PUT', '/collections/large', {vectors: {size: dim, distance: 'Dot'}});
    await call(server, 'PUT', '/collections/large/points', {points: [{id: 0, vector: Array(dim).fill(0.5)}]});
    let state = 17;
    const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5;
    const parts = [];
    let last;
    for (let id = 1; id <= numPoints; ++id) {
      last = Array.from({length: dim}, () => Math.fround(random()));
      parts.push(`{"id":${id},"vector":${JSON.stringify(last)},"payload":{"n":${id}}}`);
    }
    const body = `{"points":[${parts.join(',')}]}`;
    const before = memory(server.pid, 'VmRSS');
    await call(server, 'PUT', '/collections/large/points?wait=true', body);
    const grown = memory(server.pid, 'VmHWM') - before;
    console.log(
      `       a body of ${(body.length / 1e6).toFixed(0)} MB: grown by ${(grown / 1e6).toFixed(0)} MB at most, ` +
        `${((memory(server.pid, 'VmRSS') - before) / 1e6).toFixed(0)} MB afterwards`,
    );
    const {count} = await call(server, 'POST', '/collections/large/points/count', {});
    assert.equal(count, numPoints + 1);
    const [point] = await call(server, 'POST', '/collections/large/points', {ids: [numPoints], with_vector: true});
    assert.deepEqual(point.vector.map(Math.fround), last);
    assert.ok(grown < 500e6, `grown by ${grown} bytes`);
    await server.stop();
  });
}

process.exit(
  await runCases('survival_test', {
    after: async () => {
      for (const folder of folders) fs.rmSync(folder, {recursive: true, force: true});
    },
  }),
);
