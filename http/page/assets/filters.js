// filters.js: the panel of filters: values with counts, bounds of numbers and dates, words of texts.

import {$, debounce, fill, h, iconButton} from './dom.js';
import * as api from './api.js';
import {bytes, count, fieldName} from './format.js';
import {collectionInfo} from './collection.js';
import {filterOf} from './query.js';
import {go, numFilters, state} from './state.js';

const kShown = 8; // values of a field before "more"
const kFields = 12; // fields with counts
const panel = $('#filters');
const expanded = new Set();
let asked = null;

const isNumber = (field) => field.type === 'integer' || field.type === 'float';
const isHash = (name) => /_hash$|^_image\.(uri|name)$/.test(name);

/// Those worth a place in the panel: the user's own fields before ours.
export function filterable(fields) {
  const useful = fields.filter(
    (field) =>
      !isHash(field.field) &&
      (field.facet ||
        isNumber(field) ||
        field.type === 'datetime' ||
        field.type === 'text' ||
        field.type === 'keyword'),
  );
  const rank = (field) => (field.field.startsWith('_image') ? 2 : 0) + (field.facet ? 0 : 1);
  return useful.sort((a, b) => rank(a) - rank(b));
}

function toggleValue(field, value) {
  const old = state.is[field] ?? [];
  const values = old.includes(value) ? old.filter((one) => one !== value) : [...old, value];
  const is = {...state.is, [field]: values};
  if (!values.length) delete is[field];
  go({is, id: ''});
}
const without = (object, key) =>
  Object.fromEntries(Object.entries(object).filter(([name]) => name !== key));
const put = (object, key, value) => (value ? {...object, [key]: value} : without(object, key));
const clearField = (field) =>
  go({
    is: without(state.is, field),
    has: without(state.has, field),
    from: without(state.from, field),
    to: without(state.to, field),
  });
const inUse = (field) =>
  field in state.is || field in state.has || field in state.from || field in state.to;

function facetList(field, values) {
  const chosen = state.is[field] ?? [];
  const missing = chosen
    .filter((value) => !values.some((one) => one.value === value))
    .map((value) => ({value, count: 0}));
  const all = [...missing, ...values];
  const most = Math.max(1, ...all.map((one) => one.count));
  const shown = expanded.has(field) ? all : all.slice(0, Math.max(kShown, chosen.length));
  return [
    h(
      'ul',
      {class: 'values'},
      shown.map(({value, count: n}) =>
        h(
          'li',
          {},
          h(
            'label',
            {class: 'value', style: {'--share': (n / most).toFixed(3)}},
            h('input', {
              type: 'checkbox',
              checked: chosen.includes(value),
              onchange: () => toggleValue(field, value),
            }),
            h('span', {class: 'name'}, String(value)),
            h('span', {class: 'number'}, count(n)),
          ),
        ),
      ),
    ),
    all.length > shown.length &&
      h(
        'button',
        {
          type: 'button',
          class: 'text-button',
          onclick: () => {
            expanded.add(field);
            showFilters();
          },
        },
        `${all.length - shown.length} more`,
      ),
  ];
}

