// qdrant_client_test.mjs: drives a running server with the official Qdrant client.
//
//   node qdrant_client_test.mjs PROGRAM      PROGRAM is `sightline`; ONLY=text runs the cases that hold it
//
// Every method of the client is called: what sightline has is compared with what Qdrant answers,
// what it leaves out has to be a 501. Node 22 or later: older ones lose bits of 64-bit ids.

import assert from 'node:assert/strict';

import {QdrantClient} from '@qdrant/js-client-rest';

import {checkAnswers} from './answer_schemas.mjs';
import {runCases, test} from './cases.mjs';
import {drawing} from './pictures.mjs';
import {startServer} from './serve.mjs';

const program = process.argv[2];
const kMaxId = 18446744073709551615n;
const kUuid = '5c56c793-69f3-4fbf-87e6-c4bf54c28c26';
const called = new Set();
let server, client, answers;

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
async function fails(promise, status, text = '') {
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
const stringify = (value) =>
  JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}n` : one));
const ids = (points) => points.map((point) => point.id);
const near = (a, b, tolerance = 1e-5) =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} is not near ${b}`);
/// What is not in the client: plain HTTP.
const http = (method, path, body) =>
  fetch(`${server.url}${path}`, {
    method,
    headers: body === undefined ? {} : {'content-type': 'application/json'},
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
  });

