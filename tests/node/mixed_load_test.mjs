// mixed_load_test.mjs: mixed requests from 64 connections with a writer alongside: each is answered
// with what belongs to it, every acknowledged write is there at the end, and the process holds no more
// descriptors, threads and memory than after the first rounds.
//
//   node mixed_load_test.mjs PROGRAM
//
// REQUESTS (10,000; fewer with sanitizers), CONNECTIONS (64), ROUNDS (5) and SEED say how much of what.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import {runCases, test} from './cases.mjs';
import {Client, randomFrom} from './mixed_http.mjs';
import {dim, kinds, numPoints, prepare, vectorOf} from './mixed_requests.mjs';
import {startServer} from './serve.mjs';

const program = process.argv[2];
const sanitizer = process.env.SIGHTLINE_SANITIZE ?? '';
const numRequests = Number(process.env.REQUESTS ?? (sanitizer ? 1500 : 10_000));
const numConnections = Number(process.env.CONNECTIONS ?? 64);
const numRounds = Number(process.env.ROUNDS ?? 5);
const seed = Number(process.env.SEED ?? 13);
const firstWritten = numPoints * 1000;
const numWritten = 1000; // ids that the writer takes again and again: data does not grow with time

const pause = (ms) => new Promise((go) => setTimeout(go, ms));
let unique = 0;
let server, expected;
const spent = new Map(kinds.map(({name}) => [name, {requests: 0, slowest: 0}]));
const totals = {sent: 0, answered: 0, hungUp: 0};

/// What the server's process holds.
function holdings() {
  const proc = `/proc/${server.pid}`;
  const targets = [];
  for (const descriptor of fs.readdirSync(`${proc}/fd`)) {
    try {
      targets.push(fs.readlinkSync(`${proc}/fd/${descriptor}`));
    } catch {
      // closed meanwhile
    }
  }
  const status = fs.readFileSync(`${proc}/status`, 'utf8');
  const field = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]);
  return {
    sockets: targets.filter((target) => target.startsWith('socket:')).length,
    removed: targets.filter((target) => target.endsWith(' (deleted)')),
    others: targets.filter((target) => !target.startsWith('socket:')).length,
    threads: field('Threads'),
    megabytes: Math.round((field('VmRSS') * 1024) / 1e6),
  };
}

/// Waits until no more sockets are open than at the start; what is left after 10 s is a leak.
async function quiet(sockets) {
  for (let i = 0; i < 100 && holdings().sockets > sockets; ++i) await pause(100);
  return holdings();
}

/// Writes until told to stop; `written` is what was acknowledged: id -> revision, or null if deleted.
class Writer {
  constructor(client, written) {
    this.client = client;
    this.written = written;
    this.random = randomFrom(seed * 7919);
    this.writes = 0;
    this.stopped = false;
  }
  static payload = (id, revision) => ({fixed: false, written: id, revision});
  static vector = (id, revision) => vectorOf(id + revision * numWritten);

  async run() {
    while (!this.stopped) await this.write();
  }
  async write() {
    const revision = ++this.writes;
    const ids = new Set(
      Array.from({length: 20}, () => firstWritten + Math.floor(this.random() * numWritten)),
    );
    const route = '/collections/points/points';
    if (revision % 5 === 0) {
      await this.client.result('POST', `${route}/delete?wait=true`, {points: [...ids]});
      for (const id of ids) this.written.set(id, null);
      return;
    }
    const points = [...ids].map((id) => ({
      id,
      vector: Writer.vector(id, revision),
      payload: Writer.payload(id, revision),
    }));
    // Every acknowledged write counts, whether or not the client asked to wait for it.
    const wait = revision % 3 !== 0;
    const {status} = await this.client.result('PUT', `${route}?wait=${wait}`, {points});
    assert.equal(status, wait ? 'completed' : 'acknowledged');
    for (const id of ids) this.written.set(id, revision);
  }

  async check() {
    const route = '/collections/points/points';
    const all = [...this.written.keys()];
    for (let first = 0; first < all.length; first += 200) {
      const ids = all.slice(first, first + 200);
      const points = await this.client.result('POST', route, {ids, with_vector: true});
      const found = new Map(points.map((point) => [point.id, point]));
      for (const id of ids) {
        const revision = this.written.get(id);
        const point = found.get(id);
        if (revision === null) {
          assert.equal(point, undefined, `point ${id} was deleted`);
          continue;
        }
        assert.ok(point, `point ${id}, revision ${revision} was acknowledged`);
        assert.deepEqual(point.payload, Writer.payload(id, revision));
        Writer.vector(id, revision).forEach((value, i) =>
          assert.ok(Math.abs(value - point.vector[i]) < 1e-6, `vector of ${id}`),
        );
      }
    }
    // The index knows what the storage knows.
    const live = all.filter((id) => this.written.get(id) !== null);
    const filter = {must: [{key: 'fixed', match: {value: false}}]};
    const {count} = await this.client.result('POST', `${route}/count`, {filter});
    assert.equal(count, live.length);
    for (const id of live.slice(0, 50)) {
      const query = Writer.vector(id, this.written.get(id));
      const {points} = await this.client.result('POST', `${route}/query`, {query, limit: 1});
      assert.equal(points[0].id, id);
    }
    return {kept: live.length, deleted: all.length - live.length};
  }
}

