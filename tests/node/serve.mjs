// serve.mjs: starts `sightline serve` on a free port of loopback and stops it again.

import {spawn} from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/// `env`: settings beside the defaults. Returns {url, data, pid, kill(), stop()}; stop() removes `data` if it was made here.
export async function startServer(program, {args = [], env = {}, data} = {}) {
  const folder = data ?? fs.mkdtempSync(path.join(os.tmpdir(), 'sightline-serve-'));
  const child = spawn(program, ['serve', '--data', folder, '--listen', '127.0.0.1:0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {...process.env, SIGHTLINE_SERVER_ACCESS_LOG: 'false', ...env},
  });
  let log = '';
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    const read = (bytes) => {
      log += bytes;
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(log);
      if (found) resolve(found[0]);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', reject);
    ended.then((code) => reject(new Error(`serve ended with ${code}:\n${log}`)));
    setTimeout(
      () => reject(new Error(`serve did not say where it listens:\n${log}`)),
      60_000,
    ).unref();
  });
  for (let i = 0; ; ++i) {
    const ready = await fetch(`${url}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) break;
    if (i > 300) throw new Error(`serve did not get ready:\n${log}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    data: folder,
    pid: child.pid,
    log: () => log,
    /// kill -9; the data stays.
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async stop() {
      child.kill('SIGTERM');
      const code = await ended;
      if (!data) fs.rmSync(folder, {recursive: true, force: true});
      if (code !== 0) throw new Error(`serve ended with ${code}:\n${log}`);
    },
  };
}
