// qdrant_edge_cases.mjs: what is left out, the words of errors, nulls, zeros.

import assert from 'node:assert/strict';

import {test} from './cases.mjs';
import {client, fails, http, ids, tenPoints} from './qdrant_harness.mjs';

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
