// page_test.mjs SIGHTLINE: the web page in a real browser, served by the real program.
//
// Needs Debian's chromium (or $CHROMIUM) and npm's playwright-core. ONLY=words runs cases whose
// name holds the words; a failed case leaves a screenshot in $TMPDIR.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {chromium} from 'playwright-core';
import {runCases, test} from './cases.mjs';
import {drawing, drawings} from './pictures.mjs';
import {prefixProxy} from './prefix_proxy.mjs';
import {startServer} from './serve.mjs';

const program = process.argv[2];
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sightline-page-'));
const kHuge = '18446744073709551615';

let server, browser, context, page;
const troubles = []; // console errors, failed scripts, requests to elsewhere
let expected = null; // a pattern of console errors that a case provokes

async function newPage(options = {}) {
  const made = await browser.newContext({
    viewport: {width: 1280, height: 860},
    reducedMotion: 'reduce',
    acceptDownloads: true,
    ...options,
  });
  made.setDefaultTimeout(15_000);
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

const tiles = '.tile[data-key]';
/// Goes to the page with these parameters and waits for the pictures.
async function visit(query = '', on = page, base = server.url + '/') {
  await on.goto(`${base}${query}`);
  await settled(on);
}
/// Until what was asked for is on the screen.
const settled = (on = page) =>
  on.waitForFunction(
    () =>
      !document.querySelector('#results.waiting, .skeleton') &&
      (document.querySelector('.tile[data-key]') ||
        !document.querySelector('#notice').hidden ||
        !document.querySelector('#view').hidden),
  );
const names = (on = page) => on.$$eval(`${tiles} img`, (all) => all.map((one) => one.alt));
const params = (on = page) => new URL(on.url()).searchParams;
const until = (run, ...args) => page.waitForFunction(run, ...args);

async function post(route, body, to = server.url) {
  const answer = await fetch(to + route, {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${route}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

async function addDrawings(to, collection, pictures, ids = []) {
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
async function dropFile(selector, name, bytes, type = 'image/png') {
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

test('the start page shows the collection, and nothing jumps', async () => {
  await page.addInitScript(() => {
    window.shifts = 0;
    new PerformanceObserver((list) => {
      for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts += one.value;
    }).observe({type: 'layout-shift', buffered: true});
  });
  await visit();
  assert.equal(await page.getAttribute('html', 'lang'), 'en');
  assert.equal(params().get('c'), 'shapes');
  assert.equal((await names()).length, 24);
  assert.match(await page.textContent('#hero'), /24 pictures/);
  assert.match(await page.title(), /shapes · sightline/);
  await until(() =>
    [...document.querySelectorAll('.tile img')].slice(0, 12).every((one) => one.naturalWidth > 0),
  );
  const rows = await page.$$eval('.tile[data-key]', (all) =>
    all
      .map((one) => one.getBoundingClientRect())
      .map(({top, height, width}) => ({top, height, width})),
  );
  for (const one of rows.filter(({top}) => top === rows[0].top))
    assert.ok(Math.abs(one.height - rows[0].height) < 2, 'a row has one height');
  assert.ok((await page.evaluate(() => window.shifts)) < 0.1, 'layout shift');
});

test('words find pictures', async () => {
  await page.fill('#text', 'a red circle');
  await page.press('#text', 'Enter');
  await page.waitForSelector('.tile .score');
  await settled();
  assert.equal(params().get('q'), 'a red circle');
  const scores = await page.$$eval('.tile .score', (all) =>
    all.map((one) => Number(one.textContent)),
  );
  assert.equal(scores.length, 24);
  assert.deepEqual(
    scores,
    [...scores].sort((a, b) => b - a),
  );
  const found = await names();
  const answer = await post('/v1/search', {collection: 'shapes', query: 'a red circle', limit: 24});
  assert.deepEqual(
    found,
    answer.hits.map((hit) => hit.payload.title),
  );
  const firstWeak = answer.hits.findIndex((hit) => hit.strong === false);
  const divider = await page
    .$eval('.divider', (one) =>
      [...one.parentNode.querySelectorAll('.tile, .divider')].indexOf(one),
    )
    .catch(() => -1);
  assert.equal(divider, firstWeak);
});

test('a minus leaves things out', async () => {
  await page.fill('#text', 'a circle -red');
  await page.press('#text', 'Enter');
  await until(() => new URLSearchParams(location.search).get('q') === 'a circle -red');
  await settled();
  const answer = await post('/v1/search', {
    collection: 'shapes',
    query: [{text: 'a circle'}, {text: 'red', weight: -1}],
    limit: 24,
  });
  await until(
    (first) => document.querySelector('.tile img')?.alt === first,
    answer.hits[0].payload.title,
  );
  assert.deepEqual(
    await names(),
    answer.hits.map((hit) => hit.payload.title),
  );
});

test('more and less like a picture, with weights', async () => {
  await visit('?c=shapes');
  const liked = page.locator(tiles, {has: page.locator('img[alt="A blue ring"]')});
  const key = await liked.getAttribute('data-key');
  await liked.hover();
  await liked.locator('.like').click();
  await page.waitForSelector('.chip.positive');
  await settled();
  assert.equal(params().get('like'), key);
  const before = await names();
  const unliked = page.locator(tiles).nth(3);
  const other = await unliked.getAttribute('data-key');
  await unliked.hover();
  await unliked.locator('.unlike').click();
  await page.waitForSelector('.chip.negative');
  await settled();
  assert.deepEqual(params().getAll('like'), [key, `${other}~-1`]);
  await until(
    (old) => [...document.querySelectorAll('.tile img')].map((one) => one.alt).join() !== old,
    before.join(),
  );

  await page.click('.chip.negative .chip-face');
  const slider = page.locator('.chip.negative input[type=range]');
  await slider.fill('-0.4');
  await until(() => new URLSearchParams(location.search).getAll('like')[1]?.endsWith('~-0.4'));
  assert.match(await page.textContent('.chip.negative .weight-text'), /0\.4/);
  await page.keyboard.press('Escape');
  await page.locator('.chip.negative .chip-remove').click();
  await page.waitForSelector('.chip.negative', {state: 'detached'});
  assert.deepEqual(params().getAll('like'), [key]);
});

test('filters: values with counts, numbers, dates, words', async () => {
  await visit('?c=shapes');
  await page.click('#toggle-filters');
  const colour = page.locator('.filter[data-field=colour]');
  await colour.locator('.value').first().waitFor();
  assert.equal(await colour.locator('.value').count(), 4);
  assert.equal(await colour.locator('.value .number').first().textContent(), '6');
  await colour.locator('.value', {hasText: 'red'}).click();
  await until(() => document.querySelectorAll('.tile[data-key]').length === 6);
  assert.ok((await names()).every((name) => name.includes('red')));
  assert.equal(params().get('is.colour'), 'red');
  // Other values of the field can still be added.
  await colour.locator('.value', {hasText: 'blue'}).click();
  await until(() => document.querySelectorAll('.tile[data-key]').length === 12);
  await page.locator('.filter[data-field=number] .exact').first().fill('100');
  await page.keyboard.press('Tab');
  await until(() => new URLSearchParams(location.search).get('from.number') === '100');
  await until(() => document.querySelectorAll('.tile[data-key]').length === 7);
  await page.locator('.filter[data-field=bought] input[type=date]').last().fill('2024-03-13');
  await until(() => new URLSearchParams(location.search).get('to.bought') === '2024-03-13');
  await until(() => document.querySelectorAll('.tile[data-key]').length === 1);
  assert.deepEqual(await names(), ['A red cross']);
  assert.equal(await page.textContent('#filter-count'), '3');
  assert.equal(await page.locator('#active-filters .chip').count(), 4);
  await page.click('text=Clear all');
  await until(() => document.querySelectorAll('.tile[data-key]').length === 24);
});

test('sorting', async () => {
  await page.selectOption('#sort', '-number');
  await until(() => document.querySelector('.tile img')?.alt === 'A yellow stripes');
  assert.equal(params().get('sort'), '-number');
  assert.deepEqual(
    await names(),
    drawings()
      .map((one) => one.payload.title)
      .reverse(),
  );
});

test('back, forward and reload show what was there', async () => {
  await visit('?c=shapes&q=a+blue+square');
  const blue = await names();
  await page.fill('#text', 'a green triangle');
  await page.press('#text', 'Enter');
  await until(
    (old) => [...document.querySelectorAll('.tile img')].map((one) => one.alt).join() !== old,
    blue.join(),
  );
  const green = await names();
  await page.goBack();
  await until(
    (old) => [...document.querySelectorAll('.tile img')].map((one) => one.alt).join() === old,
    blue.join(),
  );
  assert.equal(await page.inputValue('#text'), 'a blue square');
  await page.goForward();
  await until(
    (old) => [...document.querySelectorAll('.tile img')].map((one) => one.alt).join() === old,
    green.join(),
  );
  await page.reload();
  await settled();
  assert.equal(await page.inputValue('#text'), 'a green triangle');
  assert.deepEqual(await names(), green);
});

test('a dropped picture finds itself; reload keeps it, another browser says that it is not there', async () => {
  await visit('?c=shapes');
  await dropFile('[data-drop=search]', 'mine.png', drawing('cross', 'yellow', 160, 120));
  await page.waitForSelector('.chip[data-key=picture] img');
  await settled();
  await until(() => document.querySelector('.tile img')?.alt === 'A yellow cross');
  const shared = page.url();
  await page.reload();
  await page.waitForSelector('.chip[data-key=picture] img');
  await until(() => document.querySelector('.tile img')?.alt === 'A yellow cross');
  const other = await newPage();
  await other.goto(shared);
  await other.waitForSelector('#notice:not([hidden])');
  assert.match(await other.textContent('#notice'), /another browser/);
  await other.context().close();
});

test('a pasted picture joins words', async () => {
  await visit('?c=shapes&q=red');
  await page.evaluate((base64) => {
    const data = new DataTransfer();
    data.items.add(
      new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'pasted.png', {
        type: 'image/png',
      }),
    );
    document.dispatchEvent(
      new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}),
    );
  }, drawing('ring', 'red').toString('base64'));
  await page.waitForSelector('.chip[data-key=picture] img');
  assert.equal(await page.locator('.chip').count(), 2);
  await until(() => document.querySelector('.tile img')?.alt === 'A red ring');
});

test('the keyboard does it all', async () => {
  await visit('?c=shapes');
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'text');
  await page.keyboard.type('a red square');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.tile .score');
  await settled();
  await page.keyboard.press('ArrowDown');
  const focused = () =>
    page.evaluate(() => document.activeElement.closest('.tile')?.querySelector('img').alt);
  const order = await names();
  assert.equal(await focused(), order[0]);
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(), order[1]);
  await page.keyboard.press('ArrowDown');
  assert.ok(order.indexOf(await focused()) > 2);
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog.detail[open] #detail-title');
  assert.equal(await page.textContent('#detail-title'), order[0]);
  await page.keyboard.press('ArrowRight');
  await until((title) => document.querySelector('#detail-title')?.textContent === title, order[1]);
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog.detail', {state: 'detached'});
  assert.equal(await focused(), order[1], 'the focus returns to the picture');
  await page.keyboard.press(' ');
  assert.match(await page.textContent('#selection'), /1 selected/);
  await page.keyboard.press('Escape');
  assert.ok(await page.isHidden('#selection'));
  await page.keyboard.press('x');
  await page.waitForSelector('.chip.negative');
  await settled();
  await page.keyboard.press('?');
  await page.waitForSelector('dialog.help[open]');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog.help', {state: 'detached'});
});

test('the detail view has payload, scores and facts', async () => {
  await visit('?c=shapes&q=a+green+ring');
  const title = (await names())[0];
  await page.locator(`${tiles} .tile-link`).first().click();
  const sheet = page.locator('dialog.detail .sheet');
  await sheet.waitFor();
  const text = await sheet.textContent();
  assert.ok(text.includes(title));
  assert.match(text, /Score/);
  assert.match(text, /\d+ × 96/);
  assert.match(text, /PNG/);
  await page.waitForSelector('.large.there');
  await page.waitForSelector('.strip img');
  // A link to it holds, and a value of the payload becomes a filter.
  await page.reload();
  await page.waitForSelector('dialog.detail .sheet');
  await page.locator('.fact', {hasText: 'Shape'}).locator('.word').click();
  await page.waitForSelector('dialog.detail', {state: 'detached'});
  await until(() => document.querySelectorAll('.tile[data-key]').length === 4);
});

test('a choice of title and credit', async () => {
  await visit('?c=shapes&title=shape&credit=colour&sort=number');
  assert.equal(await page.textContent('.tile .title'), 'circle');
  assert.equal(await page.textContent('.tile .credit'), 'red');
});

test('many are tagged and exported', async () => {
  await visit('?c=shapes&sort=number');
  await page.click('#toggle-select');
  await page.locator(`${tiles} .tile-link`).nth(0).click();
  await page
    .locator(`${tiles} .tile-link`)
    .nth(2)
    .click({modifiers: ['Shift']});
  assert.match(await page.textContent('#selection'), /3 selected/);
  await page.click('#selection >> text=Tag');
  await page.fill('dialog input[placeholder]', 'first, best');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog', {state: 'detached'});
  const tagged = await post('/collections/shapes/points/count', {
    filter: {must: [{key: 'tags', match: {value: 'best'}}]},
    exact: true,
  });
  assert.equal(tagged.result.count, 3);
  const download = async (label) => {
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.click(`#selection [aria-label="${label}"]`),
    ]);
    return fs.readFileSync(await file.path(), 'utf8');
  };
  const json = JSON.parse(await download('Export as JSON'));
  assert.deepEqual(json.map((one) => one.payload.title).sort(), [
    'A blue circle',
    'A green circle',
    'A red circle',
  ]);
  assert.deepEqual(json[0].payload.tags, ['first', 'best']);
  const csv = (await download('Export as CSV')).trim().split('\r\n');
  assert.equal(csv.length, 4);
  assert.match(csv[0], /^id,.*colour/);
  await page.keyboard.press('Escape');
});

