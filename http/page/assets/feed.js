// feed.js: fills the grid from a search, page by page, and says so where there is nothing to show.

import {may} from './collection.js';
import {$, fill, h, toast} from './dom.js';
import {clearFilters} from './filters.js';
import {
  allHits,
  appendHits,
  clearGrid,
  removeTiles,
  showHits,
  summaryText,
  waitGrid,
} from './grid.js';
import {forgetResults, resultsFor} from './results.js';
import {go, hasQuery, numFilters, state} from './state.js';
import {openUpload} from './upload.js';

let results = null;

export function notice(title, words, ...buttons) {
  const box = $('#notice');
  box.hidden = !title;
  fill(
    box,
    title && h('h2', {}, title),
    title && words && h('p', {class: 'muted'}, words),
    buttons.length > 0 && h('div', {class: 'buttons centre'}, buttons),
  );
}
export const button = (label, run, main = false) =>
  h('button', {type: 'button', class: main ? 'button main' : 'button', onclick: run}, label);

function explain() {
  if (results.error) {
    notice(
      results.error.status === 0
        ? 'No answer'
        : results.error.status === 404
          ? 'Not found'
          : 'That did not work',
      results.error.message,
      button(
        'Try again',
        () => {
          forgetResults();
          showResults(true);
        },
        true,
      ),
    );
  } else if (results.pictureMissing) {
    notice(
      results.hits.length ? '' : 'That picture is in another browser',
      'A picture of your own stays where it was dropped; the link holds the rest of the search. Drop it here again to see the same.',
      button('Choose a picture', () => $('#picture-file').click(), true),
      button('Search without it', () => go({picture: null})),
    );
    if (results.hits.length)
      toast(
        'The picture of this search stayed in the browser it was dropped into; this is the rest of the search.',
      );
  } else if (!results.hits.length && results.done) {
    if (numFilters(state))
      notice(
        'Nothing fits these filters',
        'Fewer conditions may help.',
        button('Clear the filters', clearFilters, true),
      );
    else if (!hasQuery(state)) showEmpty();
    else notice('Nothing found', 'This collection has nothing to compare with.');
  } else {
    notice('');
  }
}

function showEmpty() {
  const name = state.collection;
  notice(
    name ? 'An empty collection' : 'Nothing here yet',
    may('write', name)
      ? 'Drop pictures anywhere on this page, or index a folder of the server. They can be searched as soon as they are in.'
      : 'Nobody has added pictures yet.',
    ...(may('write', name) ? [button('Add pictures', () => openUpload(), true)] : []),
    ...(may('admin')
      ? [button('Index a folder of the server', () => go({view: 'statistics'}))]
      : []),
  );
}

const near = () => $('#sentinel').getBoundingClientRect().top < innerHeight * 2.2;

/// Loads on while the end of the grid is near.
async function loadOn() {
  const mine = results;
  while (mine === results && !mine.done && !mine.error && near() && !state.view) await loadMore();
}
export async function loadMore() {
  const mine = results;
  if (!mine || mine.done) return [];
  const fresh = await mine.more();
  if (mine !== results) return [];
  const shown = allHits().length;
  if (mine.hits.length > shown) appendHits(mine.hits.slice(shown));
  $('#summary').textContent = summaryText(mine);
  explain();
  return fresh;
}

/// The results of the state; pictures on the screen stay until the first new ones are here.
export async function showResults(fresh) {
  results?.loading && results.hits.length === 0 && results.abort.abort();
  if (!state.collection) {
    results = null;
    clearGrid(false);
    $('#summary').textContent = '';
    return showEmpty();
  }
  const mine = resultsFor(state);
  results = mine;
  const wanted = fresh ? 1 : Math.min(600, history.state?.shown ?? 1);
  if (mine.hits.length === 0) {
    if (allHits().length) waitGrid();
    else clearGrid(true);
    notice('');
  }
  while (mine === results && mine.hits.length < wanted && !mine.done && !mine.error)
    await mine.more();
  if (mine !== results) return undefined;
  showHits(mine.hits);
  $('#summary').textContent = summaryText(mine);
  explain();
  scrollTo({top: fresh ? 0 : (history.state?.scroll ?? 0), behavior: 'instant'});
  return loadOn();
}

new IntersectionObserver(
  (entries) => entries.some((one) => one.isIntersecting) && results && !state.view && loadOn(),
  {rootMargin: '1200px'},
).observe($('#sentinel'));

// Where one was, for Back and reload.
history.scrollRestoration = 'manual';
let remember;
addEventListener(
  'scroll',
  () => {
    clearTimeout(remember);
    remember = setTimeout(() => {
      if (!state.id)
        history.replaceState({...history.state, scroll: scrollY, shown: allHits().length}, '');
    }, 150);
  },
  {passive: true},
);

/// Takes away what was deleted, without asking for the rest again.
export function removeHits(keys) {
  removeTiles(keys);
  forgetResults();
  if (!results) return;
  results.remove(keys);
  $('#summary').textContent = summaryText(results);
  if (state.view) return;
  explain();
  loadOn();
}

export const hasFailed = () => Boolean(results?.error);