/// One of the connections: requests drawn by weight until `budget` is spent.
async function work(name, budget) {
  const client = new Client(server.url, name);
  const random = randomFrom([...name].reduce((sum, c) => sum * 31 + c.charCodeAt(0), seed));
  const any = (n) => Math.floor(random() * n);
  const weights = kinds.reduce((sum, kind) => sum + kind.weight, 0);
  try {
    while (budget.left > 0) {
      let at = any(weights);
      const kind = kinds.find(({weight}) => (at -= weight) < 0);
      const before = client.sent + client.hungUp;
      const began = Date.now();
      await kind.run({client, random, any, expected, next: () => ++unique}).catch((error) => {
        throw new Error(`"${kind.name}" with seed ${seed}: ${error.stack}`);
      });
      const requests = client.sent + client.hungUp - before;
      budget.left -= requests;
      const sum = spent.get(kind.name);
      sum.requests += requests;
      sum.slowest = Math.max(sum.slowest, Date.now() - began);
    }
  } finally {
    for (const key of Object.keys(totals)) totals[key] += client[key];
    client.close();
  }
}

const rounds = [];
let sockets;
const written = new Map();
let writer;

test(`${numRequests} mixed requests from ${numConnections} connections with a writer alongside get each its own answer`, async () => {
  // A machine that is busy with other things may be slow; nothing is to be lost all the same.
  server = await startServer(program, {env: {SIGHTLINE_SERVER_QUERY_TIMEOUT_MS: '600000'}});
  await pause(5000); // fetch() keeps the connection that asked for /readyz
  sockets = holdings().sockets;
  const prepared = Date.now();
  const client = new Client(server.url, 'prepare');
  expected = await prepare(client);
  client.close();
  console.log(`       prepared in ${((Date.now() - prepared) / 1000).toFixed(1)} s`);

  for (let round = 0; round < numRounds; ++round) {
    const began = Date.now();
    const budget = {left: Math.ceil(numRequests / numRounds)};
    writer = new Writer(new Client(server.url, `writer-${round}`), written);
    writer.writes = round * 1_000_000;
    const writing = writer.run();
    const workers = Array.from({length: numConnections}, (_, i) =>
      work(`client-${round}-${i}`, budget).catch((error) => {
        budget.left = 0;
        throw error;
      }),
    );
    const results = await Promise.allSettled(workers);
    writer.stopped = true;
    await writing;
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    const writes = writer.writes - round * 1_000_000;
    assert.ok(writes > 1, `${writes} writes alongside`);
    writer.client.close();
    const held = await quiet(sockets);
    rounds.push(held);
    console.log(
      `       round ${round + 1}: ${((Date.now() - began) / 1000).toFixed(1)} s, ${writes} writes; then ` +
        `${held.sockets} sockets, ${held.others} other descriptors, ${held.threads} threads, ${held.megabytes} MB`,
    );
  }
  assert.equal(totals.answered, totals.sent);
  assert.ok(totals.sent + totals.hungUp >= numRequests);
  console.log(
    `       ${totals.answered} answers to ${totals.sent} requests, ${totals.hungUp} hung up`,
  );
  for (const [name, {requests, slowest}] of spent)
    console.log(
      `       ${String(requests).padStart(6)} of "${name}", the slowest took ${slowest} ms`,
    );
});

test('every acknowledged write is there', async () => {
  const last = new Client(server.url, 'check');
  writer.client = last;
  const {kept, deleted} = await writer.check();
  last.close();
  console.log(`       ${kept} points kept, ${deleted} deleted`);
  assert.ok(kept > 0 && deleted > 0);
});

test('descriptors, threads and memory stop growing', async () => {
  const held = await quiet(sockets);
  assert.equal(held.sockets, sockets, 'sockets that clients have left');
  assert.deepEqual(held.removed, [], 'files that are removed but held');
  const warm = rounds[1] ?? rounds[0];
  const last = rounds.at(-1);
  assert.equal(last.threads, warm.threads, 'threads');
  // The storage's files come and go with its compactions.
  assert.ok(last.others <= warm.others + 16, `${last.others} descriptors after ${warm.others}`);
  if (!sanitizer) {
    assert.ok(
      last.megabytes <= warm.megabytes + 48,
      `${last.megabytes} MB after ${warm.megabytes}`,
    );
  }
});

test('no upload leaves a file behind, and SIGTERM ends the server', async () => {
  assert.deepEqual(fs.readdirSync(path.join(server.data, 'spool')), []);
  const files = fs.readdirSync(server.data, {recursive: true, withFileTypes: true});
  const uploads = files.filter(
    (file) =>
      file.isFile() && /\/uploads\//.test(`${file.parentPath}/`) && !file.name.endsWith('.lock'),
  );
  assert.equal(
    uploads.length,
    24,
    uploads.map((file) => `${file.parentPath}/${file.name}`).join('\n'),
  );
  const began = Date.now();
  await server.stop(); // throws unless it ends with 0
  assert.ok(Date.now() - began < 10_000, `ended after ${Date.now() - began} ms`);
  console.log(`       ended after ${Date.now() - began} ms`);
});

process.exit(await runCases('mixed_load_test'));
