// grid.js: the pictures found, in rows whose heights follow from what is known before a picture
// arrives, so that nothing jumps. One tile is in the tab order; arrows move it.

import {$, h, iconButton} from './dom.js';
import * as api from './api.js';
import {altOf, creditOf, plural, scoreText, titleOf} from './format.js';
import {go, state, stateUrl} from './state.js';
import {toggleExample} from './query.js';
import {select, isSelected, selecting} from './selection.js';

const list = $('#results');
let hits = [];

const ratioOf = (hit) => {
  const width = hit.width || hit.payload?._image?.width;
  const height = hit.height || hit.payload?._image?.height;
  return width && height ? Math.max(0.5, Math.min(2.4, width / height)) : 1;
};

const kProbe = 8;
const probe = Object.assign(document.createElement('canvas'), {
  width: kProbe,
  height: kProbe,
}).getContext('2d', {willReadFrequently: true});
/// Whether the picture is something on white: it gets a margin, where a photo fills its tile.
function isCutOut(picture) {
  probe.clearRect(0, 0, kProbe, kProbe);
  probe.drawImage(picture, 0, 0, kProbe, kProbe);
  const {data} = probe.getImageData(0, 0, kProbe, kProbe);
  const at = (x, y) => y * kProbe + x;
  const isWhite = (i) =>
    data[i * 4 + 3] < 8 || Math.min(data[i * 4], data[i * 4 + 1], data[i * 4 + 2]) > 232;
  const last = kProbe - 1;
  const corners = [at(0, 0), at(last, 0), at(0, last), at(last, last)];
  if (corners.filter(isWhite).length >= 3) return true;
  let border = 0,
    white = 0;
  for (let i = 0; i <= last; ++i) {
    for (const edge of [at(i, 0), at(i, last), at(0, i), at(last, i)]) {
      ++border;
      if (isWhite(edge)) ++white;
    }
  }
  return white > border * 0.55;
}

function tile(hit, index) {
  const key = String(hit.id);
  const title = titleOf(hit, state.title);
  const credit = creditOf(hit, state.credit);
  const picture = hit.thumbnail_url
    ? h('img', {
        src: api.urlOf(hit.thumbnail_url),
        alt: altOf(hit),
        loading: index < 24 ? 'eager' : 'lazy',
        decoding: 'async',
        draggable: 'false',
      })
    : h('span', {class: 'wordless'}, title || key);
  picture.addEventListener('load', () => {
    picture.classList.toggle('cut-out', isCutOut(picture));
    picture.classList.add('there');
    link.classList.add('loaded');
  });
  picture.addEventListener('error', () =>
    picture.replaceWith(h('span', {class: 'wordless'}, title || key)),
  );
  const link = h(
    'a',
    {
      href: stateUrl({...state, id: key}),
      class: 'tile-link',
      tabindex: '-1',
      data: {key},
      draggable: 'false',
    },
    picture,
    (title || credit) &&
      h(
        'span',
        {class: 'caption', 'aria-hidden': 'true'},
        title && h('span', {class: 'title'}, title),
        credit && h('span', {class: 'credit'}, credit),
      ),
  );
  const element = h(
    'li',
    {class: 'tile', data: {key}, style: {'--ratio': ratioOf(hit).toFixed(4)}},
    link,
    iconButton('check', 'Select (space)', (event) => select(key, hit, event.shiftKey), {
      class: 'pick',
      tabindex: '-1',
      'aria-pressed': 'false',
    }),
    h(
      'span',
      {class: 'tile-actions'},
      iconButton('more', 'More like this (l)', () => like(key, 1), {class: 'like', tabindex: '-1'}),
      iconButton('less', 'Less like this (x)', () => like(key, -1), {
        class: 'unlike',
        tabindex: '-1',
      }),
    ),
    typeof hit.score === 'number' &&
      h('span', {class: 'score', title: 'Score'}, scoreText(hit.score)),
  );
  mark(element);
  return element;
}