test('pictures are added, a broken one does not stop the others', async () => {
  await visit('?c=shapes');
  await page.keyboard.press('u');
  const files = [
    {name: 'new-square.png', mimeType: 'image/png', buffer: drawing('square', 'blue', 200, 120)},
    {name: 'broken.png', mimeType: 'image/png', buffer: Buffer.from('this is no picture')},
  ];
  await page.setInputFiles('#upload-files', files);
  await page.click('dialog.upload .main');
  await page.waitForSelector('.uploads .bad');
  assert.match(await page.textContent('.uploads li:nth-child(1)'), /Added/);
  assert.match(await page.textContent('.uploads li:nth-child(2)'), /broken\.png/);
  await page.click('dialog.upload >> text=Done');
  await until(() => document.querySelectorAll('.tile[data-key]').length === 25);
});

test('pictures dropped where they are added', async () => {
  await dropFile('[data-drop=add]', 'dropped.png', drawing('ring', 'yellow', 220, 120));
  await page.waitForSelector('dialog.upload .uploads li');
  await page.click('dialog.upload .main');
  await page.waitForSelector('.uploads .good');
  await page.click('dialog.upload >> text=Done');
  await until(() => document.querySelectorAll('.tile[data-key]').length === 26);
});

test('duplicates are found, all but the largest selected and deleted', async () => {
  const copies = [
    {name: 'large.png', bytes: drawing('stripes', 'red', 300, 240), payload: {title: 'large'}},
    {name: 'small.png', bytes: drawing('stripes', 'red', 150, 120), payload: {title: 'small'}},
  ];
  await addDrawings(server.url, 'twins', copies);
  await visit('?c=twins&view=duplicates');
  await page.waitForSelector('.twin');
  assert.deepEqual(await page.$$eval('.twin .title', (all) => all.map((one) => one.textContent)), [
    'large',
    'small',
  ]);
  await page.click('.view-head >> text=Select all but the largest');
  assert.match(await page.textContent('#selection'), /1 selected/);
  await page.click('#selection >> text=Delete');
  await page.click('dialog .danger');
  await page.waitForSelector('.twin', {state: 'detached'});
  const left = await post('/v1/search', {collection: 'twins', limit: 10});
  assert.deepEqual(
    left.hits.map((hit) => hit.payload.title),
    ['large'],
  );
});

