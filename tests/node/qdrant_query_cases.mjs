// qdrant_query_cases.mjs: queries of every kind.

import assert from 'node:assert/strict';

import {test} from './cases.mjs';
import {drawing} from './pictures.mjs';
import {client, cosines, fails, http, ids, near, tenPoints} from './qdrant_harness.mjs';

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
