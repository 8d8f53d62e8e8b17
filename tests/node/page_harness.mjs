// page_harness.mjs: the server, the browser and the page that the cases of page_test.mjs share.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {chromium} from 'playwright-core';
import {drawings} from './pictures.mjs';
import {startServer} from './serve.mjs';

export const program = process.argv[2];
export const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sightline-page-'));

export let server, page;
let browser;
export const troubles = []; // console errors, failed scripts, requests to elsewhere
let expected = null; // a pattern of console errors that a case provokes

export async function newPage(options = {}) {
  const made = await browser.newContext({
    viewport: {width: 1280, height: 860},
    reducedMotion: 'reduce',
    acceptDownloads: true,
    ...options,
  });
  made.setDefaultTimeout(60_000);
  const one = await made.newPage();
  one.on('console', (message) => {
    if (message.type() === 'error' && !expected?.test(message.text()))
      troubles.push(`${one.url()}: ${message.text()} ${message.location().url}`);
  });
  one.on('pageerror', (error) => troubles.push(`${one.url()}: ${error.stack}`));
  one.on('request', (request) => {
    if (!/^(http:\/\/127\.0\.0\.1:\d+\/|blob:|data:)/.test(request.url()))
      troubles.push(`a request to ${request.url()}`);
  });
  return one;
}

export const tiles = '.tile[data-key]';
/// Goes to the page with these parameters and waits for the pictures.
export async function visit(query = '', on = page, base = server.url + '/') {
  await on.goto(`${base}${query}`);
  await settled(on);
}
/// Until what was asked for is on the screen.
export const settled = (on = page) =>
  on.waitForFunction(
    () =>
      !document.querySelector('#results.waiting, .skeleton') &&
      (document.querySelector('.tile[data-key]') ||
        !document.querySelector('#notice').hidden ||
        !document.querySelector('#view').hidden),
  );
export const names = (on = page) => on.$$eval(`${tiles} img`, (all) => all.map((one) => one.alt));
export const params = (on = page) => new URL(on.url()).searchParams;
export const until = (run, ...args) => page.waitForFunction(run, ...args);

export async function post(route, body, to = server.url) {
  const answer = await fetch(to + route, {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${route}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

export async function addDrawings(to, collection, pictures, ids = []) {
  const form = new FormData();
  form.append('payload', JSON.stringify(pictures.map((one) => one.payload)));
  for (const id of ids) form.append('id', id);
  for (const one of pictures)
    form.append('image', new Blob([one.bytes], {type: 'image/png'}), one.name);
  const answer = await fetch(`${to}/v1/collections/${collection}/images`, {
    method: 'POST',
    body: form,
  });
  const result = await answer.json();
  assert.equal(result.failed, 0, JSON.stringify(result));
  return result;
}

/// Drops a file as a person would: drag over the page, then let go at `selector`.
export async function dropFile(selector, name, bytes, type = 'image/png') {
  const transfer = await page.evaluateHandle(
    ([base64, fileName, mime]) => {
      const data = new DataTransfer();
      data.items.add(
        new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], fileName, {type: mime}),
      );
      return data;
    },
    [bytes.toString('base64'), name, type],
  );
  await page.dispatchEvent('body', 'dragenter', {dataTransfer: transfer});
  await page.waitForSelector('#drop:not([hidden])');
  await page.dispatchEvent(selector, 'dragover', {dataTransfer: transfer});
  await page.dispatchEvent(selector, 'drop', {dataTransfer: transfer});
}

export const expectErrors = (pattern) => {
  expected = pattern;
};

export async function start() {
  server = await startServer(program, {env: {SIGHTLINE_SERVER_ALLOWED_ROOTS: folder}});
  await addDrawings(server.url, 'shapes', drawings());
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  page = await newPage();
}

export async function stop() {
  await browser?.close();
  await server?.stop();
  fs.rmSync(folder, {recursive: true, force: true});
}
