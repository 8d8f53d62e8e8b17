// main.js: starts the page and shows what the state says, whenever it changes.

import './byhand.js';
import './key.js';
import {defaultCollection, forgetCollection, loadServer, may} from './collection.js';
import {setDetailHooks, showDetail} from './detail.js';
import {showCollections, showDisplay, showSort} from './display.js';
import {$} from './dom.js';
import {duplicateKeys, markDuplicates, showDuplicates} from './duplicates.js';
import {button, hasFailed, loadMore, notice, removeHits, showResults} from './feed.js';
import {showActiveFilters, showFilters} from './filters.js';
import {allHits, clearGrid, markAll, relabel} from './grid.js';
import {showHero} from './home.js';
import {pollJobs, setJobHook} from './jobs.js';
import {openHelp} from './keys.js';
import {showOperands} from './operands.js';
import {forgetResults} from './results.js';
import {clearSelection, setSelectionHooks, toggleSelecting} from './selection.js';
import {cleared, go, onChange, searchKey, state} from './state.js';
import {showStatistics} from './statistics.js';
import {openUpload, setUploadHook} from './upload.js';

const text = $('#text');

// ---- The state

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
      if (first || now.view !== before.view || now.collection !== before.collection)
        showStatistics();
      if (first || now.view !== before.view) scrollTo({top: 0, behavior: 'instant'});
    } else {
      showResults(!first && !moving);
    }
  } else if (
    now.title !== before.title ||
    now.credit !== before.credit ||
    now.size !== before.size
  ) {
    relabel();
    showDisplay();
  }
  if (searches || now.panel !== before.panel) showFilters();
  if (!searches) relabelLinks(now, before);
  showDetail();
}
const relabelLinks = (now, before) => {
  if (now.id === before.id) relabel();
};

// Back and forward return to where one was; anything else begins at the top.
let moving = false;
addEventListener(
  'popstate',
  () => {
    moving = true;
  },
  {capture: true},
);
onChange((now, before) => {
  show(now, before);
  moving = false;
});

// ---- Searching

$('#search').addEventListener('submit', (event) => {
  event.preventDefault();
  const words = text.value.trim();
  go({text: words, view: '', id: '', sort: words !== state.text ? '' : state.sort});
  if (words === state.text && hasFailed()) showResults(true);
});
text.addEventListener('search', () => {
  if (!text.value && state.text) go({text: '', textWeight: 1, id: ''});
});

// ---- Buttons

const follow = (selector, run) =>
  $(selector).addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    run();
  });
follow('#home', () => go(cleared(state)));
follow('#open-duplicates', () =>
  go({view: state.view === 'duplicates' ? '' : 'duplicates', id: ''}),
);
follow('#open-statistics', () =>
  go({view: state.view === 'statistics' ? '' : 'statistics', id: ''}),
);
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
  } catch {
    /* the notice of the results says it */
  }
  showCollections();
  showHero();
  showFilters();
  showSort();
  showDisplay();
  if (state.view === 'duplicates') showDuplicates();
  else if (state.view === 'statistics') showStatistics();
  else showResults(true);
}
function removed(keys) {
  removeHits(keys);
  forgetCollection();
  if (state.view === 'duplicates') showDuplicates();
  loadServer()
    .then(() => {
      showCollections();
      showHero();
    })
    .catch(() => {});
  showFilters();
}
setSelectionHooks({
  changed() {
    markAll();
    markDuplicates();
  },
  order: () =>
    state.view === 'duplicates' ? duplicateKeys() : allHits().map((hit) => String(hit.id)),
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
    return notice(
      'No answer',
      error.message,
      button('Try again', () => location.reload(), true),
    );
  }
  if (!state.collection) {
    const name = defaultCollection();
    if (name) return (go({collection: name}, {replace: true}), pollJobs());
  }
  show(state, null);
  return pollJobs();
}
if (!state.view) clearGrid(true);
start();
