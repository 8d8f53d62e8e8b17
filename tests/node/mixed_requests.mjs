// mixed_requests.mjs: the kinds of requests of mixed_load_test.mjs. Each knows what must be answered,
// whatever else the server does at the same time.

import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';

import {form, randomFrom} from './mixed_http.mjs';
import {drawing, drawings, png} from './pictures.mjs';

export const dim = 32;
export const numPoints = 2000;
export const numGroups = 40; // point i is of group i % numGroups
const model = 'embedded';
const texts = [
  'a red circle',
  'a blue square',
  'green triangle',
  'yellow stripes',
  'a dog',
  'ring',
];
const pictures = drawings();

/// Unit rows in all directions: the nearest of row i is row i.
export function vectorOf(id) {
  const random = randomFrom(id + 1);
  const row = Array.from({length: dim}, () => random() - 0.5);
  const norm = Math.hypot(...row);
  return row.map((value) => Math.fround(value / norm));
}
export const payloadOf = (id) => ({
  fixed: true,
  n: id,
  group: id % numGroups,
  title: `point number ${id}`,
});
const fixed = {key: 'fixed', match: {value: true}};
const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
const idsOf = (points) => points.map((point) => point.id);
const sorted = (ids) => [...ids].sort((a, b) => a - b);

/// The collections `points` and `pictures`, which nobody changes but for points with `fixed` false.
/// Returns what later requests are compared with.
export async function prepare(client) {
  await client.result('PUT', '/collections/points', {vectors: {size: dim, distance: 'Cosine'}});
  for (const [field, type] of Object.entries({n: 'integer', group: 'integer', fixed: 'bool'}))
    await client.result('PUT', '/collections/points/index?wait=true', {
      field_name: field,
      field_schema: type,
    });
  for (let first = 0; first < numPoints; first += 500) {
    const points = Array.from({length: 500}, (_, i) => ({
      id: first + i,
      vector: vectorOf(first + i),
      payload: payloadOf(first + i),
    }));
    await client.result('PUT', '/collections/points/points?wait=true', {points});
  }
  await client.result('PUT', '/collections/pictures', {vectors: {model}});
  const parts = pictures.map((one, i) => ({name: 'id', value: String(i)}));
  parts.push({
    name: 'payload',
    value: JSON.stringify(pictures.map((one) => ({...one.payload, fixed: true}))),
  });
  for (const one of pictures) parts.push({name: 'image', fileName: one.name, bytes: one.bytes});
  const uploaded = await client.send('POST', '/v1/collections/pictures/images', form(parts));
  assert.equal(uploaded.status, 200, uploaded.what);
  assert.equal(JSON.parse(uploaded.bytes).indexed, pictures.length, uploaded.what);

  const expected = {texts: new Map(), thumbnails: []};
  for (const text of texts) expected.texts.set(text, await askByText(client, text));
  for (let id = 0; id < pictures.length; ++id) {
    const answer = await client.send('GET', `/v1/images/pictures/${id}/thumbnail`);
    assert.equal(answer.headers['content-type'], 'image/jpeg', answer.what);
    expected.thumbnails.push({hash: hash(answer.bytes), etag: answer.headers.etag});
  }
  return expected;
}

const askByText = (client, text) =>
  client
    .result('POST', '/collections/pictures/points/query', {
      query: {text, model},
      filter: {must: [fixed]},
      limit: 3,
    })
    .then((result) => result.points.map(({id, score}) => ({id, score})));

function assertSameHits(found, expected, what) {
  assert.equal(found.length, expected.length, what);
  // A batch of another size may round otherwise.
  found.forEach((hit, i) => assert.ok(Math.abs(hit.score - expected[i].score) < 1e-4, what));
}

