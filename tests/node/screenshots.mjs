// screenshots.mjs SIGHTLINE DATA [OUT]: the pictures of the page under docs/images, from the data
// folder of `make demo`.

import path from 'node:path';
import {chromium} from 'playwright-core';
import {startServer} from './serve.mjs';

const [program, data, out = 'docs/images'] = process.argv.slice(2);
const kDesktop = {width: 1280, height: 800};

const server = await startServer(program, {data});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});

async function shoot(name, query, {prepare = async () => {}, ...options} = {}) {
  const context = await browser.newContext({
    viewport: kDesktop,
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  await page.goto(`${server.url}/${query}`);
  await page.waitForSelector('.tile[data-key]');
  await prepare(page);
  await page.waitForLoadState('networkidle');
  await page.waitForTimeout(500);
  await page.screenshot({path: path.join(out, name), type: 'jpeg', quality: 84});
  await context.close();
}

/// Presses "more like this" on the tile at `index`.
async function press(page, index, button) {
  const tile = page.locator('.tile[data-key]').nth(index);
  await tile.hover();
  await tile.locator(button).click();
  await page.waitForSelector('.chip');
  await page.waitForFunction(() => !document.querySelector('#results.waiting'));
}

await shoot('page.jpg', '?c=stamps&q=a+butterfly');
await shoot('page-dark.jpg', '?c=stamps&q=flower&panel=1', {
  colorScheme: 'dark',
  prepare: async (page) => {
    await page.waitForSelector('.filter');
    await press(page, 1, '.like');
    await press(page, 4, '.unlike');
    await page.mouse.move(2, 2);
  },
});
await shoot('page-detail.jpg', '?c=stamps&q=a+red+kangaroo', {
  prepare: async (page) => {
    await page.locator('.tile-link').first().click();
    await page.waitForSelector('.large.there');
    await page.waitForSelector('.strip img');
  },
});
await shoot('page-phone.jpg', '?c=stamps&q=an+apple', {
  viewport: {width: 390, height: 780},
  hasTouch: true,
  isMobile: true,
  deviceScaleFactor: 1.5,
});
await browser.close();
await server.stop();
