// prefix_proxy.mjs: a reverse proxy that serves another server below a path of its own.

import http from 'node:http';

export async function prefixProxy(target, prefix) {
  const to = new URL(target);
  const proxy = http.createServer((request, response) => {
    if (!request.url.startsWith(`${prefix}/`)) {
      response.writeHead(404).end();
      return;
    }
    // Host is passed on as the browser sent it (nginx: proxy_set_header Host $http_host).
    const {method, headers} = request;
    const onward = http.request(
      {host: to.hostname, port: to.port, method, path: request.url.slice(prefix.length), headers},
      (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.writeHead(502).end());
    request.pipe(onward);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    close: () =>
      new Promise((resolve) => {
        proxy.closeAllConnections();
        proxy.close(resolve);
      }),
  };
}