test('pictures are deleted from the grid', async () => {
  await visit('?c=shapes&sort=-_image.width');
  const gone = page.locator(tiles).first();
  await gone.hover();
  await gone.locator('.pick').click();
  await page.click('#selection >> text=Delete');
  await page.click('dialog .danger');
  await until(() => document.querySelectorAll('.tile[data-key]').length === 25);
  const count = await post('/collections/shapes/points/count', {exact: true});
  assert.equal(count.result.count, 25);
});

test('ids that doubles cannot hold stay exact', async () => {
  await addDrawings(
    server.url,
    'shapes',
    [{name: 'huge.png', bytes: drawing('cross', 'blue', 130, 96), payload: {title: 'huge'}}],
    [kHuge],
  );
  const asked = page.waitForRequest(
    (request) => request.url().endsWith('/v1/search') && request.postData()?.includes(kHuge),
  );
  await visit(`?c=shapes&like=${kHuge}&id=${kHuge}`);
  assert.ok((await asked).postData().includes(`"id":${kHuge}`));
  assert.equal(await page.textContent('#detail-title'), 'huge');
  assert.ok((await page.textContent('.sheet')).includes(kHuge));
});

test('statistics, and a job with its progress', async () => {
  const pictures = path.join(folder, 'pictures');
  fs.mkdirSync(pictures);
  for (const one of drawings().slice(0, 6))
    fs.writeFileSync(path.join(pictures, one.name), one.bytes);
  await visit('?c=shapes&view=statistics');
  await page.waitForSelector('.figure');
  assert.match(await page.textContent('.figures'), /26.*points/);
  assert.match(await page.textContent('.statistics'), /Fields/);
  await page.fill('.job-form .wide input', pictures);
  await page.fill('.job-form .field:not(.wide) input', 'by-job');
  await page.click('.job-form button');
  await page.waitForSelector('.job.done');
  assert.match(await page.textContent('.job.done'), /6 indexed/);
  await page.click('#chooser');
  await page.click('.menu-row >> text=by-job');
  await until(() => new URLSearchParams(location.search).get('c') === 'by-job');
  await page.click('#home');
  await until(() => document.querySelectorAll('.tile[data-key]').length === 6);
});