function mark(element) {
  const {key} = element.dataset;
  const example = state.examples.find((one) => one.id === key);
  const picked = isSelected(key);
  element.classList.toggle('picked', picked);
  element.classList.toggle('liked', Boolean(example && example.weight > 0));
  element.classList.toggle('unliked', Boolean(example && example.weight < 0));
  $('.pick', element).setAttribute('aria-pressed', picked);
  $('.like', element).setAttribute('aria-pressed', Boolean(example && example.weight > 0));
  $('.unlike', element).setAttribute('aria-pressed', Boolean(example && example.weight < 0));
}
export const markAll = () => {
  list.classList.toggle('selecting', selecting());
  for (const element of list.querySelectorAll('.tile[data-key]')) mark(element);
};

export function like(key, weight) {
  go({examples: toggleExample(state, key, weight), id: '', view: ''});
}

/// Empties the grid; `skeleton`: shows where pictures will be.
export function clearGrid(skeleton) {
  hits = [];
  list.classList.remove('waiting');
  list.replaceChildren();
  if (!skeleton) return;
  const ratios = [1.2, 0.8, 1, 1.5, 0.7, 1, 1.33, 0.9];
  for (let i = 0; i < 24; ++i)
    list.append(
      h('li', {
        class: 'tile skeleton',
        'aria-hidden': 'true',
        style: {'--ratio': ratios[(i * 5) % 8]},
      }),
    );
}

/// The old pictures stay, dimmed, until the first of the new ones come.
export const waitGrid = () => list.classList.add('waiting');

const filler = () => h('li', {class: 'filler', role: 'presentation'});

export function showHits(all) {
  clearGrid(false);
  appendHits(all);
}

export function appendHits(fresh) {
  list.querySelector(':scope > .filler.last')?.remove();
  for (const hit of fresh) {
    const weakBefore = hits.length > 0 && hits[hits.length - 1].strong === false;
    if (hit.strong === false && !weakBefore) {
      if (hits.length > 0) list.append(filler());
      list.append(
        h(
          'li',
          {class: 'divider'},
          h(
            'span',
            {},
            hits.length > 0 ? 'Weaker matches' : 'No picture stands out. The nearest ones:',
          ),
        ),
      );
    }
    list.append(tile(hit, hits.length));
    hits.push(hit);
  }
  const last = filler();
  last.classList.add('last');
  list.append(last);
  if (!list.querySelector('.tile-link[tabindex="0"]'))
    makeCurrent(list.querySelector('.tile[data-key]'));
}

export function removeTiles(keys) {
  hits = hits.filter((hit) => !keys.has(String(hit.id)));
  for (const element of list.querySelectorAll('.tile[data-key]'))
    if (keys.has(element.dataset.key)) element.remove();
  if (!list.querySelector('.tile-link[tabindex="0"]'))
    makeCurrent(list.querySelector('.tile[data-key]'));
}

/// Captions and links follow the choice of fields and the rest of the state.
export function relabel() {
  const byKey = new Map(hits.map((hit) => [String(hit.id), hit]));
  for (const element of list.querySelectorAll('.tile[data-key]')) {
    const hit = byKey.get(element.dataset.key);
    const link = $('.tile-link', element);
    link.href = stateUrl({...state, id: element.dataset.key});
    $('.caption', link)?.remove();
    const title = titleOf(hit, state.title);
    const credit = creditOf(hit, state.credit);
    if (title || credit) {
      link.append(
        h(
          'span',
          {class: 'caption', 'aria-hidden': 'true'},
          title && h('span', {class: 'title'}, title),
          credit && h('span', {class: 'credit'}, credit),
        ),
      );
    }
  }
  markAll();
}

// ---- The keyboard

function makeCurrent(element) {
  if (!element) return;
  for (const one of list.querySelectorAll('[tabindex="0"]')) one.tabIndex = -1;
  for (const one of element.querySelectorAll('a, button')) one.tabIndex = 0;
}

