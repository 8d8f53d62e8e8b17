// qdrant_point_cases.mjs: points, payloads and vectors are written, read, scrolled and counted.

import assert from 'node:assert/strict';

import {test} from './cases.mjs';
import {client, fails, http, ids, kMaxId, kUuid, tenPoints} from './qdrant_harness.mjs';

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
  await fails(client.delete('ten', {filter: {must: [{key: 'a'}]}}), 422, 'Validation error');
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
