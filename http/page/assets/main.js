// main.js: starts the page and shows what the state says, whenever it changes.

import {$, h, icon, openDialog, toast} from './dom.js';
import * as api from './api.js';
import {count, plural} from './format.js';
import {collectionInfo, defaultCollection, forgetCollection, loadServer, may, server} from './collection.js';
import {setDetailHooks, showDetail} from './detail.js';
import {showCollections, showDisplay, showSort} from './display.js';
import {duplicateKeys, markDuplicates, showDuplicates} from './duplicates.js';
import {clearFilters, showActiveFilters, showFilters} from './filters.js';
import {allHits, appendHits, clearGrid, markAll, relabel, removeTiles, showHits, summaryText, waitGrid} from './grid.js';
import {openHelp} from './keys.js';
import {showOperands} from './operands.js';
import {findPicture, keepPicture} from './pictures.js';
import {forgetResults, resultsFor} from './results.js';
import {clearSelection, setSelectionHooks, toggleSelecting} from './selection.js';
import {cleared, go, hasQuery, numFilters, onChange, searchKey, state, stateUrl} from './state.js';
import {pollJobs, setJobHook, showStatistics} from './statistics.js';
import {filesOf, openUpload, setUploadHook} from './upload.js';

const text = $('#text');
let results = null;

// ---- The key

api.whenKeyIsWanted(() => new Promise((resolve, reject) => {
  const field = h('input', {type: 'password', required: true, autocomplete: 'current-password', 'aria-describedby': 'key-wrong'});
  const wrong = h('p', {class: 'bad-text', id: 'key-wrong', role: 'alert'});
  let opened = false;
  const form = h('form', {method: 'dialog'}, h('h2', {id: 'key-title'}, icon('key'), 'This server wants a key'),
    h('p', {class: 'muted'}, 'It is traded for a cookie of this browser and not kept by the page.'),
    h('label', {class: 'field'}, 'Key', field), wrong,
    h('div', {class: 'buttons'}, h('button', {type: 'submit', class: 'button main'}, 'Open')));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await api.openSession(field.value);
      opened = true;
      dialog.close();
    } catch (error) {
      wrong.textContent = error.status === 401 ? 'This is not a key of this server.' : error.message;
      field.select();
    }
  });
  const dialog = openDialog({class: 'dialog narrow', 'aria-labelledby': 'key-title'}, form,
    () => (opened ? resolve() : reject(new api.ApiError(401, 'Without a key there is nothing to see here.'))));
  field.focus();
}));

// ---- The grid

function notice(title, words, ...buttons) {
  const box = $('#notice');
  box.hidden = !title;
  box.replaceChildren(...(title ? [h('h2', {}, title), words && h('p', {class: 'muted'}, words), buttons.length > 0 && h('div', {class: 'buttons centre'}, buttons)].filter(Boolean) : []));
}
const button = (label, run, main = false) => h('button', {type: 'button', class: main ? 'button main' : 'button', onclick: run}, label);

function explain() {
  if (results.error) {
    notice(results.error.status === 0 ? 'No answer' : results.error.status === 404 ? 'Not found' : 'That did not work', results.error.message, button('Try again', () => {
      forgetResults();
      showResults(true);
    }, true));
  } else if (results.pictureMissing) {
    notice(results.hits.length ? '' : 'That picture is in another browser',
      'A picture of your own stays where it was dropped; the link holds the rest of the search. Drop it here again to see the same.',
      button('Choose a picture', () => $('#picture-file').click(), true), button('Search without it', () => go({picture: null})));
    if (results.hits.length) toast('The picture of this search stayed in the browser it was dropped into; this is the rest of the search.');
  } else if (!results.hits.length && results.done) {
    if (numFilters(state)) notice('Nothing fits these filters', 'Fewer conditions may help.', button('Clear the filters', clearFilters, true));
    else if (!hasQuery(state)) showEmpty();
    else notice('Nothing found', 'This collection has nothing to compare with.');
  } else {
    notice('');
  }
}

function showEmpty() {
  const name = state.collection;
  notice(name ? 'An empty collection' : 'Nothing here yet',
    may('write', name) ? 'Drop pictures anywhere on this page, or index a folder of the server. They can be searched as soon as they are in.' : 'Nobody has added pictures yet.',
    ...(may('write', name) ? [button('Add pictures', () => openUpload(), true)] : []),
    ...(may('admin') ? [button('Index a folder of the server', () => go({view: 'statistics'}))] : []));
}

const near = () => $('#sentinel').getBoundingClientRect().top < innerHeight * 2.2;