export function focusTile(key) {
  const element = key
    ? list.querySelector(`.tile[data-key="${CSS.escape(key)}"]`)
    : list.querySelector('.tile[data-key]');
  if (!element) return false;
  makeCurrent(element);
  $('.tile-link', element).focus({preventScroll: true});
  element.scrollIntoView({block: 'nearest'});
  return true;
}
/// The key of the tile that has the focus, or the pointer.
export const currentKey = () =>
  (
    document.activeElement?.closest?.('.tile[data-key]') ??
    list.querySelector('.tile[data-key]:hover')
  )?.dataset.key ?? null;
export const hitOf = (key) => hits.find((hit) => String(hit.id) === key);
export const allHits = () => hits;

function neighbour(element, direction) {
  const tiles = [...list.querySelectorAll('.tile[data-key]')];
  const at = tiles.indexOf(element);
  if (direction === 'ArrowLeft') return tiles[at - 1];
  if (direction === 'ArrowRight') return tiles[at + 1];
  if (direction === 'Home') return tiles[0];
  if (direction === 'End') return tiles[tiles.length - 1];
  const down = direction === 'ArrowDown';
  const from = element.getBoundingClientRect();
  const middle = (from.left + from.right) / 2;
  let best = null;
  let row = null;
  for (let i = at + (down ? 1 : -1); i >= 0 && i < tiles.length; i += down ? 1 : -1) {
    const box = tiles[i].getBoundingClientRect();
    if (Math.abs(box.top - from.top) < 4) continue;
    row ??= box.top;
    if (Math.abs(box.top - row) > 4) break;
    const away = Math.abs((box.left + box.right) / 2 - middle);
    if (!best || away < best.away) best = {tile: tiles[i], away};
  }
  return best?.tile;
}

list.addEventListener('keydown', (event) => {
  const element = event.target.closest('.tile[data-key]');
  if (!element || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End'].includes(event.key))
    return;
  const next = neighbour(element, event.key);
  if (next) {
    focusTile(next.dataset.key);
    event.preventDefault();
  } else if (event.key === 'ArrowUp') {
    $('#text').focus();
    event.preventDefault();
  }
});
list.addEventListener('focusin', (event) => makeCurrent(event.target.closest('.tile[data-key]')));

list.addEventListener('click', (event) => {
  const link = event.target.closest('.tile-link');
  if (!link || event.ctrlKey || event.metaKey || event.button !== 0) return;
  event.preventDefault();
  const {key} = link.dataset;
  if (selecting() || event.shiftKey) select(key, hitOf(key), event.shiftKey);
  else go({id: key}, {notes: {opened: true}});
});

// A long press selects, as in the galleries of phones.
let press = null;
list.addEventListener('pointerdown', (event) => {
  const link = event.target.closest('.tile-link');
  if (!link || event.pointerType !== 'touch') return;
  press = setTimeout(() => {
    select(link.dataset.key, hitOf(link.dataset.key), false);
    link.addEventListener(
      'click',
      (click) => {
        click.preventDefault();
        click.stopPropagation();
      },
      {once: true, capture: true},
    );
  }, 500);
});
for (const end of ['pointerup', 'pointercancel', 'pointermove'])
  list.addEventListener(end, () => clearTimeout(press));
list.addEventListener('contextmenu', (event) => {
  if (event.pointerType === 'touch' && event.target.closest('.tile-link')) event.preventDefault();
});

/// "Best of 796 pictures" and the like.
export function summaryText(results) {
  const {total, isRanked, timings} = results;
  if (results.error) return '';
  if (!isRanked) return total === null ? '' : plural(total, 'picture');
  const strong = results.hits.filter((hit) => hit.strong).length;
  const all = results.done || results.hits.some((hit) => hit.strong === false);
  const known = results.hits.some((hit) => hit.strong !== null && hit.strong !== undefined);
  const time =
    timings?.total !== undefined
      ? ` · ${timings.total < 10 ? timings.total.toFixed(1) : Math.round(timings.total)} ms`
      : '';
  if (known && strong)
    return `${plural(strong, 'strong match', 'strong matches')}${all ? '' : ' so far'}${time}`;
  return total === null ? '' : `Nearest of ${plural(total, 'picture')}${time}`;
}
