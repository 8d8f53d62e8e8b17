// page_search_cases.mjs: finding and looking: words, pictures, examples, filters, the address, the keyboard.

import assert from 'node:assert/strict';
import {test} from './cases.mjs';
import {drawing, drawings} from './pictures.mjs';
import {
  dropFile,
  names,
  newPage,
  page,
  params,
  post,
  tiles,
  settled,
  until,
  visit,
} from './page_harness.mjs';

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
  await until(() => document.querySelectorAll('.tile[data-key]').length === 2);
  assert.deepEqual((await names()).sort(), ['A blue triangle', 'A red cross']);
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