/// {name, weight, run({client, random, any, expected, worker, next})}. any(n): a whole number below n.
/// Those with `slow` encode pictures or make collections.
export const kinds = [
  {
    name: 'the nearest of a vector',
    weight: 20,
    async run({client, any}) {
      const id = any(numPoints);
      const body = {query: vectorOf(id), limit: 3, with_payload: true, with_vector: true};
      const close = any(10) === 0;
      const {points} = await client.result('POST', '/collections/points/points/query', body, {
        close,
        chunked: any(4) === 0,
      });
      assert.equal(points.length, 3);
      assert.equal(points[0].id, id);
      assert.deepEqual(points[0].payload, payloadOf(id));
      assert.ok(Math.abs(points[0].score - 1) < 1e-5, `score ${points[0].score}`);
    },
  },
  {
    name: 'the nearest with a filter',
    weight: 10,
    async run({client, any}) {
      const first = any(numPoints - 10);
      const body = {
        query: vectorOf(any(numPoints)),
        filter: {must: [fixed, {key: 'n', range: {gte: first, lt: first + 5}}]},
      };
      const {points} = await client.result('POST', '/collections/points/points/query', body);
      assert.deepEqual(
        sorted(idsOf(points)),
        Array.from({length: 5}, (_, i) => first + i),
      );
    },
  },
  {
    name: 'several searches in one, fusion, groups, recommendations',
    weight: 8,
    async run({client, any}) {
      const a = any(numPoints / 2);
      const b = a + numPoints / 2 - 1;
      const route = '/collections/points/points/query';
      const batch = await client.result('POST', `${route}/batch`, {
        searches: [a, b].map((id) => ({query: vectorOf(id), limit: 2})),
      });
      assert.deepEqual(
        batch.map((one) => one.points[0].id),
        [a, b],
      );
      const fused = await client.result('POST', route, {
        prefetch: [a, b].map((id) => ({query: vectorOf(id), limit: 1})),
        query: {fusion: 'rrf'},
      });
      assert.deepEqual(sorted(idsOf(fused.points)), [a, b]);
      const {groups} = await client.result('POST', `${route}/groups`, {
        query: vectorOf(a),
        filter: {must: [fixed]},
        group_by: 'group',
        group_size: 1,
        limit: 3,
      });
      assert.equal(groups.length, 3);
      assert.equal(groups[0].id, a % numGroups);
      assert.equal(groups[0].hits[0].id, a);
      const {points} = await client.result('POST', route, {
        query: {recommend: {positive: [a], strategy: 'best_score'}},
        filter: {must: [{has_id: [a, b]}]},
      });
      assert.deepEqual(idsOf(points), [b]);
    },
  },
  {
    name: 'scroll',
    weight: 8,
    async run({client, any}) {
      const group = any(numGroups);
      const filter = {must: [fixed, {key: 'group', match: {value: group}}]};
      const route = '/collections/points/points/scroll';
      const first = await client.result('POST', route, {filter, limit: 30});
      const more = {filter, limit: 30, offset: first.next_page_offset};
      const second = await client.result('POST', route, more);
      assert.equal(second.next_page_offset, null);
      assert.deepEqual(
        idsOf([...first.points, ...second.points]),
        Array.from({length: numPoints / numGroups}, (_, i) => group + i * numGroups),
      );
    },
  },
  {
    name: 'count and facet',
    weight: 8,
    async run({client, any}) {
      const below = 1 + any(numPoints);
      const filter = {must: [fixed, {key: 'n', range: {lt: below}}]};
      const route = '/collections/points';
      const {count} = await client.result('POST', `${route}/points/count`, {filter, exact: true});
      assert.equal(count, below);
      const {hits} = await client.result('POST', `${route}/facet`, {
        key: 'group',
        filter: {must: [fixed]},
        limit: numGroups,
        exact: true,
      });
      assert.equal(hits.length, numGroups);
      for (const hit of hits) assert.equal(hit.count, numPoints / numGroups);
    },
  },
  {
    name: 'points by id',
    weight: 12,
    async run({client, any}) {
      const ids = [any(numPoints), any(numPoints), numPoints + 1 + any(1000)];
      const route = '/collections/points/points';
      const points = await client.result('POST', route, {ids, with_vector: true});
      assert.deepEqual(sorted(idsOf(points)), sorted(new Set(ids.slice(0, 2))));
      for (const point of points) {
        assert.deepEqual(point.payload, payloadOf(point.id));
        vectorOf(point.id).forEach((value, i) =>
          assert.ok(Math.abs(value - point.vector[i]) < 1e-6),
        );
      }
      const one = await client.result('GET', `${route}/${ids[0]}`);
      assert.deepEqual(one.payload, payloadOf(ids[0]));
    },
  },
  {
    name: 'texts',
    weight: 8,
    async run({client, any, expected, next}) {
      const text = texts[any(texts.length)];
      assertSameHits(await askByText(client, text), expected.texts.get(text), text);
      // Not known to the cache.
      const query = encodeURIComponent(`${text} ${next()}`);
      const own = await client.json('GET', `/v1/search?q=${query}&collection=pictures&limit=2`);
      assert.equal(own.hits.length, 2);
      assert.equal(own.collection, 'pictures');
    },
  },
  {
    name: 'a picture as query',
    weight: 3,
    slow: true,
    async run({client, any}) {
      const id = any(pictures.length);
      const request = {
        collection: 'pictures',
        limit: 1,
        filter: {must: [fixed]},
        diversity: any(2) * 0.2,
      };
      const body = form([
        {name: 'request', value: JSON.stringify(request)},
        {name: 'image', fileName: 'it.png', bytes: pictures[id].bytes},
      ]);
      const answer = await client.send('POST', '/v1/search', body);
      assert.equal(answer.status, 200, answer.what);
      const {hits} = JSON.parse(answer.bytes);
      assert.equal(hits[0].payload.title, pictures[id].payload.title, answer.what);
    },
  },
  {
    name: 'thumbnails',
    weight: 8,
    async run({client, any, expected}) {
      const id = any(pictures.length);
      const route = `/v1/images/pictures/${id}/thumbnail`;
      const answer = await client.send('GET', route);
      assert.equal(hash(answer.bytes), expected.thumbnails[id].hash, answer.what);
      const same = await client.send('GET', route, {
        headers: {'if-none-match': expected.thumbnails[id].etag},
      });
      assert.equal(same.status, 304, same.what);
      const part = await client.send('GET', `/v1/images/pictures/${id}`, {
        headers: {range: 'bytes=10-29'},
      });
      assert.equal(part.status, 206, part.what);
      assert.ok(part.bytes.equals(pictures[id].bytes.subarray(10, 30)), part.what);
    },
  },
  {
    name: 'upload, get back, delete',
    weight: 3,
    slow: true,
    async run({client, any, next}) {
      const id = 1_000_000 + next();
      const shade = [any(256), any(256), any(256)];
      const bytes = png(64 + any(64), 64, (x, y) => (x * y > 0 ? shade : [id & 255, 90, 20]));
      const payload = JSON.stringify({fixed: false, mine: id});
      const whole = await client.send(
        'POST',
        '/v1/collections/pictures/images',
        form([
          {name: 'id', value: String(id)},
          {name: 'payload', value: payload},
          {name: 'image', fileName: `${id}.png`, bytes},
        ]),
      );
      assert.equal(whole.status, 200, whole.what);
      assert.equal(JSON.parse(whole.bytes).indexed, 1, whole.what);
      const back = await client.send('GET', `/v1/images/pictures/${id}`);
      assert.ok(back.bytes.equals(bytes), back.what);
      const mine = {must: [{key: 'mine', match: {value: id}}]};
      const route = '/collections/pictures/points';
      assert.equal((await client.result('POST', `${route}/count`, {filter: mine})).count, 1);
      await client.result('POST', `${route}/delete?wait=true`, {filter: mine});
      assert.equal((await client.result('POST', `${route}/count`, {filter: mine})).count, 0);
      const gone = await client.send('GET', `/v1/images/pictures/${id}`);
      assert.equal(gone.status, 404, gone.what);
    },
  },
  {
    name: 'a collection of its own',
    weight: 1,
    slow: true,
    async run({client, next}) {
      const name = `own-${next()}`;
      await client.result('PUT', `/collections/${name}`, {vectors: {size: 2, distance: 'Dot'}});
      const points = [{id: 1, vector: [1, 0]}];
      await client.result('PUT', `/collections/${name}/points?wait=true`, {points});
      const found = await client.result('POST', `/collections/${name}/points/query`, {query: 1});
      assert.deepEqual(found.points, []);
      assert.equal(await client.result('DELETE', `/collections/${name}`), true);
      await client.json('GET', `/collections/${name}`, undefined, {status: 404});
    },
  },
  {
    name: 'facts',
    weight: 4,
    async run({client}) {
      for (const route of ['/', '/v1/info', '/v1/collections', '/collections', '/v1/jobs'])
        await client.json('GET', route);
      const metrics = await client.send('GET', '/metrics');
      assert.match(String(metrics.bytes), /^# TYPE /m);
      await client.json('GET', '/v1/collections/points/facets?field=group');
      await client.pipeline(['/livez', '/collections/points/points/7', '/healthz', '/v1/info']);
    },
  },
  {
    name: 'wrong requests',
    weight: 10,
    async run({client, any}) {
      const points = '/collections/points/points';
      const query = `${points}/query`;
      const wrong = [
        ['POST', query, '{"query": [1, 2', 400],
        ['POST', query, {query: [1, 2]}, 400],
        ['POST', query, {query: vectorOf(1), limit: 0}, 422],
        ['POST', query, {query: {formula: 1}}, 501],
        ['POST', query, `${'['.repeat(200)}${']'.repeat(200)}`, 400],
        ['POST', '/collections/none/points/query', {query: [1]}, 404],
        ['PUT', points, {points: [{id: 5, vector: [1]}]}, 400],
        ['PUT', points, {points: [{id: -5, vector: vectorOf(5)}]}, 400],
        ['PUT', '/collections/points', {vectors: {size: dim, distance: 'Cosine'}}, 409],
        ['PUT', '/collections/huge', {vectors: {size: 65537, distance: 'Dot'}}, 422],
        ['GET', `${points}/4000000000`, undefined, 404],
        ['GET', '/nothing/here', undefined, 404],
        ['PATCH', '/livez', undefined, 405],
        ['POST', '/v1/search', {collection: 'pictures', limit: 5000}, 422],
        ['POST', '/v1/search', {collection: 'pictures', query: 'x', rerank: true}, 501],
        ['POST', '/v1/search', {collection: 'pictures', query: {image: '/etc/passwd'}}, 403],
        ['GET', '/v1/images/pictures/999999', undefined, 404],
      ];
      const [method, route, body, status] = wrong[any(wrong.length)];
      await client.json(method, route, body, {status});
      const text = await client.send('POST', query, {
        body: '{}',
        headers: {'content-type': 'text/plain'},
      });
      assert.equal(text.status, 415, text.what);
      const foreign = await client.send('GET', '/collections', {
        headers: {origin: 'http://elsewhere.example'},
      });
      assert.equal(foreign.status, 403, foreign.what);
    },
  },
  {
    name: 'a file that is no picture',
    weight: 1,
    async run({client}) {
      const files = form([
        {name: 'image', fileName: 'broken.png', bytes: Buffer.from('not a picture at all')},
        {name: 'image', fileName: 'short.png', bytes: drawing('ring', 'red').subarray(0, 60)},
      ]);
      const answer = await client.send('POST', '/v1/collections/pictures/images', files);
      assert.equal(answer.status, 200, answer.what);
      assert.equal(JSON.parse(answer.bytes).failed, 2, answer.what);
    },
  },
  {
    name: 'clients that hang up',
    weight: 6,
    async run({client, any}) {
      const host = `Host: ${client.url.host}\r\n`;
      const json = `${host}Content-Type: application/json\r\n`;
      const query = JSON.stringify({query: vectorOf(any(numPoints)), limit: 1000});
      const upload = form([
        {name: 'image', fileName: 'half.png', bytes: pictures[any(pictures.length)].bytes},
      ]);
      const route = '/collections/points/points';
      const uploadHead =
        `POST /v1/collections/pictures/images HTTP/1.1\r\n${host}` +
        `Content-Type: ${upload.headers['content-type']}\r\n` +
        `Content-Length: ${upload.body.length}\r\n\r\n`;
      const ways = [
        `POST ${route}/query HTTP/1.1\r\n${host.slice(0, 8)}`, // half a header
        `POST ${route}/query HTTP/1.1\r\n${json}Content-Length: ${query.length}\r\n\r\n${query.slice(0, 40)}`,
        `POST ${route}/query HTTP/1.1\r\n${json}Content-Length: ${query.length}\r\n\r\n${query}`, // no wait for the answer
        `POST ${route}/query HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\n40\r\n{"query"`,
        `GET /v1/search?q=gone${any(1e6)}&collection=pictures HTTP/1.1\r\n${host}\r\n`,
        'GET / HTTP/1.1\r\n\r\n\0\x01garbage\r\n\r\n',
        '',
        Buffer.concat([Buffer.from(uploadHead), upload.body.subarray(0, upload.body.length / 2)]),
      ];
      await client.hangUp(ways[any(ways.length)], any(20));
    },
  },
];