/// Loads on while the end of the grid is near.
async function fill() {
  const mine = results;
  while (mine === results && !mine.done && !mine.error && near() && !state.view) await loadMore();
}
async function loadMore() {
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
async function showResults(fresh) {
  results?.loading && results.hits.length === 0 && results.abort.abort();
  const mine = resultsFor(state);
  results = mine;
  if (!state.collection) {
    clearGrid(false);
    $('#summary').textContent = '';
    return showEmpty();
  }
  const wanted = fresh ? 1 : Math.min(600, history.state?.shown ?? 1);
  if (mine.hits.length === 0) {
    if (allHits().length) waitGrid();
    else clearGrid(true);
    notice('');
  }
  while (mine === results && mine.hits.length < wanted && !mine.done && !mine.error) await mine.more();
  if (mine !== results) return undefined;
  showHits(mine.hits);
  $('#summary').textContent = summaryText(mine);
  explain();
  scrollTo({top: fresh ? 0 : history.state?.scroll ?? 0, behavior: 'instant'});
  return fill();
}

new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && results && !state.view && fill(), {rootMargin: '1200px'})
  .observe($('#sentinel'));

// Where one was, for Back and reload.
history.scrollRestoration = 'manual';
let remember;
addEventListener('scroll', () => {
  clearTimeout(remember);
  remember = setTimeout(() => {
    if (!state.id) history.replaceState({...history.state, scroll: scrollY, shown: allHits().length}, '');
  }, 150);
}, {passive: true});

// ---- The state

/// On the start page: the most frequent values of the first field that has some, to begin with.
async function showTopics() {
  const list = $('#topics');
  const name = state.collection;
  if (list.dataset.of === name) return;
  list.dataset.of = name;
  list.replaceChildren();
  try {
    const {fields} = await collectionInfo(name);
    const field = fields.find((one) => one.facet && one.type === 'keyword' && !one.field.startsWith('_image'))?.field;
    if (!field || name !== state.collection) return;
    const [{values}] = await api.facets(name, [field], null, 12);
    list.replaceChildren(...values.map(({value}) => h('li', {}, h('a', {class: 'pill', href: stateUrl({...state, is: {[field]: [value]}}),
      onclick: (event) => {
        if (event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        go({is: {[field]: [value]}});
      }}, String(value)))));
  } catch { /* the page is whole without them */ }
}

function showHero() {
  const isHome = !hasQuery(state) && !numFilters(state) && !state.view;
  document.body.classList.toggle('home', isHome);
  const points = server.collections.find((one) => one.name === state.collection)?.points;
  $('#hero').textContent = points ? `Search ${plural(points, 'picture')}` : 'Search your pictures';
  if (isHome) showTopics();
  document.title = [state.view === 'duplicates' ? 'Duplicates' : state.view === 'statistics' ? 'Statistics' : state.text.trim(),
    state.collection, 'sightline'].filter(Boolean).join(' · ');
}

function show(now, before) {
  const first = !before;
  document.body.dataset.size = state.size;
  document.body.dataset.view = state.view;
  if (document.activeElement !== text || first || now.text !== before.text) text.value = state.text;
  const searches = first || searchKey(now) !== searchKey(before);
  if (first || now.collection !== before.collection) {
    if (!first) clearSelection();
    showCollections();
    $('#open-upload').hidden = !may('write', state.collection);
  }
  for (const view of ['duplicates', 'statistics']) {
    const link = $(`#open-${view}`);
    link.toggleAttribute('aria-current', state.view === view);
  }
  $('#bar').hidden = $('#results').hidden = $('#sentinel').hidden = Boolean(state.view);
  $('#view').hidden = !state.view;
  if (searches) {
    showHero();
    showOperands();
    showActiveFilters();
    showSort();
    showDisplay();
    if (state.view) {
      notice('');
      if (first || now.view !== before.view) $('#view').replaceChildren();
      showDuplicates();
      if (first || now.view !== before.view || now.collection !== before.collection) showStatistics();
      if (first || now.view !== before.view) scrollTo({top: 0, behavior: 'instant'});
    } else {
      showResults(!first && !moving);
    }
  } else if (now.title !== before.title || now.credit !== before.credit || now.size !== before.size) {
    relabel();
    showDisplay();
  }
  if (searches || now.panel !== before.panel) showFilters();
  if (!searches) relabelLinks(now, before);
  showDetail();
}
const relabelLinks = (now, before) => { if (now.id === before.id) relabel(); };

// Back and forward return to where one was; anything else begins at the top.
let moving = false;
addEventListener('popstate', () => { moving = true; }, {capture: true});
onChange((now, before) => {
  show(now, before);
  moving = false;
});

// ---- Searching

$('#search').addEventListener('submit', (event) => {
  event.preventDefault();
  const words = text.value.trim();
  go({text: words, view: '', id: '', sort: words !== state.text ? '' : state.sort});
  if (words === state.text && results?.error) showResults(true);
});
text.addEventListener('search', () => { if (!text.value && state.text) go({text: '', textWeight: 1, id: ''}); });

async function searchByPicture(file) {
  if (!file) return;
  const key = await keepPicture(file);
  go({picture: {key, weight: 1}, view: '', id: ''});
}
$('#by-picture').addEventListener('click', () => $('#picture-file').click());
$('#picture-file').addEventListener('change', (event) => {
  searchByPicture(event.target.files[0]);
  event.target.value = '';
});
document.addEventListener('paste', (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith('image/'));
  if (!files.length || $('dialog[open]:not(.detail)')) return;
  event.preventDefault();
  searchByPicture(files[0]);
});

