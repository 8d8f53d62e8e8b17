// qdrant_collection_cases.mjs: the version, collections, aliases, payload indexes.

import assert from 'node:assert/strict';

import {test} from './cases.mjs';
import {client, fails, tenPoints} from './qdrant_harness.mjs';

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