/// Two thumbs over one track; the scale is logarithmic where the values span orders of magnitude.
function rangeInputs(field) {
  const {field: name, min, max} = field;
  const isBytes = name.endsWith('.bytes') || name.endsWith('_bytes');
  const low = Number(min),
    high = Number(max);
  const log = low > 0 && high / low > 50;
  const toValue = (x) => (log ? low * (high / low) ** x : low + (high - low) * x);
  const toShare = (v) =>
    high > low ? (log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low)) : 0;
  const round = (v) => (field.type === 'integer' ? Math.round(v) : Number(v.toPrecision(4)));
  const say = (v) =>
    isBytes
      ? bytes(v)
      : field.type === 'integer' && high < 3000 && low > 1000
        ? String(v)
        : count(v);
  const clamp = (x) => Math.max(0, Math.min(1, x));
  const now = {from: state.from[name], to: state.to[name]};
  const shares = {
    from: now.from ? clamp(toShare(Number(now.from))) : 0,
    to: now.to ? clamp(toShare(Number(now.to))) : 1,
  };
  const commit = () =>
    go({
      from: put(state.from, name, shares.from > 0 ? String(round(toValue(shares.from))) : ''),
      to: put(state.to, name, shares.to < 1 ? String(round(toValue(shares.to))) : ''),
    });
  const track = h('div', {class: 'range'});
  const thumbs = {};
  const output = h('output', {class: 'bounds'});
  const draw = () => {
    track.style.setProperty('--from', shares.from);
    track.style.setProperty('--to', shares.to);
    const from = say(round(toValue(shares.from))),
      to = say(round(toValue(shares.to)));
    output.replaceChildren(h('span', {}, from), h('span', {}, to));
    thumbs.from.setAttribute('aria-valuetext', from);
    thumbs.to.setAttribute('aria-valuetext', to);
  };
  for (const end of ['from', 'to']) {
    thumbs[end] = h('input', {
      type: 'range',
      min: 0,
      max: 1,
      step: 0.005,
      value: shares[end],
      'aria-label': `${fieldName(name)}: ${end === 'from' ? 'at least' : 'at most'}`,
    });
    thumbs[end].addEventListener('input', () => {
      const x = Number(thumbs[end].value);
      shares[end] = end === 'from' ? Math.min(x, shares.to) : Math.max(x, shares.from);
      thumbs[end].value = shares[end];
      draw();
    });
    thumbs[end].addEventListener('change', commit);
  }
  track.append(thumbs.from, thumbs.to);
  draw();
  const exact = (end) =>
    h('input', {
      type: 'number',
      step: 'any',
      class: 'exact',
      value: now[end] ?? '',
      placeholder: round(end === 'from' ? low : high),
      'aria-label': `${fieldName(name)} ${end === 'from' ? 'from' : 'to'}${isBytes ? ', in bytes' : ''}`,
      onchange: (event) => go({[end]: put(state[end], name, event.target.value)}),
    });
  return [
    track,
    output,
    h('div', {class: 'pair'}, exact('from'), h('span', {'aria-hidden': 'true'}, '–'), exact('to')),
  ];
}

function dateInputs({field, min, max}) {
  const input = (end) =>
    h('input', {
      type: 'date',
      value: (state[end][field] ?? '').slice(0, 10),
      min: min?.slice(0, 10),
      max: max?.slice(0, 10),
      'aria-label': `${fieldName(field)} ${end === 'from' ? 'from' : 'until'}`,
      onchange: (event) => go({[end]: put(state[end], field, event.target.value)}),
    });
  return h(
    'div',
    {class: 'pair dates'},
    input('from'),
    h('span', {'aria-hidden': 'true'}, '–'),
    input('to'),
  );
}

function wordsInput({field}) {
  return h('input', {
    type: 'search',
    class: 'words',
    value: state.has[field] ?? '',
    placeholder: 'Has the words …',
    'aria-label': `${fieldName(field)} has the words`,
    autocomplete: 'off',
    oninput: debounce(400, (event) =>
      go({has: put(state.has, field, event.target.value.trim())}, {replace: true}),
    ),
  });
}

function section(field, counts) {
  const {field: name} = field;
  const content =
    counts?.length || name in state.is
      ? facetList(name, counts ?? [])
      : field.type === 'datetime'
        ? dateInputs(field)
        : isNumber(field)
          ? Number(field.max) > Number(field.min)
            ? rangeInputs(field)
            : null
          : field.facet
            ? null
            : wordsInput(field);
  if (!content) return null;
  return h(
    'section',
    {class: 'filter', data: {field: name}},
    h(
      'h3',
      {},
      fieldName(name),
      inUse(name) &&
        h(
          'button',
          {
            type: 'button',
            class: 'text-button',
            onclick: () => clearField(name),
            'aria-label': `Clear ${fieldName(name)}`,
          },
          'Clear',
        ),
    ),
    content,
  );
}

