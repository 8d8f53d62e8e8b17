// duplicates.js: pictures that look the same, by their perceptual hashes, in groups.

import {$, fill, h, icon} from './dom.js';
import * as api from './api.js';
import {altOf, bytes, count, plural, titleOf} from './format.js';
import {filterOf} from './query.js';
import {clearSelection, isSelected, select, selectAll} from './selection.js';
import {go, state, stateUrl} from './state.js';

const kPage = 30;
const view = $('#view');
let asked = null;
let groups = [];

function tile(hit, isFirst) {
  const key = String(hit.id);
  const image = hit.payload?._image ?? {};
  return h(
    'li',
    {class: 'twin', data: {key}},
    h(
      'a',
      {
        href: stateUrl({...state, id: key}),
        onclick: (event) => {
          if (event.ctrlKey || event.metaKey) return;
          event.preventDefault();
          go({id: key}, {notes: {opened: true}});
        },
      },
      h('img', {src: api.urlOf(hit.thumbnail_url), alt: altOf(hit), loading: 'lazy'}),
    ),
    h(
      'label',
      {class: 'twin-text'},
      h('input', {
        type: 'checkbox',
        checked: isSelected(key),
        onchange: () => select(key, hit, false),
      }),
      h(
        'span',
        {},
        h('span', {class: 'title'}, titleOf(hit, state.title)),
        h(
          'span',
          {class: 'muted'},
          [
            hit.width && `${count(hit.width)} × ${count(hit.height)}`,
            image.format?.toUpperCase(),
            image.bytes && bytes(image.bytes),
          ]
            .filter(Boolean)
            .join(' · '),
        ),
        h(
          'span',
          {class: isFirst ? 'badge good' : 'badge'},
          isFirst ? 'Largest' : hit.distance ? `${plural(hit.distance, 'bit')} apart` : 'Same look',
        ),
      ),
    ),
  );
}

const group = ({hits}) =>
  h(
    'section',
    {class: 'group'},
    h(
      'h3',
      {class: 'group-head'},
      `${hits.length} alike`,
      h(
        'button',
        {
          type: 'button',
          class: 'text-button',
          onclick: () => selectAll(hits.slice(1).map((hit) => String(hit.id))),
        },
        'Select all but the largest',
      ),
    ),
    h(
      'ul',
      {class: 'twins'},
      hits.map((hit, i) => tile(hit, i === 0)),
    ),
  );

/// Ticks follow the selection.
export function markDuplicates() {
  for (const element of view.querySelectorAll('.twin')) {
    const picked = isSelected(element.dataset.key);
    element.classList.toggle('picked', picked);
    $('input', element).checked = picked;
  }
}

export const duplicateKeys = () => groups.flatMap(({hits}) => hits.map((hit) => String(hit.id)));

export async function showDuplicates() {
  asked?.abort();
  if (state.view !== 'duplicates') return;
  asked = new AbortController();
  const {signal} = asked;
  groups = [];
  let total = null;
  const list = h('div', {class: 'groups'});
  const summary = h('p', {class: 'muted', role: 'status'}, 'Comparing …');
  const more = h('button', {type: 'button', class: 'button', hidden: true}, 'Show more');
  const near = h('input', {
    type: 'range',
    min: 0,
    max: 11,
    value: state.near,
    'aria-label': 'How different pictures may be, in bits of their hashes',
  });
  const said = h('output', {}, nearText(state.near));
  near.addEventListener('input', () => {
    said.textContent = nearText(Number(near.value));
  });
  near.addEventListener('change', () => go({near: Number(near.value)}, {replace: true}));
  const surplus = h(
    'button',
    {
      type: 'button',
      class: 'pill',
      hidden: true,
      onclick: () => {
        clearSelection();
        selectAll(groups.flatMap(({hits}) => hits.slice(1).map((hit) => String(hit.id))));
      },
    },
    icon('check'),
    h('span', {}, 'Select all but the largest'),
  );
  fill(
    view,
    h(
      'div',
      {class: 'view-head'},
      h('div', {}, h('h2', {}, 'Duplicates'), summary),
      h('label', {class: 'near'}, h('span', {class: 'muted'}, 'Alike means'), near, said),
      surplus,
    ),
    list,
    h('div', {class: 'buttons centre'}, more),
  );

  const load = async () => {
    more.disabled = true;
    try {
      const answer = await api.duplicates(
        state.collection,
        {maxDistance: state.near, limit: kPage, offset: groups.length, filter: filterOf(state)},
        signal,
      );
      if (signal.aborted) return;
      groups.push(...answer.groups);
      total = answer.total;
      list.append(...answer.groups.map(group));
      summary.textContent = total
        ? `${plural(total, 'group')} of pictures that look ${state.near === 0 ? 'the same' : 'alike'}`
        : 'No two pictures look alike.';
      more.hidden = groups.length >= total || answer.groups.length === 0;
      surplus.hidden = groups.length === 0;
    } catch (error) {
      if (error.name === 'AbortError') return;
      summary.textContent = error.message;
    } finally {
      more.disabled = false;
    }
  };
  more.addEventListener('click', load);
  await load();
}

const nearText = (n) =>
  n === 0 ? 'the same look' : n <= 4 ? 'nearly the same' : n <= 9 ? 'much alike' : 'somewhat alike';