test('an error is said, and can be tried again', async () => {
  expected = /Failed to load resource/;
  await page.route('**/v1/search', (route) =>
    route.fulfill({
      status: 500,
      contentType: 'application/json',
      body: '{"error": {"message": "out of breath"}}',
    }),
  );
  await visit('?c=shapes&q=anything');
  assert.match(await page.textContent('#notice'), /out of breath/);
  await page.unroute('**/v1/search');
  await page.click('#notice >> text=Try again');
  await page.waitForSelector(tiles);
  await visit('?c=no-such-collection');
  assert.match(await page.textContent('#notice'), /no-such-collection/);
  expected = null;
});

test('nothing there yet', async () => {
  await visit(`?c=shapes&is.colour=purple`);
  assert.match(await page.textContent('#notice'), /Nothing fits/);
  const empty = await startServer(program);
  const fresh = await newPage();
  await visit('', fresh, empty.url + '/');
  assert.match(await fresh.textContent('#notice'), /Nothing here yet/);
  await fresh.context().close();
  await empty.stop();
});

test('a server with keys asks for one', async () => {
  const locked = await startServer(program, {
    data: server.data === undefined ? undefined : fs.mkdtempSync(path.join(folder, 'locked-')),
    env: {SIGHTLINE_SERVER_API_KEY: 'a key for the test'},
  });
  expected = /401/;
  const guest = await newPage();
  await guest.goto(locked.url + '/');
  await guest.waitForSelector('dialog[open] input[type=password]');
  await guest.fill('dialog input[type=password]', 'another key');
  await guest.keyboard.press('Enter');
  await guest.waitForSelector('dialog .bad-text:not(:empty)');
  await guest.fill('dialog input[type=password]', 'a key for the test');
  await guest.keyboard.press('Enter');
  await guest.waitForSelector('dialog', {state: 'detached'});
  await settled(guest);
  assert.match(await guest.textContent('#notice'), /Nothing here yet/);
  const [cookie] = await guest.context().cookies();
  assert.ok(cookie.httpOnly);
  assert.equal(cookie.sameSite, 'Strict');
  await guest.reload();
  await settled(guest);
  assert.equal(await guest.locator('dialog').count(), 0);
  await guest.context().close();
  await locked.stop();
  expected = null;
});

