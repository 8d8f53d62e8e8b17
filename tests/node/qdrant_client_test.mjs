// qdrant_client_test.mjs: drives a running server with the official Qdrant client.
//
//   node qdrant_client_test.mjs PROGRAM      PROGRAM is `sightline`; ONLY=text runs the cases that hold it
//
// Every method of the client is called: what sightline has is compared with what Qdrant answers,
// what it leaves out has to be a 501. Node 22 or later: older ones lose bits of 64-bit ids.

import assert from 'node:assert/strict';

import {QdrantClient} from '@qdrant/js-client-rest';

import {runCases, test} from './cases.mjs';
import {answers, called, start, stop} from './qdrant_harness.mjs';
import './qdrant_collection_cases.mjs';
import './qdrant_point_cases.mjs';
import './qdrant_query_cases.mjs';
import './qdrant_edge_cases.mjs';

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

process.exit(await runCases('qdrant_client_test', {before: start, after: stop}));
