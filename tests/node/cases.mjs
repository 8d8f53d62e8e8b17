// cases.mjs: runs cases one after the other and reports them as GoogleTest does (GTEST_OUTPUT).

import fs from 'node:fs';

const cases = [];
/// Cases run in order and may build on those before.
export const test = (name, run) => cases.push({name, run});

const escape = (text) =>
  text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[^\x09\x0a\x20-\ufffd]/g, '?');

/// Runs all (or those whose name holds `only`); returns the exit code.
export async function runCases(
  suite,
  {
    only = process.env.ONLY ?? '',
    before = async () => {},
    after = async () => {},
    onFailure = async () => {},
  } = {},
) {
  const results = [];
  const began = Date.now();
  await before();
  for (const {name, run} of cases) {
    if (only && !name.includes(only)) continue;
    const start = Date.now();
    let failure = null;
    try {
      await run();
    } catch (error) {
      failure = error.stack ?? String(error);
      await onFailure(name).catch(() => {});
    }
    results.push({name, failure, seconds: (Date.now() - start) / 1000});
    console.log(
      `${failure ? 'FAILED' : 'ok    '} ${name} (${Date.now() - start} ms)${failure ? `\n${failure}` : ''}`,
    );
  }
  await after();
  const failures = results.filter((one) => one.failure).length;
  console.log(`${results.length - failures} passed, ${failures} failed`);
  const output = process.env.GTEST_OUTPUT ?? '';
  if (output.startsWith('xml:')) {
    const file = output.endsWith('/') ? `${output.slice(4)}${suite}.xml` : output.slice(4);
    const counts = `tests="${results.length}" failures="${failures}" disabled="0" errors="0" time="${(Date.now() - began) / 1000}"`;
    fs.writeFileSync(
      file,
      `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${counts} name="AllTests">\n<testsuite name="${suite}" ${counts}>\n${results
        .map(
          (one) =>
            `<testcase name="${escape(one.name)}" classname="${suite}" status="run" time="${one.seconds}">${one.failure ? `<failure message="${escape(one.failure)}"/>` : ''}</testcase>`,
        )
        .join('\n')}\n</testsuite>\n</testsuites>\n`,
    );
  }
  return failures || !results.length ? 1 : 0;
}