test("behind a proxy's prefix", async () => {
  const proxy = await prefixProxy(server.url, '/deep/pictures');
  const outside = [];
  const guest = await newPage();
  guest.on('request', (request) => {
    if (
      request.url().startsWith(proxy.url) &&
      !request.url().startsWith(`${proxy.url}/deep/pictures/`)
    )
      outside.push(request.url());
  });
  await visit('?c=shapes&q=a+ring', guest, `${proxy.url}/deep/pictures/`);
  await guest.waitForFunction(() => document.querySelector('.tile img')?.naturalWidth > 0);
  await guest.locator(`${tiles} .tile-link`).first().click();
  await guest.waitForSelector('.large.there');
  assert.ok(guest.url().startsWith(`${proxy.url}/deep/pictures/?`));
  assert.deepEqual(outside, []);
  await guest.context().close();
  await proxy.close();
});

test('dark, light, phone: contrast holds and nothing hangs over', async () => {
  for (const options of [
    {colorScheme: 'dark'},
    {colorScheme: 'light'},
    {colorScheme: 'dark', viewport: {width: 390, height: 844}, hasTouch: true, isMobile: true},
  ]) {
    const one = await newPage(options);
    await visit('?c=shapes&q=a+ring&panel=1', one);
    await one.waitForSelector('.filter');
    const {ratios, wide, dark} = await one.evaluate(() => {
      const luminance = (name) => {
        const probe = document.body.appendChild(document.createElement('i'));
        probe.style.color = `var(${name})`;
        const parts = getComputedStyle(probe)
          .color.match(/[\d.]+/g)
          .map(Number)
          .map((v) => v / 255)
          .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        probe.remove();
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const contrast = (a, b) => {
        const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05);
      };
      const pairs = [
        ['--ink', '--paper'],
        ['--muted', '--paper'],
        ['--muted', '--surface'],
        ['--muted', '--raised'],
        ['--muted', '--sunken'],
        ['--accent', '--surface'],
        ['--accent', '--accent-soft'],
        ['--on-accent', '--accent'],
        ['--good', '--good-soft'],
        ['--bad', '--bad-soft'],
        ['--bad', '--paper'],
        ['--accent', '--paper'],
      ];
      return {
        ratios: pairs.map(([a, b]) => [`${a} on ${b}`, contrast(a, b)]),
        wide: document.documentElement.scrollWidth - innerWidth,
        dark: luminance('--paper') < 0.1,
      };
    });
    for (const [pair, ratio] of ratios)
      assert.ok(ratio >= 4.5, `${options.colorScheme}: ${pair} is ${ratio.toFixed(2)}`);
    assert.ok(wide <= 0, `${wide} pixels hang over`);
    assert.equal(dark, options.colorScheme === 'dark');
    if (options.isMobile) {
      await one.locator('[aria-label="Close the filters"]').click();
      await one.locator(`${tiles} .tile-link`).first().tap();
      await one.waitForSelector('dialog.detail .sheet');
      assert.ok(
        await one.evaluate(() => document.querySelector('dialog.detail').scrollWidth <= innerWidth),
      );
    }
    await one.context().close();
  }
});