/// Each field's counts ignore its own condition, so that another of its values can be chosen.
async function loadCounts(fields, signal) {
  const names = fields
    .filter((field) => field.facet || field.field in state.is)
    .slice(0, kFields)
    .map((field) => field.field);
  const own = names.filter((name) => inUse(name));
  const others = names.filter((name) => !inUse(name));
  const answers = await Promise.all([
    others.length ? api.facets(state.collection, others, filterOf(state), 50, signal) : [],
    ...own.map((name) => api.facets(state.collection, [name], filterOf(state, name), 50, signal)),
  ]);
  return new Map(answers.flat().map((facet) => [facet.field, facet.values]));
}

/// Draws the panel anew, keeping the focus and the place it was scrolled to.
export async function showFilters() {
  panel.hidden = !state.panel || Boolean(state.view);
  document.body.classList.toggle('with-filters', !panel.hidden);
  $('#toggle-filters').setAttribute('aria-expanded', !panel.hidden);
  asked?.abort();
  if (panel.hidden || !state.collection) return;
  asked = new AbortController();
  const {signal} = asked;
  let fields, counts;
  try {
    fields = filterable((await collectionInfo(state.collection)).fields);
    counts = await loadCounts(fields, signal);
  } catch (error) {
    if (error.name === 'AbortError' || signal.aborted) return;
    fields ??= [];
    counts = new Map();
  }
  if (signal.aborted) return;
  const focus = document.activeElement?.closest('#filters')
    ? (document.activeElement.getAttribute('aria-label') ??
      document.activeElement.closest('label')?.textContent)
    : null;
  const scroll = panel.scrollTop;
  const sections = fields.map((field) => section(field, counts.get(field.field))).filter(Boolean);
  fill(
    panel,
    h(
      'div',
      {class: 'filters-head'},
      h('h2', {}, 'Filters'),
      numFilters(state) > 0 &&
        h('button', {type: 'button', class: 'text-button', onclick: clearFilters}, 'Clear all'),
      iconButton('close', 'Close the filters', () => go({panel: false}, {replace: true})),
    ),
    sections.length ? sections : h('p', {class: 'quiet-text'}, 'Nothing here to filter by.'),
  );
  panel.scrollTop = scroll;
  if (focus) {
    const again = [...panel.querySelectorAll('input, button')].find(
      (one) =>
        (one.getAttribute('aria-label') ?? one.closest('label')?.textContent) === focus ||
        (one.type === 'checkbox' &&
          one.closest('label').querySelector('.name').textContent === focus.replace(/[\d,]+$/, '')),
    );
    again?.focus({preventScroll: true});
  }
}

export const clearFilters = () => go({is: {}, has: {}, from: {}, to: {}});

const boundText = (field, from, to) => {
  const say = (value) => (field.endsWith('.bytes') ? bytes(Number(value)) : value);
  return from && to ? `${say(from)} – ${say(to)}` : from ? `from ${say(from)}` : `up to ${say(to)}`;
};

/// The conditions as chips above the grid, each with its cross.
export function showActiveFilters() {
  const chip = (label, text, remove) =>
    h(
      'li',
      {class: 'chip'},
      h('span', {class: 'chip-face'}, h('span', {class: 'muted'}, label), ' ', text),
      iconButton('close', `Remove ${label} ${text}`, remove, {class: 'chip-remove'}),
    );
  const chips = [];
  for (const [field, values] of Object.entries(state.is))
    for (const value of values)
      chips.push(chip(fieldName(field), String(value), () => toggleValue(field, value)));
  for (const [field, words] of Object.entries(state.has))
    chips.push(chip(fieldName(field), `“${words}”`, () => clearField(field)));
  for (const field of new Set([...Object.keys(state.from), ...Object.keys(state.to)]))
    chips.push(
      chip(fieldName(field), boundText(field, state.from[field], state.to[field]), () =>
        clearField(field),
      ),
    );
  $('#active-filters').replaceChildren(...chips);
  const n = numFilters(state);
  $('#filter-count').textContent = n;
  $('#filter-count').hidden = n === 0;
}

/// Used by the detail view: a value of a payload becomes a condition.
export const filterBy = (field, value) =>
  go({is: {...state.is, [field]: [value]}, id: '', view: ''});
