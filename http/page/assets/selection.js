// selection.js: pictures picked one by one or in a stretch, and what is done with all of them.

import {$, confirmDialog, fill, h, icon, iconButton, openDialog, toast} from './dom.js';
import * as api from './api.js';
import {plural} from './format.js';
import {may} from './collection.js';
import {csvOf} from './csv.js';
import {parseId, writeJson} from './json.js';
import {state} from './state.js';

const picked = new Map(); // key -> hit
let mode = false;
let last = null;
let hooks = {changed() {}, order: () => [], removed() {}, changedPayloads() {}};

/// changed(): after each pick; order(): keys as on the screen; removed(keys), changedPayloads():
/// after the server did what was asked.
export function setSelectionHooks(given) {
  hooks = {...hooks, ...given};
}

export const isSelected = (key) => picked.has(key);
export const selecting = () => mode || picked.size > 0;
export const numSelected = () => picked.size;

export function select(key, hit, stretch) {
  const order = hooks.order();
  if (stretch && last !== null && order.includes(last) && order.includes(key)) {
    const [a, b] = [order.indexOf(last), order.indexOf(key)].sort((x, y) => x - y);
    for (const one of order.slice(a, b + 1)) picked.set(one, hit);
  } else if (picked.has(key)) {
    picked.delete(key);
  } else {
    picked.set(key, hit);
  }
  last = key;
  show();
}
export function selectAll(keys) {
  for (const key of keys) picked.set(key, null);
  show();
}
export function clearSelection() {
  picked.clear();
  mode = false;
  last = null;
  show();
}
export function toggleSelecting() {
  if (selecting()) clearSelection();
  else mode = true;
  show();
}

const ids = () => [...picked.keys()].map(parseId);

async function attempt(run) {
  try {
    await run();
  } catch (error) {
    toast(error.message, {bad: true});
  }
}

async function removeAll() {
  const keys = new Set(picked.keys());
  const yes = await confirmDialog(
    `Delete ${plural(keys.size, 'picture')}?`,
    'They leave the collection. Files that were indexed where they lie stay there; uploaded ones are removed.',
    'Delete',
  );
  if (!yes) return;
  await attempt(async () => {
    await api.deletePoints(state.collection, ids());
    clearSelection();
    toast(`${plural(keys.size, 'picture')} deleted`);
    hooks.removed(keys);
  });
}

/// Adds or removes words of the list at `field`; one request for all points.
export async function tagPoints(pointIds, field, words, remove) {
  const points = await api.points(state.collection, pointIds);
  const operations = points.map((point) => {
    const old = point.payload?.[field];
    const list = Array.isArray(old) ? old : old === undefined || old === null ? [] : [old];
    const kept = list.filter((word) => !words.includes(word));
    return {
      set_payload: {payload: {[field]: remove ? kept : [...kept, ...words]}, points: [point.id]},
    };
  });
  if (operations.length) await api.changePoints(state.collection, operations);
}

function tagDialog() {
  const words = h('input', {
    type: 'text',
    required: true,
    placeholder: 'holiday, beach',
    autocomplete: 'off',
  });
  const field = h('input', {
    type: 'text',
    required: true,
    value: 'tags',
    pattern: '[A-Za-z][\\w\\-]*',
    autocomplete: 'off',
    title: 'Letters, digits, _ and -; begins with a letter',
  });
  const form = h(
    'form',
    {method: 'dialog'},
    h('h2', {id: 'tag-title'}, `Tag ${plural(picked.size, 'picture')}`),
    h('label', {class: 'field'}, 'Tags, separated by commas', words),
    h('label', {class: 'field'}, 'Kept in the field', field),
    h(
      'div',
      {class: 'buttons'},
      h('button', {type: 'button', class: 'button', onclick: () => dialog.close()}, 'Cancel'),
      h('button', {type: 'submit', class: 'button', value: 'remove'}, 'Remove'),
      h('button', {type: 'submit', class: 'button main', value: 'add'}, 'Add'),
    ),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const remove = event.submitter?.value === 'remove';
    const list = [
      ...new Set(
        words.value
          .split(',')
          .map((word) => word.trim())
          .filter(Boolean),
      ),
    ];
    if (!list.length) return;
    attempt(async () => {
      await tagPoints(ids(), field.value.trim(), list, remove);
      dialog.close();
      toast(
        `${plural(picked.size, 'picture')} ${remove ? 'untagged' : 'tagged'}: ${list.join(', ')}`,
      );
      hooks.changedPayloads();
    });
  });
  // Enter in a field adds: the first submit button would remove.
  form.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.target.tagName !== 'INPUT') return;
    event.preventDefault();
    form.requestSubmit($('[value=add]', form));
  });
  const dialog = openDialog({class: 'dialog narrow', 'aria-labelledby': 'tag-title'}, form);
}

function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], {type}));
  h('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function exportAll(kind) {
  return attempt(async () => {
    const points = [];
    for (let i = 0, all = ids(); i < all.length; i += 500)
      points.push(...(await api.points(state.collection, all.slice(i, i + 500))));
    const name = `${state.collection}-${points.length}.${kind}`;
    if (kind === 'csv') download(name, csvOf(points), 'text/csv');
    else
      download(
        name,
        writeJson(
          points.map(({id, payload}) => ({id, payload})),
          1,
        ),
        'application/json',
      );
  });
}

function show() {
  const bar = $('#selection');
  $('#toggle-select').setAttribute('aria-pressed', selecting());
  document.body.classList.toggle('has-selection', selecting());
  bar.hidden = !selecting();
  const some = picked.size > 0;
  const write = may('write', state.collection);
  const labelled = (name, label, onclick, props = {}) =>
    h(
      'button',
      {type: 'button', class: 'quiet labelled', title: label, disabled: !some, onclick, ...props},
      icon(name),
      h('span', {}, label),
    );
  fill(
    bar,
    iconButton('close', 'Clear the selection (Escape)', clearSelection),
    h('strong', {role: 'status'}, some ? `${picked.size} selected` : 'Pick pictures'),
    h(
      'button',
      {type: 'button', class: 'quiet labelled', onclick: () => selectAll(hooks.order())},
      h('span', {}, 'All shown'),
    ),
    h('span', {class: 'gap'}),
    write && labelled('tag', 'Tag', tagDialog),
    labelled('download', 'JSON', () => exportAll('json'), {'aria-label': 'Export as JSON'}),
    labelled('download', 'CSV', () => exportAll('csv'), {'aria-label': 'Export as CSV'}),
    write && labelled('trash', 'Delete', removeAll, {class: 'quiet labelled danger'}),
  );
  hooks.changed();
}