test('everything that can be pressed has a name, every picture its words', async () => {
  await visit('?c=shapes&q=a+ring&panel=1');
  await page.waitForSelector('.filter');
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll('a, button, input, select')]
      .filter(
        (one) =>
          one.offsetParent &&
          !one.labels?.length &&
          !(
            one.getAttribute('aria-label') ||
            one.textContent.trim() ||
            one.querySelector('img[alt]:not([alt=""])')
          ),
      )
      .map((one) => one.outerHTML.slice(0, 200)),
  );
  assert.deepEqual(nameless, []);
  assert.equal(await page.locator('img:not([alt])').count(), 0);
});

test('no errors in the console, no requests to elsewhere', async () => {
  assert.deepEqual(troubles, []);
});

process.exit(
  await runCases('page_test', {
    before: async () => {
      server = await startServer(program, {env: {SIGHTLINE_SERVER_ALLOWED_ROOTS: folder}});
      const pictures = drawings();
      await addDrawings(server.url, 'shapes', pictures);
      browser = await chromium.launch({
        executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
        args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
      });
      page = await newPage();
      context = page.context();
    },
    after: async () => {
      await context?.close();
      await browser?.close();
      await server?.stop();
      fs.rmSync(folder, {recursive: true, force: true});
    },
    onFailure: (name) =>
      page.screenshot({
        path: path.join(os.tmpdir(), `page_test-${name.replaceAll(/\W+/g, '-')}.png`),
      }),
  }),
);
