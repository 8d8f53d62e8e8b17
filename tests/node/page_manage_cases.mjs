// page_manage_cases.mjs: tags, uploads, duplicates, deletions, jobs, keys, proxies, looks.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {test} from './cases.mjs';
import {drawing, drawings, landscape} from './pictures.mjs';
import {prefixProxy} from './prefix_proxy.mjs';
import {
  addDrawings,
  dropFile,
  expectErrors,
  folder,
  newPage,
  page,
  params,
  post,
  program,
  server,
  settled,
  tiles,
  until,
  visit,
} from './page_harness.mjs';
import {startServer} from './serve.mjs';

const kHuge = '18446744073709551615';

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
    {name: 'large.png', bytes: landscape(300, 240), payload: {title: 'large'}},
    {name: 'small.png', bytes: landscape(150, 120), payload: {title: 'small'}},
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
  expectErrors(/Failed to load resource/);
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
  expectErrors(null);
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
    env: {SIGHTLINE_SERVER_API_KEY: 'a key for the test'},
  });
  expectErrors(/401/);
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
  expectErrors(null);
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
