// mixed_http.mjs: requests as mixed_load_test.mjs sends them: each with an id of its own that its answer must carry.

import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';

/// Of mulberry32: numbers of [0, 1) that a seed repeats.
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/// One connection to the server, which lives from request to request unless one asks for its end.
export class Client {
  constructor(url, name) {
    this.url = new URL(url);
    this.name = name;
    this.sent = 0;
    this.answered = 0;
    this.hungUp = 0;
    this.agent = new http.Agent({keepAlive: true, maxSockets: 1});
  }
  close() {
    this.agent.destroy();
  }

  /// Returns {status, headers, bytes}; `body`: a Buffer or string sent as it is.
  async send(method, route, {body, headers = {}, close = false, chunked = false} = {}) {
    const id = `${this.name}-${++this.sent}`;
    const options = {
      method,
      host: this.url.hostname,
      port: this.url.port,
      path: route,
      agent: this.agent,
      headers: {'x-request-id': id, ...headers},
    };
    if (close) options.headers.connection = 'close';
    if (body !== undefined && !chunked) options.headers['content-length'] = Buffer.byteLength(body);
    const answer = await new Promise((resolve, reject) => {
      const request = http.request(options, (response) => {
        const parts = [];
        response.on('data', (bytes) => parts.push(bytes));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode,
            headers: response.headers,
            bytes: Buffer.concat(parts),
            complete: response.complete,
          }),
        );
      });
      request.on('error', reject);
      request.end(body);
    }).catch((error) => {
      throw new Error(`${method} ${route} (${id}): ${error.stack}`);
    });
    ++this.answered;
    const what = `${method} ${route} (${id}): ${answer.status} ${answer.bytes.subarray(0, 300)}`;
    assert.ok(answer.complete, `${what}: cut off`);
    assert.equal(answer.headers['x-request-id'], id, `${what}: the answer is another request's`);
    assert.ok(answer.status < 500 || answer.status === 501, what);
    answer.what = what;
    return answer;
  }

  /// Sends `body` as JSON; returns the answer's JSON, whose status must be `status`.
  async json(method, route, body, {status = 200, ...options} = {}) {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const headers = text === undefined ? {} : {'content-type': 'application/json'};
    const answer = await this.send(method, route, {
      ...options,
      body: text,
      headers: {...headers, ...options.headers},
    });
    assert.equal(answer.status, status, answer.what);
    const json = JSON.parse(answer.bytes);
    // What went wrong has the shape of its routes.
    if (status >= 400) assert.ok(json.error?.message ?? json.status?.error, answer.what);
    return json;
  }

  /// Qdrant's routes answer {result, status, time}.
  async result(method, route, body, options) {
    return (await this.json(method, route, body, options)).result;
  }

  /// A connection of its own that sends `bytes` and is cut `afterMs` later, whatever comes back.
  async hangUp(bytes, afterMs) {
    ++this.hungUp;
    await new Promise((resolve, reject) => {
      const socket = net.connect({port: this.url.port, host: this.url.hostname}, () => {
        socket.write(bytes, () =>
          setTimeout(() => {
            socket.resetAndDestroy();
          }, afterMs),
        );
      });
      socket.on('data', () => {});
      socket.on('close', resolve);
      socket.on('error', (error) =>
        ['ECONNRESET', 'EPIPE'].includes(error.code) ? resolve() : reject(error),
      );
    });
  }

  /// Sends requests behind each other on one connection without waiting; checks that the answers come
  /// in that order.
  async pipeline(routes) {
    const ids = routes.map(() => `${this.name}-${++this.sent}`);
    const text = routes
      .map(
        (route, i) =>
          `GET ${route} HTTP/1.1\r\nHost: ${this.url.host}\r\nX-Request-Id: ${ids[i]}\r\n` +
          `${i + 1 === routes.length ? 'Connection: close\r\n' : ''}\r\n`,
      )
      .join('');
    const all = await new Promise((resolve, reject) => {
      let bytes = '';
      const socket = net.connect({port: this.url.port, host: this.url.hostname}, () =>
        socket.write(text),
      );
      socket.setEncoding('latin1');
      socket.on('data', (more) => (bytes += more));
      socket.on('end', () => resolve(bytes));
      socket.on('error', reject);
    });
    const found = [...all.matchAll(/^x-request-id: (.*)\r$/gim)].map((match) => match[1]);
    assert.deepEqual(found, ids, `answers to pipelined requests:\n${all}`);
    assert.equal([...all.matchAll(/HTTP\/1\.1 200 OK\r\n/g)].length, routes.length, all);
    this.answered += routes.length;
  }
}

/// A multipart/form-data body of [{name, value} or {name, fileName, bytes}].
export function form(parts) {
  const boundary = `----mixed${parts.length}boundary`;
  const bytes = [];
  for (const {name, value, fileName, bytes: content} of parts) {
    const file = fileName ? `; filename="${fileName}"\r\nContent-Type: image/png` : '';
    bytes.push(
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`),
      content ?? Buffer.from(value),
      Buffer.from('\r\n'),
    );
  }
  bytes.push(Buffer.from(`--${boundary}--\r\n`));
  return {
    body: Buffer.concat(bytes),
    headers: {'content-type': `multipart/form-data; boundary=${boundary}`},
  };
}
