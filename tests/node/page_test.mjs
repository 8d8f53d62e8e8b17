// page_test.mjs SIGHTLINE: the web page in a real browser, served by the real program.
//
// Needs Debian's chromium (or $CHROMIUM) and npm's playwright-core. ONLY=words runs cases whose
// name holds the words; a failed case leaves a screenshot in $TMPDIR.

import assert from 'node:assert/strict';
import os from 'node:os';
import path from 'node:path';
import {runCases, test} from './cases.mjs';
import {page, start, stop, troubles} from './page_harness.mjs';
import './page_search_cases.mjs';
import './page_manage_cases.mjs';

test('no errors in the console, no requests to elsewhere', async () => {
  assert.deepEqual(troubles, []);
});

process.exit(
  await runCases('page_test', {
    before: start,
    after: stop,
    onFailure: (name) =>
      page.screenshot({
        path: path.join(os.tmpdir(), `page_test-${name.replaceAll(/\W+/g, '-')}.png`),
      }),
  }),
);