// ---- Dropping: over the whole page, two places

const drop = $('#drop');
let over = 0;
const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files') && !$('dialog[open]:not(.detail)');
const hideDrop = () => { over = 0; drop.hidden = true; for (const zone of drop.children) zone.classList.remove('over'); };
addEventListener('dragenter', (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  ++over;
  $('[data-drop=add]', drop).hidden = !may('write', state.collection);
  if (drop.hidden && $('dialog.detail[open]')) $('dialog.detail[open]').append(drop);
  else if (drop.hidden) document.body.append(drop);
  drop.hidden = false;
});
addEventListener('dragleave', (event) => { if (carriesFiles(event) && --over <= 0) hideDrop(); });
addEventListener('dragover', (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  for (const zone of drop.children) zone.classList.toggle('over', zone.contains(event.target));
});
addEventListener('drop', async (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  const adds = event.target.closest?.('[data-drop]')?.dataset.drop === 'add';
  hideDrop();
  const files = await filesOf(event.dataTransfer);
  if (adds || (files.length > 1 && may('write', state.collection))) openUpload(files);
  else searchByPicture(files[0]);
});

// ---- Buttons

const follow = (selector, run) => $(selector).addEventListener('click', (event) => {
  if (event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  run();
});
follow('#home', () => go(cleared(state)));
follow('#open-duplicates', () => go({view: state.view === 'duplicates' ? '' : 'duplicates', id: ''}));
follow('#open-statistics', () => go({view: state.view === 'statistics' ? '' : 'statistics', id: ''}));
follow('#open-upload', () => openUpload());
follow('#open-help', openHelp);
follow('#toggle-filters', () => go({panel: !state.panel}, {replace: true}));
follow('#toggle-select', toggleSelecting);

/// After writes: what is on the screen is asked for again.
async function refresh() {
  forgetResults();
  forgetCollection();
  try {
    await loadServer();
  } catch { /* the notice of the results says it */ }
  showCollections();
  showHero();
  showFilters();
  showSort();
  showDisplay();
  if (state.view === 'duplicates') showDuplicates();
  else if (state.view === 'statistics') showStatistics();
  else showResults(true);
}
const removed = (keys) => {
  results?.remove(keys);
  removeTiles(keys);
  const kept = results;
  forgetResults();
  forgetCollection();
  results = kept;
  $('#summary').textContent = kept ? summaryText(kept) : '';
  if (kept && !state.view) explain();
  if (state.view === 'duplicates') showDuplicates();
  loadServer().then(() => { showCollections(); showHero(); }).catch(() => {});
  showFilters();
  if (kept && !state.view) fill();
};
setSelectionHooks({
  changed() { markAll(); markDuplicates(); },
  order: () => (state.view === 'duplicates' ? duplicateKeys() : allHits().map((hit) => String(hit.id))),
  removed,
  changedPayloads: refresh,
});
setDetailHooks({more: loadMore, removed});
setUploadHook(refresh);
setJobHook((name) => (name === state.collection || !state.collection ? refresh() : undefined));

// ---- Start

async function start() {
  try {
    await loadServer();
  } catch (error) {
    clearGrid(false);
    return notice('No answer', error.message, button('Try again', () => location.reload(), true));
  }
  if (!state.collection) {
    const name = defaultCollection();
    if (name) return go({collection: name}, {replace: true}), pollJobs();
  }
  show(state, null);
  return pollJobs();
}
clearGrid(true);
start();