const cities = ['Berlin', 'London', 'Moscow', 'Rome'];
/// A collection `name` of ten points of 4 dimensions with city, number, price, tags and date.
async function tenPoints(name, {distance = 'Cosine', indexed = true} = {}) {
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

test('the version is Qdrant\'s', async () => {
  const version = await client.versionInfo();
  assert.equal(version.title, 'qdrant - vector search engine');
  assert.equal(version.version, '1.19.0');
  assert.match(version.commit, /^[0-9a-f]{40}$/);
  assert.deepEqual(Object.keys(version).sort(), ['commit', 'title', 'version']);
  assert.ok(client.api());
});

test('collections are created, listed, told, changed and deleted', async () => {
  assert.equal(
    await client.createCollection('made', {
      vectors: {size: 4, distance: 'Dot', on_disk: true, hnsw_config: {m: 8}},
      sparse_vectors: {words: {index: {on_disk: true}}},
      hnsw_config: {ef_construct: 200},
      optimizers_config: {indexing_threshold: 5000},
      wal_config: {wal_capacity_mb: 64},
      quantization_config: {scalar: {type: 'int8', quantile: 0.9}},
      replication_factor: 2,
      shard_number: 3,
      on_disk_payload: false,
      strict_mode_config: {enabled: false},
      metadata: {owner: 'tests'},
      timeout: 10,
    }),
    true,
  );
  assert.deepEqual(await client.collectionExists('made'), {exists: true});
  assert.deepEqual(await client.collectionExists('other'), {exists: false});
  assert.ok((await client.getCollections()).collections.some((one) => one.name === 'made'));
  const info = await client.getCollection('made');
  assert.equal(info.status, 'green');
  assert.equal(info.optimizer_status, 'ok');
  assert.equal(info.points_count, 0);
  assert.equal(typeof info.segments_count, 'number');
  assert.equal(typeof info.indexed_vectors_count, 'number');
  assert.deepEqual(info.payload_schema, {});
  const {config} = info;
  assert.deepEqual(config.params.vectors, {
    size: 4,
    distance: 'Dot',
    on_disk: true,
    hnsw_config: {m: 8},
  });
  assert.deepEqual(config.params.sparse_vectors, {words: {index: {on_disk: true}}});
  assert.equal(config.params.replication_factor, 2);
  assert.equal(config.params.shard_number, 3);
  assert.equal(config.params.on_disk_payload, false);
  assert.equal(config.hnsw_config.m, 16);
  assert.equal(config.hnsw_config.ef_construct, 200);
  assert.equal(config.optimizer_config.indexing_threshold, 5000);
  assert.equal(config.wal_config.wal_capacity_mb, 64);
  assert.deepEqual(config.quantization_config, {scalar: {type: 'int8', quantile: 0.9}});
  assert.deepEqual(config.metadata, {owner: 'tests'});

  assert.equal(
    await client.updateCollection('made', {
      optimizers_config: {flush_interval_sec: 9},
      params: {replication_factor: 1},
      quantization_config: 'Disabled',
      metadata: {note: 'x'},
    }),
    true,
  );
  const changed = (await client.getCollection('made')).config;
  assert.equal(changed.optimizer_config.flush_interval_sec, 9);
  assert.equal(changed.optimizer_config.indexing_threshold, 5000);
  assert.equal(changed.params.replication_factor, 1);
  assert.equal(changed.quantization_config, null);
  assert.deepEqual(changed.metadata, {owner: 'tests', note: 'x'});

  await fails(
    client.createCollection('made', {vectors: {size: 4, distance: 'Dot'}}),
    409,
    'Collection `made` already exists!',
  );
  assert.equal(await client.recreateCollection('made', {vectors: {size: 2, distance: 'Cosine'}}), true);
  assert.equal((await client.getCollection('made')).config.params.vectors.size, 2);
  assert.equal(await client.deleteCollection('made'), true);
  assert.equal(await client.deleteCollection('made'), false);
  await fails(client.getCollection('made'), 404, "Not found: Collection `made` doesn't exist!");
  await fails(client.updateCollection('made', {}), 404, "Collection `made` doesn't exist!");
});

test('settings out of range are refused by their path', async () => {
  const create = (body) => client.createCollection('bad', body);
  const vectors = {size: 4, distance: 'Dot'};
  await fails(create({vectors: {size: 0, distance: 'Dot'}}), 422, '[vectors.size: value 0 invalid');
  await fails(create({vectors: {size: 65537, distance: 'Dot'}}), 422, '[vectors.size: value 65537');
  await fails(create({vectors: {size: 4, distance: 'dot'}}), 400, 'Format error in JSON body: ');
  await fails(create({vectors: {size: 4}}), 400, 'missing field `distance`');
  await fails(create({vectors: {size: '4', distance: 'Dot'}}), 400, 'vectors.size: invalid type');
  await fails(
    create({vectors, hnsw_config: {ef_construct: 0}}),
    422,
    '[hnsw_config.ef_construct: value 0 invalid, must be 4 or larger]',
  );
  await fails(create({vectors, timeout: 0}), 422, 'timeout: value 0 invalid');
  await fails(create({vectors, sharding_method: 'custom'}), 501, 'sharding');
  await fails(create({sparse_vectors: {s: {modifier: 'idf'}}}), 501, 'idf');
  await fails(client.createCollection('a/b', {vectors}), 422, 'Validation error');
  await fails(client.createCollection('x'.repeat(256), {vectors}), 422, 'Validation error');
  assert.deepEqual(await client.collectionExists('bad'), {exists: false});
});

test('aliases stand for collections', async () => {
  await tenPoints('ten', {indexed: false});
  await client.recreateCollection('two', {vectors: {size: 2, distance: 'Dot'}});
  const change = (...actions) => client.updateCollectionAliases({actions});
  const create_alias = {alias_name: 'known', collection_name: 'ten'};
  assert.equal(await change({create_alias}), true);
  assert.deepEqual((await client.getAliases()).aliases, [
    {alias_name: 'known', collection_name: 'ten'},
  ]);
  assert.deepEqual((await client.getCollectionAliases('ten')).aliases.length, 1);
  assert.deepEqual((await client.getCollectionAliases('two')).aliases, []);
  assert.equal((await client.count('known')).count, 10);
  assert.equal((await client.query('known', {query: 1, limit: 3})).points.length, 3);
  // A swap in one step.
  assert.equal(
    await change(
      {delete_alias: {alias_name: 'known'}},
      {create_alias: {alias_name: 'known', collection_name: 'two'}},
    ),
    true,
  );
  assert.equal((await client.count('known')).count, 0);
  await change({rename_alias: {old_alias_name: 'known', new_alias_name: 'renamed'}});
  await fails(client.count('known'), 404, 'known');
  assert.equal((await client.count('renamed')).count, 0);
  await fails(change({create_alias: {alias_name: 'ten', collection_name: 'two'}}), 409);
  await fails(change({create_alias: {alias_name: 'x', collection_name: 'none'}}), 404, 'none');
  await fails(change({rename_alias: {old_alias_name: 'none', new_alias_name: 'x'}}), 404);
  await fails(
    client.createCollection('renamed', {vectors: {size: 2, distance: 'Dot'}}),
    400,
  );
  await fails(change({paint: {}}), 400, 'Format error');
  assert.equal(await change({delete_alias: {alias_name: 'renamed'}}), true);
  assert.deepEqual((await client.getAliases()).aliases, []);
});

test('payload indexes', async () => {
  await tenPoints('ten', {indexed: false});
  const made = await client.createPayloadIndex('ten', {
    field_name: 'city',
    field_schema: {type: 'keyword', is_tenant: true, on_disk: true},
    wait: true,
    ordering: 'strong',
  });
  assert.equal(made.status, 'completed');
  assert.equal(typeof made.operation_id, 'number');
  for (const field_schema of ['integer', 'float', 'bool', 'datetime', 'geo', 'uuid', 'text'])
    await client.createPayloadIndex('ten', {field_name: `f_${field_schema}`, field_schema});
  const schema = (await client.getCollection('ten')).payload_schema;
  assert.deepEqual(schema.city, {
    data_type: 'keyword',
    params: {type: 'keyword', is_tenant: true, on_disk: true},
    points: 10,
  });
  assert.equal(schema.f_text.data_type, 'text');
  assert.equal((await client.deletePayloadIndex('ten', 'city')).status, 'completed');
  assert.equal((await client.getCollection('ten')).payload_schema.city, undefined);
  await fails(
    client.createPayloadIndex('ten', {field_name: 'x', field_schema: 'words'}),
    400,
    'unknown variant `words`',
  );
  await fails(client.createPayloadIndex('none', {field_name: 'x', field_schema: 'bool'}), 404);
  const text = (more) => client.createPayloadIndex('ten', {field_name: 'x', field_schema: {type: 'text', ...more}});
  await text({stopwords: {languages: ['english'], custom: ['a']}, stemmer: {type: 'snowball', language: 'tamil'}});
  await fails(text({stopwords: 'klingon'}), 400, 'field_schema.stopwords: unknown variant `klingon`');
  await fails(text({stopwords: {languages: ['x']}}), 400, 'field_schema.stopwords.languages[0]: unknown variant');
  await fails(text({stemmer: {type: 'snowball', language: 'x'}}), 400, 'field_schema.stemmer.language: unknown');
});

test('points are written as lists and as columns and come back exactly', async () => {
  await client.recreateCollection('exact', {vectors: {size: 3, distance: 'Dot'}});
  const payload = {
    max: kMaxId,
    min: -9223372036854775808n,
    odd: 9007199254740993n,
    float: 0.1,
    text: 'é😀"\\\n',
    nested: {list: [1, null, {a: []}]},
  };
  const written = await client.upsert('exact', {
    wait: true,
    points: [
      {id: kMaxId, vector: [0.1, 1 / 3, 16777217], payload},
      {id: kUuid, vector: [1, 2, 3]},
      {id: 0, vector: [-0.5, 1e-30, 3.4028235e38], payload: null},
    ],
  });
  assert.equal(written.status, 'completed');
  const [first, second, third] = await client.retrieve('exact', {
    ids: [kMaxId, kUuid, 0, 12345],
    with_payload: true,
    with_vector: true,
  });
  assert.equal(first.id, kMaxId);
  assert.deepEqual(first.vector.map(Math.fround), [0.1, 1 / 3, 16777217].map(Math.fround));
  assert.deepEqual(first.payload, payload);
  assert.equal(second.id, kUuid);
  assert.deepEqual(second.payload, {});
  assert.deepEqual(third.vector.map(Math.fround), [-0.5, 1e-30, 3.4028235e38].map(Math.fround));
  const one = await client.api().getPoint({collection_name: 'exact', id: kUuid});
  assert.deepEqual(one.data.result, {id: kUuid, payload: {}, vector: [1, 2, 3]});
  await fails(client.api().getPoint({collection_name: 'exact', id: 77}), 404, 'Not found: ');

  assert.equal(
    (await client.upsert('exact', {wait: false, batch: {ids: [5, 6], vectors: [[1, 0, 0], [0, 1, 0]], payloads: [null, {a: 1}]}}))
      .status,
    'acknowledged',
  );
  const [five, six] = await client.retrieve('exact', {ids: [5, 6], with_vector: true});
  assert.deepEqual(five.vector, [1, 0, 0]);
  assert.deepEqual(six.payload, {a: 1});
  assert.deepEqual(await client.retrieve('exact', {ids: [6], with_payload: false}), [{id: 6}]);
  assert.equal((await client.count('exact')).count, 5);

  // A point that comes again is replaced whole.
  await client.upsert('exact', {points: [{id: 6, vector: [9, 9, 9]}]});
  assert.deepEqual((await client.retrieve('exact', {ids: [6]}))[0].payload, {});
});

test('malformed and wrong points are refused', async () => {
  await client.recreateCollection('exact', {vectors: {size: 3, distance: 'Dot'}});
  const upsert = (points, more = {}) => client.upsert('exact', {points, ...more});
  await fails(upsert([{id: 1, vector: [1, 2]}]), 400, 'Wrong input: Vector dimension error: expected dim: 3, got 2');
  await fails(upsert([{id: 1, vector: {other: [1, 2, 3]}}]), 400, 'Wrong input: Not existing vector name error: other');
  await fails(upsert([{id: -1, vector: [1, 2, 3]}]), 400, 'Format error in JSON body: ');
  await fails(upsert([{id: 'x', vector: [1, 2, 3]}]), 400, 'Format error in JSON body: ');
  await fails(upsert([{vector: [1, 2, 3]}]), 400, 'missing field `id`');
  await fails(upsert([{id: 1}]), 400, 'missing field `vector`');
  await fails(upsert([{id: 1, vector: [1, 2, 'x']}]), 400, 'points[0].vector[2]');
  await fails(upsert([]), 400, 'Empty update request');
  await fails(
    client.upsert('exact', {batch: {ids: [1], vectors: [[1, 2, 3], [1, 2, 3]]}}),
    422,
    'Validation error in JSON body: [batch: number of ids and vectors must be equal',
  );
  await fails(upsert([{id: 1, vector: [1, 2, 3], payload: {_image: {}}}]), 422, '_image');
  await fails(client.upsert('none', {points: [{id: 1, vector: [1]}]}), 404, 'Collection `none`');
  assert.equal((await client.count('exact')).count, 0);
  for (const [path, body, status, text] of [
    ['/collections/exact/points', '{"points": [', 400, 'Format error in JSON body: '],
    ['/collections/exact/points?wait=maybe', {points: []}, 400, 'query parameters'],
    ['/collections/exact/points?ordering=x', {points: []}, 400, 'query parameters'],
  ]) {
    const answer = await http('PUT', path, body);
    assert.equal(answer.status, status);
    assert.ok((await answer.json()).status.error.includes(text));
  }
  const answer = await http('POST', '/collections/exact/points/scroll?consistency=0', {});
  assert.equal(answer.status, 422);
});

test('payloads are set, overwritten, deleted and cleared', async () => {
  await tenPoints('ten');
  const payload = async (id) => (await client.retrieve('ten', {ids: [id]}))[0].payload;
  await client.setPayload('ten', {payload: {number: 100, extra: {a: 1}}, points: [1, 2]});
  assert.equal((await payload(1)).number, 100);
  assert.equal((await payload(1)).city, 'Berlin');
  await client.setPayload('ten', {payload: {b: 2}, points: [1], key: 'extra'});
  assert.deepEqual((await payload(1)).extra, {a: 1, b: 2});
  await client.setPayload('ten', {
    payload: {north: true},
    filter: {must: [{key: 'city', match: {value: 'Moscow'}}]},
  });
  assert.equal((await client.count('ten', {filter: {must: [{key: 'north', match: {value: true}}]}})).count, 2);
  await client.overwritePayload('ten', {payload: {only: 1}, points: [3]});
  assert.deepEqual(await payload(3), {only: 1});
  await client.deletePayload('ten', {keys: ['extra.a', 'number'], points: [1]});
  assert.deepEqual((await payload(1)).extra, {b: 2});
  assert.equal((await payload(1)).number, undefined);
  await client.clearPayload('ten', {points: [1]});
  assert.deepEqual(await payload(1), {});
  await client.clearPayload('ten', {filter: {must: [{key: 'city', match: {value: 'Rome'}}]}});
  assert.deepEqual(await payload(4), {});
  await fails(client.setPayload('ten', {payload: {}, points: [99]}), 404, '99');
  await fails(client.setPayload('ten', {payload: {}}), 400, 'missing field `points` or `filter`');
  await fails(client.setPayload('ten', {payload: [], points: [1]}), 400, 'payload: invalid type');
});

test('vectors are updated and deleted by name', async () => {
  await client.recreateCollection('named', {
    vectors: {a: {size: 2, distance: 'Dot'}, b: {size: 3, distance: 'Euclid'}},
  });
  await client.upsert('named', {
    points: [
      {id: 1, vector: {a: [1, 2], b: [1, 2, 3]}, payload: {x: 1}},
      {id: 2, vector: {a: [3, 4]}},
      {id: 3, vector: {}},
    ],
  });
  const vectors = async (id) =>
    (await client.retrieve('named', {ids: [id], with_vector: true}))[0].vector;
  assert.deepEqual(await vectors(1), {a: [1, 2], b: [1, 2, 3]});
  assert.deepEqual(await vectors(2), {a: [3, 4]});
  assert.deepEqual(await vectors(3), {});
  await client.updateVectors('named', {points: [{id: 1, vector: {b: [4, 5, 6]}}, {id: 3, vector: {a: [7, 8]}}]});
  assert.deepEqual(await vectors(1), {a: [1, 2], b: [4, 5, 6]});
  assert.deepEqual(await vectors(3), {a: [7, 8]});
  assert.deepEqual((await client.retrieve('named', {ids: [1]}))[0].payload, {x: 1});
  await client.deleteVectors('named', {points: [1], vector: ['a']});
  assert.deepEqual(await vectors(1), {b: [4, 5, 6]});
  assert.equal((await client.count('named', {filter: {must: [{has_vector: 'a'}]}})).count, 2);
  await fails(client.updateVectors('named', {points: [{id: 9, vector: {a: [1, 2]}}]}), 404, '9');
  await fails(client.updateVectors('named', {points: []}), 422, 'Validation error');
  const one = await client.retrieve('named', {ids: [1, 2], with_vector: ['a']});
  assert.deepEqual(one.map((point) => point.vector), [{}, {a: [3, 4]}]);
  await fails(client.query('named', {query: [1, 2]}), 400);
  assert.deepEqual(ids((await client.query('named', {query: [1, 2], using: 'a'})).points), [3, 2]);
});

test('a batch of operations is done in order', async () => {
  await tenPoints('ten');
  const results = await client.batchUpdate('ten', {
    wait: true,
    operations: [
      {upsert: {points: [{id: 11, vector: [1, 0, 0, 0], payload: {fresh: true}}]}},
      {set_payload: {payload: {seen: true}, filter: {must: [{key: 'fresh', match: {value: true}}]}}},
      {overwrite_payload: {payload: {o: 1}, points: [1]}},
      {delete_payload: {keys: ['city'], points: [2]}},
      {clear_payload: {points: [3]}},
      {update_vectors: {points: [{id: 4, vector: [0, 0, 0, 1]}]}},
      {delete: {points: [5]}},
      {delete: {filter: {must: [{key: 'number', range: {gte: 8}}]}}},
    ],
  });
  assert.equal(results.length, 8);
  assert.ok(results.every((one) => one.status === 'completed'));
  const [p11, p1, p2, p3, p4] = await client.retrieve('ten', {ids: [11, 1, 2, 3, 4], with_vector: true});
  assert.deepEqual(p11.payload, {fresh: true, seen: true});
  assert.deepEqual(p1.payload, {o: 1});
  assert.equal(p2.payload.city, undefined);
  assert.deepEqual(p3.payload, {});
  assert.deepEqual(p4.vector, [0, 0, 0, 1]);
  assert.equal((await client.count('ten')).count, 8);
  await client.batchUpdate('ten', {operations: [{delete_vectors: {points: [4], vector: ['']}}]});
  assert.deepEqual((await client.retrieve('ten', {ids: [4], with_vector: true}))[0].vector, {});
  await fails(client.batchUpdate('ten', {operations: [{paint: {}}]}), 400, 'operations[0]');
});

test('points are deleted by id and by filter', async () => {
  await tenPoints('ten');
  assert.equal((await client.delete('ten', {points: [1, 2, 999], wait: true})).status, 'completed');
  assert.equal((await client.count('ten')).count, 8);
  await client.delete('ten', {filter: {must: [{key: 'tags', match: {value: 'odd'}}]}, wait: true});
  assert.deepEqual(ids((await client.scroll('ten')).points), [3, 5, 7, 9]);
  await fails(client.delete('ten', {filter: {must: [{key: 'a'}]}}), 400, 'Format error');
});

test('writes can be conditional', async () => {
  await client.recreateCollection('cond', {vectors: {size: 1, distance: 'Dot'}});
  const upsert = (points, more) => client.upsert('cond', {points, ...more});
  const version = async (id) => (await client.retrieve('cond', {ids: [id]}))[0]?.payload.version;
  const point = (id, version) => ({id, vector: [version], payload: {version}});
  await upsert([point(1, 5)]);
  const update_filter = {must: [{key: 'version', range: {lt: 5}}]};
  await upsert([point(1, 4), point(2, 1)], {update_filter});
  assert.equal(await version(1), 5);
  assert.equal(await version(2), 1);
  await upsert([point(2, 7)], {update_filter});
  assert.equal(await version(2), 7);
  await upsert([point(1, 9), point(3, 1)], {update_mode: 'insert_only'});
  assert.equal(await version(1), 5);
  assert.equal(await version(3), 1);
  await upsert([point(1, 9), point(4, 1)], {update_mode: 'update_only'});
  assert.equal(await version(1), 9);
  assert.equal(await version(4), undefined);
  // The client does not send update_filter with vectors.
  const answer = await http('PUT', '/collections/cond/points/vectors?wait=true', {
    points: [{id: 1, vector: [77]}],
    update_filter,
  });
  assert.equal(answer.status, 200);
  assert.deepEqual((await client.retrieve('cond', {ids: [1], with_vector: true}))[0].vector, [9]);
});

test('scrolling goes page by page, or in order of a field', async () => {
  await tenPoints('ten');
  const seen = [];
  let offset;
  for (let pages = 0; pages < 4; ++pages) {
    const page = await client.scroll('ten', {limit: 3, offset, with_vector: true});
    seen.push(...ids(page.points));
    assert.ok(page.points.every((point) => point.vector.length === 4 && point.payload.city));
    offset = page.next_page_offset;
  }
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(offset, null);
  const berlin = await client.scroll('ten', {
    filter: {must: [{key: 'city', match: {value: 'Berlin'}}]},
    with_payload: ['city'],
    consistency: 'majority',
    timeout: 5,
  });
  assert.deepEqual(berlin.points, [1, 5, 9].map((id) => ({id, payload: {city: 'Berlin'}})));
  const exclude = await client.scroll('ten', {limit: 1, with_payload: {exclude: ['tags', 'day', 'price']}});
  assert.deepEqual(exclude.points[0].payload, {city: 'Berlin', number: 0, flag: true});

  const cheap = await client.scroll('ten', {order_by: 'price', limit: 3});
  assert.deepEqual(ids(cheap.points), [10, 9, 8]);
  assert.deepEqual(cheap.points.map((point) => point.order_value), [1.5, 2.5, 3.5]);
  const late = await client.scroll('ten', {
    order_by: {key: 'day', direction: 'desc', start_from: '2024-01-05T00:00:00Z'},
    limit: 2,
  });
  assert.deepEqual(ids(late.points), [5, 4]);
  const from = await client.scroll('ten', {order_by: {key: 'number', start_from: 7}});
  assert.deepEqual(ids(from.points), [8, 9, 10]);
  await fails(client.scroll('ten', {order_by: 'price', offset: 3}), 400, 'offset');
  await fails(client.scroll('ten', {order_by: 'tags'}), 400);
  await fails(client.scroll('ten', {limit: 0}), 422, 'limit: value 0 invalid');
});

test('points and values are counted', async () => {
  await tenPoints('ten');
  assert.deepEqual(await client.count('ten'), {count: 10});
  const filter = {must_not: [{key: 'city', match: {any: ['Berlin', 'Rome']}}]};
  assert.deepEqual(await client.count('ten', {filter, exact: false}), {count: 5});
  assert.deepEqual((await client.facet('ten', {key: 'city'})).hits, [
    {value: 'Berlin', count: 3},
    {value: 'London', count: 3},
    {value: 'Moscow', count: 2},
    {value: 'Rome', count: 2},
  ]);
  assert.deepEqual((await client.facet('ten', {key: 'flag', exact: true})).hits, [
    {value: false, count: 7},
    {value: true, count: 3},
  ]);
  const odd = {must: [{key: 'tags', match: {value: 'odd'}}]};
  assert.deepEqual((await client.facet('ten', {key: 'number', filter: odd, limit: 2})).hits, [
    {value: 1, count: 1},
    {value: 3, count: 1},
  ]);
  await fails(client.facet('ten', {key: 'tags'}), 400);
});

/// Cosines of the ten points to `query`, as {id: score}.
function cosines(points, query) {
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  return new Map(
    points.map(({id, vector}) => [
      id,
      dot(vector, query) / Math.sqrt(dot(vector, vector) * dot(query, query)),
    ]),
  );
}

test('nearest by vector and by id', async () => {
  const points = await tenPoints('ten');
  const query = [1, 0.2, 0, 0.5];
  const truth = cosines(points, query);
  const order = [...truth.keys()].sort((a, b) => truth.get(b) - truth.get(a));
  const all = await client.query('ten', {query, limit: 10, with_payload: true, with_vector: true});
  assert.deepEqual(ids(all.points), order);
  for (const hit of all.points) {
    near(hit.score, truth.get(hit.id));
    assert.equal(typeof hit.version, 'number');
    assert.equal(hit.payload.number, hit.id - 1);
    assert.equal(hit.vector.length, 4);
  }
  assert.equal((await client.query('ten', {query})).points[0].payload, undefined);
  assert.deepEqual(ids((await client.query('ten', {query, limit: 3, offset: 2})).points), order.slice(2, 5));
  const exact = await client.query('ten', {query: {nearest: query}, params: {exact: true, hnsw_ef: 10, indexed_only: true}});
  assert.deepEqual(ids(exact.points), order);
  const threshold = truth.get(order[4]) - 1e-4;
  assert.equal((await client.query('ten', {query, score_threshold: threshold})).points.length, 5);
  const filter = {must: [{key: 'city', match: {value: 'London'}}], should: {key: 'number', range: {gt: 1}}};
  assert.deepEqual(
    ids((await client.query('ten', {query, filter})).points),
    order.filter((id) => (id - 1) % 4 === 1 && id > 2),
  );
  const like = await client.query('ten', {query: 3, limit: 2});
  assert.ok(!ids(like.points).includes(3));
  await fails(client.query('ten', {query: 333}), 404, '333');
  await fails(client.query('ten', {query: [1, 2]}), 400, 'Vector dimension error: expected dim: 4, got 2');
  await fails(client.query('ten', {query, using: 'x'}), 400, 'x');
  await fails(client.query('ten', {query, limit: 0}), 422, 'limit: value 0 invalid');
  await fails(client.query('ten', {query: {nothing: 1}}), 400, 'Format error');
  const many = await http('POST', '/collections/ten/points/query', '{"query": [1,0,0,0], "limit": 18446744073709551615}');
  assert.equal((await many.json()).result.points.length, 10);
});

test('distances are positive and the smaller the better', async () => {
  for (const [distance, measure] of [
    ['Euclid', (v, q) => Math.hypot(...v.map((x, i) => x - q[i]))],
    ['Manhattan', (v, q) => v.reduce((sum, x, i) => sum + Math.abs(x - q[i]), 0)],
    ['Dot', (v, q) => v.reduce((sum, x, i) => sum + x * q[i], 0)],
  ]) {
    const points = await tenPoints('metric', {distance, indexed: false});
    const query = [1, 0.2, 0, 0.5];
    const truth = new Map(points.map(({id, vector}) => [id, measure(vector, query)]));
    const sign = distance === 'Dot' ? -1 : 1;
    const order = [...truth.keys()].sort((a, b) => sign * (truth.get(a) - truth.get(b)) || a - b);
    const {points: hits} = await client.query('metric', {query, limit: 10});
    assert.deepEqual(ids(hits), order);
    for (const hit of hits) near(hit.score, truth.get(hit.id));
    const score_threshold = truth.get(order[3]) + sign * 1e-4;
    assert.equal((await client.query('metric', {query, score_threshold})).points.length, 4, distance);
  }
});

test('recommend, discover, context, order and samples', async () => {
  await tenPoints('ten');
  for (const strategy of [undefined, 'average_vector', 'best_score', 'sum_scores']) {
    const {points} = await client.query('ten', {
      query: {recommend: {positive: [1, [1, 0, 0, 0]], negative: [10], strategy}},
      limit: 4,
    });
    assert.equal(points.length, 4);
    assert.ok(!ids(points).some((id) => id === 1 || id === 10));
  }
  await fails(client.query('ten', {query: {recommend: {positive: []}}}), 400);
  const discover = await client.query('ten', {
    query: {discover: {target: 2, context: [{positive: 1, negative: 10}]}},
  });
  assert.ok(discover.points.length > 0 && discover.points[0].score > 1);
  const context = await client.query('ten', {query: {context: {positive: 1, negative: 10}}});
  assert.ok(context.points.every((hit) => hit.score <= 0));
  const ordered = await client.query('ten', {query: {order_by: {key: 'price', direction: 'asc'}}, limit: 3});
  assert.deepEqual(ids(ordered.points), [10, 9, 8]);
  assert.equal(ordered.points[0].order_value, 1.5);
  const orders = new Set();
  for (let i = 0; i < 6; ++i) {
    const {points} = await client.query('ten', {query: {sample: 'random'}});
    assert.deepEqual([...ids(points)].sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    orders.add(String(ids(points)));
  }
  assert.ok(orders.size > 1);
  assert.deepEqual(ids((await client.query('ten', {limit: 3})).points), [1, 2, 3]);
});

test('prefetches are fused and scored again', async () => {
  await tenPoints('ten');
  const prefetch = [
    {query: [1, 0, 0, 0], limit: 5},
    {query: [0, 0, 0, 1], limit: 5},
  ];
  const lists = await Promise.all(prefetch.map((one) => client.query('ten', one)));
  const expected = (k, weights) => {
    const scores = new Map();
    lists.forEach((list, i) =>
      list.points.forEach((hit, rank) =>
        scores.set(hit.id, (scores.get(hit.id) ?? 0) + 1 / ((rank + 1) / weights[i] + k - 1)),
      ),
    );
    return scores;
  };
  for (const [query, k, weights] of [
    [{fusion: 'rrf'}, 2, [1, 1]],
    [{rrf: {k: 60}}, 60, [1, 1]],
    [{rrf: {k: 10, weights: [3, 1]}}, 10, [3, 1]],
  ]) {
    const fused = await client.query('ten', {prefetch, query, limit: 20});
    const scores = expected(k, weights);
    assert.equal(fused.points.length, scores.size);
    for (const hit of fused.points) near(hit.score, scores.get(hit.id));
  }
  const dbsf = await client.query('ten', {prefetch, query: {fusion: 'dbsf'}});
  assert.ok(dbsf.points.length >= 5);
  const nested = await client.query('ten', {
    prefetch: {prefetch: {query: [0, 0, 0, 1], limit: 6}, query: {fusion: 'rrf'}, limit: 4},
    query: [1, 0, 0, 0],
    limit: 2,
  });
  assert.equal(nested.points.length, 2);
  await fails(client.query('ten', {prefetch}), 400, 'A query is needed to merge the prefetches');
  await fails(client.query('ten', {score_threshold: 1}), 400, 'score_threshold');
  await fails(client.query('ten', {prefetch: {limit: 0}, query: 1}), 422, 'prefetch.limit');

  const mmr = await client.query('ten', {
    query: {nearest: [1, 0, 0, 0], mmr: {diversity: 1, candidates_limit: 10}},
    limit: 4,
  });
  const plain = await client.query('ten', {query: [1, 0, 0, 0], limit: 4});
  assert.equal(mmr.points[0].id, plain.points[0].id);
  assert.notDeepEqual(ids(mmr.points), ids(plain.points));
  await fails(client.query('ten', {query: {nearest: 1, mmr: {diversity: 2}}}), 422, 'mmr.diversity');
});

test('several queries at once, groups, and vectors of other collections', async () => {
  await tenPoints('ten');
  const batch = await client.queryBatch('ten', {
    searches: [
      {query: [1, 0, 0, 0], limit: 2},
      {query: {sample: 'random'}, limit: 1, with_payload: true},
      {filter: {must: [{has_id: [4]}]}, with_vector: true},
    ],
  });
  assert.deepEqual(batch.map((one) => one.points.length), [2, 1, 1]);
  assert.deepEqual(batch[0], await client.query('ten', {query: [1, 0, 0, 0], limit: 2}));
  assert.ok(batch[1].points[0].payload);
  assert.equal(batch[2].points[0].vector.length, 4);
  assert.deepEqual(await client.queryBatch('ten', {searches: []}), []);
  await fails(client.queryBatch('ten', {searches: [{limit: 0}]}), 422, 'searches[0].limit');

  await client.recreateCollection('lookup', {vectors: {size: 4, distance: 'Dot'}});
  await client.upsert('lookup', {
    points: [
      {id: 1, vector: [1, 0, 0, 0], payload: {title: 'one'}},
      {id: 3, vector: [0, 0, 0, 1], payload: {title: 'three', more: 1}},
    ],
  });
  const {points} = await client.query('ten', {query: 3, lookup_from: {collection: 'lookup'}, limit: 3});
  assert.deepEqual(ids(points), ids((await client.query('ten', {query: [0, 0, 0, 1], limit: 3})).points));
  await fails(client.query('ten', {query: 3, lookup_from: {collection: 'none'}}), 404, 'none');

  const cityGroups = await client.queryGroups('ten', {
    query: [1, 0, 0, 0],
    group_by: 'city',
    group_size: 2,
    limit: 3,
    with_payload: ['city'],
  });
  assert.equal(cityGroups.groups.length, 3);
  for (const group of cityGroups.groups) {
    assert.ok(group.hits.length <= 2 && group.hits.length > 0);
    assert.ok(group.hits.every((hit) => hit.payload.city === group.id));
  }
  const numbered = await client.queryGroups('ten', {
    query: [1, 0, 0, 0],
    group_by: 'number',
    limit: 10,
    with_lookup: {collection: 'lookup', with_payload: ['title'], with_vectors: true},
  });
  const three = numbered.groups.find((group) => group.id === 3);
  assert.deepEqual(three.lookup, {id: 3, payload: {title: 'three'}, vector: [0, 0, 0, 1]});
  assert.equal(numbered.groups.find((group) => group.id === 2).lookup, undefined);
  await fails(client.queryGroups('ten', {query: 1, group_by: ''}), 422, 'group_by');
});

test('sparse vectors and multi-vectors', async () => {
  await client.recreateCollection('kinds', {
    vectors: {rows: {size: 2, distance: 'Dot', multivector_config: {comparator: 'max_sim'}}},
    sparse_vectors: {words: {}},
  });
  const {params} = (await client.getCollection('kinds')).config;
  assert.deepEqual(params.vectors.rows.multivector_config, {comparator: 'max_sim'});
  assert.deepEqual(params.sparse_vectors, {words: {}});
  await client.upsert('kinds', {
    points: [
      {id: 1, vector: {words: {indices: [4294967295, 3], values: [0.5, 2]}, rows: [[1, 0], [0, 1]]}},
      {id: 2, vector: {words: {indices: [3], values: [1]}, rows: [[1, 1]]}},
      {id: 3, vector: {rows: [[2, 0], [0, 0], [1, 1]]}},
    ],
  });
  const [first] = await client.retrieve('kinds', {ids: [1], with_vector: true});
  assert.deepEqual(first.vector.rows, [[1, 0], [0, 1]]);
  const words = new Map(first.vector.words.indices.map((at, i) => [at, first.vector.words.values[i]]));
  assert.deepEqual(words, new Map([[3, 2], [4294967295, 0.5]]));
  const sparse = await client.query('kinds', {query: {indices: [3, 4294967295], values: [1, 10]}, using: 'words'});
  assert.deepEqual(sparse.points.map(({id, score}) => [id, score]), [[1, 7], [2, 1]]);
  const multi = await client.query('kinds', {query: [[1, 0], [0, 2]], using: 'rows'});
  assert.deepEqual(multi.points.map(({id, score}) => [id, score]), [[3, 4], [1, 3], [2, 3]]);
  const single = await client.query('kinds', {query: [1, 0], using: 'rows'});
  assert.deepEqual(single.points[0].id, 3);
  const hybrid = await client.query('kinds', {
    prefetch: [
      {query: {indices: [3], values: [1]}, using: 'words'},
      {query: [[1, 0]], using: 'rows'},
    ],
    query: {fusion: 'rrf'},
  });
  assert.equal(hybrid.points.length, 3);
  const recommended = await client.query('kinds', {query: {recommend: {positive: [1]}}, using: 'words'});
  assert.deepEqual(ids(recommended.points), [2]);
  const upsert = (vector) => client.upsert('kinds', {points: [{id: 9, vector}]});
  await fails(upsert({words: {indices: [1, 1], values: [1, 2]}}), 422, 'must be unique');
  await fails(upsert({words: {indices: [1], values: [1, 2]}}), 422, 'must be the same length as indices');
  await fails(upsert({rows: [[1, 0], []]}), 422, 'Validation error');
  await fails(upsert({rows: [[1, 0], [1]]}), 422, 'Validation error');
  await fails(upsert({rows: [[1, 0, 0]]}), 400, 'Vector dimension error: expected dim: 2, got 3');
  await fails(upsert({words: [1, 2]}), 400, 'sparse');
});

test('texts and pictures are vectors', async () => {
  await client.recreateCollection('pictures', {vectors: {model: 'embedded'}});
  const {vectors} = (await client.getCollection('pictures')).config.params;
  assert.equal(vectors.model, 'embedded');
  assert.equal(vectors.distance, 'Cosine');
  assert.ok(vectors.size > 0);
  const image = (shape, colour) => ({
    image: `data:image/png;base64,${drawing(shape, colour).toString('base64')}`,
    model: 'embedded',
  });
  const text = (words) => ({text: words, model: 'embedded'});
  await client.upsert('pictures', {
    points: [
      {id: 1, vector: image('circle', 'red'), payload: {what: 'red circle'}},
      {id: 2, vector: image('square', 'blue'), payload: {what: 'blue square'}},
      {id: 3, vector: text('a green tree')},
    ],
  });
  await client.upsert('pictures', {
    batch: {ids: [4, 5], vectors: [text('a dog'), image('cross', 'green')]},
  });
  const [one] = await client.retrieve('pictures', {ids: [1], with_vector: true});
  near(Math.hypot(...one.vector), 1);
  const same = await client.query('pictures', {query: image('circle', 'red'), limit: 1});
  assert.equal(same.points[0].id, 1);
  near(same.points[0].score, 1, 1e-3);
  const asked = await client.query('pictures', {query: {nearest: text('a dog')}, limit: 1});
  assert.equal(asked.points[0].id, 4);
  near(asked.points[0].score, 1, 1e-3);
  const mixed = await client.query('pictures', {
    query: {recommend: {positive: [text('a dog'), 2], negative: [image('circle', 'red')]}},
  });
  assert.ok(mixed.points.length === 4);
  const batch = await client.queryBatch('pictures', {
    searches: [{query: text('a dog'), limit: 1}, {query: text('a green tree'), limit: 1}],
  });
  assert.deepEqual(batch.map((answer) => answer.points[0].id), [4, 3]);
  await client.updateVectors('pictures', {points: [{id: 3, vector: text('a house')}]});
  assert.equal((await client.query('pictures', {query: text('a house'), limit: 1})).points[0].id, 3);

  await fails(client.query('pictures', {query: {text: 'x'}}), 400, 'missing field `model`');
  await fails(client.query('pictures', {query: {text: 'x', model: ''}}), 422, 'model');
  const unknown = client.query('pictures', {query: {text: 'x', model: 'no-such-model'}});
  await fails(unknown, 404, 'no-such-model');
  await fails(client.query('pictures', {query: {image: 'data:image/png;base64,AAAA', model: 'embedded'}}), 400);
  await fails(client.query('pictures', {query: {image: '/etc/passwd', model: 'embedded'}}), 403);
  await fails(client.query('pictures', {query: {object: {}, model: 'embedded'}}), 501, 'object');
  await fails(client.createCollection('other', {vectors: {size: 3, model: 'embedded'}}), 400, 'Vector dimension error');
  // Vectors of one's own: any model that fits.
  await client.recreateCollection('own', {vectors: {size: vectors.size, distance: 'Cosine'}});
  await client.upsert('own', {points: [{id: 1, vector: text('a dog')}]});
  assert.equal((await client.query('own', {query: text('a dog')})).points.length, 1);
});

test('what is left out is a 501 that names it', async () => {
  await tenPoints('ten', {indexed: false});
  const query = (body) => client.query('ten', body);
  const left = [
    [client.listSnapshots('ten'), 'snapshots'],
    [client.createSnapshot('ten'), 'snapshots'],
    [client.deleteSnapshot('ten', 's'), 'snapshots'],
    [client.recoverSnapshot('ten', {location: 'file:///x'}), 'snapshots'],
    [client.listFullSnapshots(), 'snapshots'],
    [client.createFullSnapshot(), 'snapshots'],
    [client.deleteFullSnapshot('s'), 'snapshots'],
    [client.recoverShardFromSnapshot('ten', 0, {location: 'file:///x'}), 'snapshots'],
    [client.listShardSnapshots('ten', 0), 'snapshots'],
    [client.createShardSnapshot('ten', 0, {}), 'snapshots'],
    [client.deleteShardSnapshot('ten', 0, 's', {}), 'snapshots'],
    [client.listShardKeys('ten'), 'shard keys'],
    [client.createShardKey('ten', {shard_key: 'a'}), 'shard keys'],
    [client.deleteShardKey('ten', {shard_key: 'a'}), 'shard keys'],
    [client.collectionClusterInfo('ten'), 'clusters'],
    [client.updateCollectionCluster('ten', {}), 'clusters'],
    [client.clusterTelemetry(), 'telemetry'],
    [client.getOptimizations('ten'), 'optimizations'],
    [client.getQuotas(), 'quotas'],
    [client.updateQuotas({enabled: false}), 'quotas'],
    [client.createVectorName('ten', 'x', {dense: {size: 2, distance: 'Dot'}}), 'vector names'],
    [client.deleteVectorName('ten', 'x'), 'vector names'],
    [client.searchMatrixPairs('ten', {}), 'distance matrix'],
    [client.searchMatrixOffsets('ten', {}), 'distance matrix'],
    [query({query: {formula: '$score'}}), 'formula'],
    [query({query: {relevance_feedback: {target: 1, feedback: [], strategy: {naive: {a: 1, b: 1, c: 1}}}}}), 'relevance_feedback'],
    [query({filter: {must: [{slice: {total: 2, index: 0}}]}}), 'slice'],
    [query({filter: {must: [{key: 'city', match: {prefix: 'B'}}]}}), 'prefix'],
    [query({shard_key: 'a'}), 'shard_key'],
    [client.createCollection('x', {sparse_vectors: {s: {modifier: 'bm25'}}}), 'bm25'],
    [query({query: {text: 'x', model: 'Qdrant/bm25'}}), 'BM25'],
    [client.upsert('ten', {points: [{id: 1, vector: {text: 'x', model: 'qdrant/bm25'}}]}), 'BM25'],
  ];
  for (const [promise] of left) promise.catch(() => {});  // each is awaited in its turn
  for (const [promise, text] of left) await fails(promise, 501, text);
  for (const path of ['search', 'search/batch', 'recommend', 'discover']) {
    const answer = await http('POST', `/collections/ten/points/${path}`, {vector: [1, 0, 0, 0], limit: 1});
    assert.equal(answer.status, 501);
    assert.equal(answer.headers.get('x-should-retry'), 'false');
    assert.match((await answer.json()).status.error, /points\/query/);
  }
  const cluster = await (await http('GET', '/cluster')).json();
  assert.deepEqual(cluster.result, {status: 'disabled'});
});

test('answers have result, status and time', async () => {
  const answer = await (await http('GET', '/collections')).json();
  assert.deepEqual(Object.keys(answer), ['result', 'status', 'time']);
  assert.equal(answer.status, 'ok');
  assert.ok(answer.time >= 0 && answer.time < 10);
  const missing = await (await http('GET', '/collections/none')).json();
  assert.deepEqual(Object.keys(missing).sort(), ['status', 'time']);
});

test('the words of errors are Qdrant\'s', async () => {
  await tenPoints('ten', {indexed: false});
  await client.recreateCollection('named', {
    vectors: {a: {size: 2, distance: 'Dot'}, m: {size: 2, distance: 'Dot', multivector_config: {comparator: 'max_sim'}}},
    sparse_vectors: {s: {}},
  });
  await client.upsert('named', {points: [{id: 1, vector: {a: [1, 2]}}, {id: 2, vector: {}}]});
  const alias = (action) => client.updateCollectionAliases({actions: [action]});
  await alias({create_alias: {alias_name: 'known', collection_name: 'ten'}});
  const query = (body) => client.query('ten', body);
  const long = 'x'.repeat(256);
  for (const [call, status, text] of [
    [() => query({query: 99}), 404, 'Not found: No point with id 99 found'],
    [() => query({query: {recommend: {positive: [99]}}}), 404, 'Not found: No point with id 99 found'],
    [() => query({query: {order_by: 'price'}}), 400, 'Wrong input: No range index for `order_by` key: `price`'],
    [() => query({query: 1, lookup_from: {collection: 'none'}}), 404, 'Not found: Collection none not found'],
    [() => query({prefetch: {query: 1}, query: {fusion: 'rrf'}, using: 'x'}), 400,
      "Bad request: Fusion queries cannot be combined with the 'using' field."],
    [() => client.queryGroups('ten', {query: 1, group_by: 'city', with_lookup: 'none'}), 404,
      'Not found: Collection none not found'],
    [() => client.query('named', {query: 2, using: 'a'}), 404, 'Not found: Vector with name "a" for point 2'],
    [() => client.facet('ten', {key: 'city'}), 400, 'Wrong input: No appropriate index for faceting: `city`'],
    [() => client.setPayload('ten', {payload: {}, points: [99]}), 404, 'Not found: No point with id 99 found'],
    [() => client.clearPayload('ten', {points: [99]}), 404, 'Not found: No point with id 99 found'],
    [() => client.updateVectors('named', {points: [{id: 99, vector: {a: [1, 2]}}]}), 404,
      'Not found: No point with id 99 found'],
    [() => client.deleteVectors('named', {points: [1], vector: ['b']}), 400,
      'Wrong input: Not existing vector name error: b'],
    [() => client.upsert('named', {points: [{id: 1, vector: [1, 2]}]}), 400,
      'Wrong input: Not existing vector name error: '],
    [() => client.upsert('named', {points: [{id: 1, vector: {m: []}}]}), 400,
      'Wrong input: Vector dimension error: expected dim: 2, got 0'],
    [() => client.createCollection('known', {vectors: {size: 1, distance: 'Dot'}}), 400,
      "Wrong input: Can't create collection with name known. Alias with the same name already exists"],
    [() => alias({rename_alias: {old_alias_name: 'none', new_alias_name: 'x'}}), 404,
      'Not found: Alias none does not exists!'],
    [() => client.getCollection(long), 422, 'Validation error in path parameters: ['],
    [() => client.deleteCollection(long), 422, 'Validation error in path parameters: ['],
    [() => client.getCollection('a|b'), 404, "Not found: Collection `a|b` doesn't exist!"],
  ])
    await fails(call(), status, text);
  assert.equal(await client.deleteCollection('a|b'), false);
  assert.deepEqual(await client.collectionExists('a|b'), {exists: false});
  await alias({delete_alias: {alias_name: 'known'}});
});

/// `names` as members of null: what clients of other languages write for what they leave open.
const nulls = (...names) => Object.fromEntries(names.map((name) => [name, null]));

test('null stands for what is left open', async () => {
  const points = '/collections/nulls/points';
  const selector = nulls('filter', 'shard_key');
  const one = {id: 1, vector: [1, 0], payload: null};
  const read = nulls('shard_key', 'filter', 'with_payload', 'with_vector');
  const level = {...nulls('prefetch', 'using', 'filter', 'params', 'score_threshold', 'limit', 'lookup_from')};
  const query = {...level, ...read, ...nulls('offset')};
  const nothing = {key: 'a', ...nulls('range', 'geo_bounding_box', 'geo_radius', 'geo_polygon', 'values_count', 'is_empty', 'is_null')};
  for (const [method, path, body] of [
    ['PUT', '/collections/nulls', {
      vectors: {size: 2, distance: 'Dot', ...nulls('hnsw_config', 'quantization_config', 'on_disk', 'datatype', 'multivector_config')},
      hnsw_config: nulls('m', 'ef_construct', 'full_scan_threshold', 'max_indexing_threads', 'on_disk', 'payload_m'),
      optimizers_config: {max_optimization_threads: 'auto', ...nulls('deleted_threshold', 'memmap_threshold')},
      ...nulls('shard_number', 'sharding_method', 'replication_factor', 'write_consistency_factor', 'on_disk_payload',
        'wal_config', 'quantization_config', 'sparse_vectors', 'strict_mode_config', 'metadata'),
    }],
    ['PATCH', '/collections/nulls', nulls('vectors', 'optimizers_config', 'params', 'hnsw_config', 'quantization_config',
      'sparse_vectors', 'strict_mode_config', 'metadata')],
    ['PUT', '/collections/nulls/index', {field_name: 'a', field_schema: {type: 'integer', ...nulls('lookup', 'range', 'is_principal', 'on_disk')}}],
    ['PUT', points, {points: [one], ...nulls('shard_key', 'update_filter', 'update_mode')}],
    ['PUT', points, {batch: {ids: [2], vectors: [[0, 1]], payloads: null}, ...nulls('shard_key', 'update_filter')}],
    ['PUT', `${points}/vectors`, {points: [{id: 1, vector: [2, 0]}], ...nulls('shard_key', 'update_filter')}],
    ['POST', `${points}/payload`, {payload: {a: 1}, points: [1], key: null, ...selector}],
    ['PUT', `${points}/payload`, {payload: {a: 1}, points: null, filter: {must: [{has_id: [1]}]}, ...nulls('key', 'shard_key')}],
    ['POST', `${points}/payload/delete`, {keys: ['b'], points: [1], ...selector}],
    ['POST', `${points}/batch`, {operations: [
      {set_payload: {payload: {a: 2}, points: [2], key: null, ...selector}},
      {upsert: {points: [{...one, payload: {a: 1}}], ...nulls('shard_key', 'update_filter')}},
    ]}],
    ['POST', points, {ids: [1], ...nulls('shard_key', 'with_payload', 'with_vector')}],
    ['POST', `${points}/scroll`, {...read, ...nulls('offset', 'limit', 'order_by')}],
    ['POST', `${points}/scroll`, {order_by: {key: 'a', ...nulls('direction', 'start_from')}}],
    ['POST', `${points}/count`, nulls('shard_key', 'filter', 'exact')],
    ['POST', '/collections/nulls/facet', {key: 'a', ...nulls('shard_key', 'filter', 'exact', 'limit')}],
    ['POST', `${points}/query`, {...query, query: null}],
    ['POST', `${points}/query`, {...query, query: [1, 0], params: {...nulls('hnsw_ef', 'exact', 'quantization', 'indexed_only', 'acorn')}}],
    ['POST', `${points}/query`, {query: {nearest: 1, mmr: nulls('diversity', 'candidates_limit')}}],
    ['POST', `${points}/query`, {query: {recommend: {positive: [1], ...nulls('negative', 'strategy')}}}],
    ['POST', `${points}/query`, {query: {discover: {target: 1, context: null}}}],
    ['POST', `${points}/query`, {query: {context: null}}],
    ['POST', `${points}/query`, {prefetch: [{...level, query: [1, 0]}], query: {rrf: nulls('k', 'weights')}}],
    ['POST', `${points}/query`, {filter: {must: [{...nothing, match: {value: 1}}], ...nulls('should', 'must_not', 'min_should')}}],
    ['POST', `${points}/query`, {filter: {must: [{...nothing, match: null, range: {gte: 1, ...nulls('lt', 'gt', 'lte')}}]}}],
    ['POST', `${points}/query/groups`, {...level, ...read, query: [1, 0], group_by: 'a', ...nulls('group_size', 'with_lookup')}],
  ]) {
    const answer = await http(method, path, body);
    assert.equal(answer.status, 200, `${method} ${path} ${JSON.stringify(body)}: ${await answer.text()}`);
  }
  assert.deepEqual((await client.scroll('nulls')).points, [{id: 1, payload: {a: 1}}, {id: 2, payload: {a: 2}}]);
  assert.deepEqual(ids((await client.query('nulls', {query: {context: []}})).points), [1, 2]);
  assert.equal((await client.getCollection('nulls')).config.optimizer_config.max_optimization_threads, null);
});

test('vectors of zeros, and payloads by path', async () => {
  await client.recreateCollection('zeros', {vectors: {size: 2, distance: 'Cosine'}});
  const payload = {a: {b: [{c: 1, d: 2}, {d: 3}, 4], e: 5}, s: 'x'};
  await client.upsert('zeros', {
    points: [{id: 1, vector: [0, 0], payload}, {id: 2, vector: [0, 3]}, {id: 3, vector: [0, -1]}],
  });
  assert.deepEqual(ids((await client.query('zeros', {query: [0, 1]})).points), [2, 1, 3]);
  assert.deepEqual((await client.query('zeros', {query: [0, 0]})).points.map((hit) => hit.score), [0, 0, 0]);
  assert.deepEqual((await client.retrieve('zeros', {ids: [1], with_vector: true}))[0].vector, [0, 0]);
  for (const [with_payload, part] of [
    [['a.b[].c'], {a: {b: [{c: 1}, {}, 4]}}],
    [{include: ['a.e', 's.t']}, {a: {e: 5}, s: 'x'}],
    [{include: ['a.x']}, {a: {}}],
    [{exclude: ['a.b[].d', 's']}, {a: {b: [{c: 1}, {}, 4], e: 5}}],
  ])
    assert.deepEqual((await client.retrieve('zeros', {ids: [1], with_payload}))[0].payload, part);
  for (const [key, whole] of [
    ['list[0].x', {list: []}],
    ['list[].x', {list: []}],
    ['y.z', {list: [], y: {z: {n: 1}}}],
  ]) {
    await client.setPayload('zeros', {payload: {n: 1, gone: null}, key, points: [2]});
    assert.deepEqual((await client.retrieve('zeros', {ids: [2]}))[0].payload, whole);
  }
});

test('all answers were of the shapes of the description', () => {
  assert.deepEqual(answers.wrong, []);
  assert.deepEqual(answers.unseen(), []);
});

test('every method of the client was called', () => {
  const methods = Object.getOwnPropertyNames(QdrantClient.prototype).filter(
    (name) => name !== 'constructor',
  );
  assert.deepEqual(
    methods.filter((name) => !called.has(name)),
    [],
  );
});

process.exit(
  await runCases('qdrant_client_test', {
    before: async () => {
      server = await startServer(program);
      answers = checkAnswers(server.url);
      client = watched(new QdrantClient({url: server.url}));
    },
    after: () => server?.stop(),
  }),
);
