// detail.js: one picture, large: what is known of it, what it looks like, and its neighbours in the grid.

import {$, confirmDialog, h, icon, iconButton, toast} from './dom.js';
import * as api from './api.js';
import {altOf, bytes, count, creditOf, date, fieldName, isDate, scoreText, titleOf} from './format.js';
import {may} from './collection.js';
import {filterBy} from './filters.js';
import {allHits, focusTile, hitOf, like} from './grid.js';
import {parseId, writeJson} from './json.js';
import {isSelected, select} from './selection.js';
import {go, hasQuery, state, stateUrl} from './state.js';

let dialog = null;
let shown = null;  // key
let asked = null;
let more = async () => [];
let removed = () => {};
/// more(): loads the next page of the grid; removed(keys): after a deletion.
export function setDetailHooks(hooks) { ({more, removed} = hooks); }

const fact = (label, value) => value !== undefined && value !== null && value !== '' &&
  h('div', {class: 'fact'}, h('dt', {}, label), h('dd', {}, value));
const hash = (text) => text && h('code', {title: text}, text.replace(/^sha256:/, '').slice(0, 16));

function placeText(place) {
  if (!place) return null;
  const names = [place.name, place.city, place.country].filter(Boolean).join(', ');
  const at = typeof place.lat === 'number' ? `${place.lat.toFixed(5)}, ${place.lon.toFixed(5)}` : '';
  return [names, at].filter(Boolean).join(' · ');
}

function facts(hit) {
  const image = hit.payload?._image ?? {};
  const {width, height} = image;
  const size = width && height ? `${count(width)} × ${count(height)}${width * height >= 1e6 ? ` · ${(width * height / 1e6).toFixed(1)} MP` : ''}` : null;
  const file = [image.format?.toUpperCase(), image.bytes && bytes(image.bytes)].filter(Boolean).join(' · ');
  const keywords = image.keywords?.length && h('span', {class: 'words'}, image.keywords.map((word) =>
    h('button', {type: 'button', class: 'word', title: 'Filter by this', onclick: () => filterBy('_image.keywords[]', word)}, word)));
  const path = hit.path || (image.uri ?? '').replace(/^file:\/\//, '');
  const rows = [
    fact('Size', size), fact('File', file), fact('Taken', image.taken_at && date(image.taken_at)), fact('Camera', image.camera),
    fact('Place', placeText(image.place)), fact('Caption', image.caption), fact('Keywords', keywords), fact('Credit', image.credit),
    fact('Rights', image.rights),
    fact('Source', path && h('span', {class: 'path'}, path)),
    fact('Id', h('code', {}, String(hit.id))), fact('Looks hash', hash(image.perceptual_hash)), fact('Bytes hash', hash(image.content_hash))];
  return h('dl', {class: 'facts'}, rows);
}

function valueNode(value, path) {
  if (Array.isArray(value)) {
    if (!value.length) return null;
    if (value.every((item) => item === null || typeof item !== 'object'))
      return h('span', {class: 'words'}, value.map((item) => valueNode(item, `${path}[]`)));
    return h('details', {}, h('summary', {}, `${value.length} items`), h('pre', {}, writeJson(value, 2)));
  }
  if (value !== null && typeof value === 'object')
    return h('dl', {class: 'facts nested'}, Object.entries(value).map(([key, item]) => fact(key, valueNode(item, `${path}.${key}`))));
  if (value === null) return h('span', {class: 'muted'}, 'null');
  const text = isDate(value) ? date(value) : typeof value === 'number' ? String(value) : String(value);
  const canFilter = (typeof value === 'string' && value.length < 60) || typeof value === 'boolean' || Number.isInteger(value);
  return canFilter ? h('button', {type: 'button', class: 'word', title: 'Filter by this', onclick: () => filterBy(path, value)}, text) : text;
}

function payloadList(payload) {
  const rows = Object.entries(payload).filter(([key]) => key !== '_image')
    .map(([key, value]) => fact(fieldName(key), valueNode(value, /^[A-Za-z0-9_-]+$/.test(key) ? key : `"${key}"`)));
  return rows.length ? h('section', {}, h('h3', {}, 'Payload'), h('dl', {class: 'facts'}, rows)) : null;
}

function scores(hit) {
  if (typeof hit?.score !== 'number') return null;
  const meter = (label, value, min, max) => h('div', {class: 'meter', style: {'--share': Math.max(0, Math.min(1, (value - min) / (max - min))).toFixed(3)}},
    h('span', {}, label), h('strong', {}, scoreText(value)));
  const same = typeof hit.cosine === 'number' && Math.abs(hit.cosine - hit.score) < 1e-6;
  return h('section', {class: 'scores'},
    meter(same ? 'Score (cosine)' : 'Score', hit.score, 0, Math.max(1, hit.score)),
    typeof hit.cosine === 'number' && !same && meter('Cosine', hit.cosine, 0, 1),
    h('p', {class: 'muted'}, [hit.rank && `No. ${hit.rank}`,
      hit.strong === true ? 'stands out from the collection' : hit.strong === false ? 'among the weaker matches' : null].filter(Boolean).join(', ')));
}

function alike(container, key, signal) {
  api.search({collection: state.collection, query: [{id: parseId(key)}], limit: 13}, {signal}).then(({hits}) => {
    const others = hits.filter((hit) => String(hit.id) !== key && hit.thumbnail_url).slice(0, 12);
    if (!others.length) return;
    container.replaceChildren(h('h3', {}, 'Looks alike'), h('ul', {class: 'strip'}, others.map((hit) => h('li', {},
      h('a', {href: stateUrl({...state, id: String(hit.id)}), title: titleOf(hit, state.title),
              onclick: (event) => { event.preventDefault(); go({id: String(hit.id)}, {notes: {opened: true}}); }},
        h('img', {src: api.thumbnailUrl(state.collection, hit.id), alt: altOf(hit), loading: 'lazy'}))))));
  }).catch(() => {});
}

async function deleteOne(key) {
  if (!await confirmDialog('Delete this picture?', 'It leaves the collection. A file that was indexed where it lies stays there; an uploaded one is removed.', 'Delete')) return;
  try {
    await api.deletePoints(state.collection, [parseId(key)]);
    const next = neighbourKey(1) ?? neighbourKey(-1);
    removed(new Set([key]));
    toast('Picture deleted');
    if (next) go({id: next}, {replace: true});
    else closeDetail();
  } catch (error) {
    toast(error.message, {bad: true});
  }
}

function neighbourKey(step) {
  const keys = allHits().map((hit) => String(hit.id));
  const at = keys.indexOf(shown);
  return at < 0 ? undefined : keys[at + step];
}

async function step(by) {
  let key = neighbourKey(by);
  if (!key && by > 0) {
    await more();
    key = neighbourKey(by);
  }
  if (key) go({id: key}, {replace: true});
}

/// Back to the grid: a step back if the grid is what we came from.
export function closeDetail() {
  if (history.state?.opened) history.back();
  else go({id: ''}, {replace: true});
}

function draw(hit, key) {
  const listed = hitOf(key);
  const title = titleOf(hit, state.title === '-' ? '' : state.title) || String(hit.id);
  const credit = creditOf(hit, state.credit === '-' ? '' : state.credit);
  const image = hit.payload?._image;
  const large = h('img', {class: 'large', alt: altOf(hit)});
  const thumb = h('img', {class: 'large preview', src: api.thumbnailUrl(state.collection, hit.id), alt: '', 'aria-hidden': 'true'});
  const stage = h('div', {class: 'stage', style: {'--ratio': image?.width ? image.width / image.height : 1}}, thumb, large);
  large.addEventListener('load', () => { large.classList.add('there'); thumb.remove(); });
  large.addEventListener('error', () => {
    large.remove();
    if (thumb.naturalWidth) {
      thumb.classList.add('sharp');
      stage.append(h('p', {class: 'stage-note'}, 'The file is not where it was indexed; this is its thumbnail.'));
    } else {
      thumb.remove();
      stage.append(h('p', {class: 'stage-note alone'}, 'This point has no picture.'));
    }
  });
  large.src = api.imageUrl(state.collection, hit.id);
  const example = state.examples.find((one) => one.id === key);
  const action = (name, label, onclick, pressed) =>
    h('button', {type: 'button', class: 'pill', onclick, 'aria-pressed': pressed === undefined ? null : String(pressed)}, icon(name), h('span', {}, label));
  const alikeSection = h('section', {class: 'alike'});
  dialog.replaceChildren(stage,
    h('div', {class: 'detail-nav'},
      iconButton('left', 'Previous (←)', () => step(-1), {class: 'round previous', disabled: !neighbourKey(-1)}),
      iconButton('right', 'Next (→)', () => step(1), {class: 'round next', disabled: !listed}),
      iconButton('close', 'Close (Escape)', closeDetail, {class: 'round close'})),
    h('div', {class: 'sheet'},
      h('header', {}, h('h2', {id: 'detail-title'}, title), credit && h('p', {class: 'muted'}, credit)),
      h('div', {class: 'detail-actions'},
        action('more', 'More like this', () => like(key, 1), Boolean(example && example.weight > 0)),
        action('less', 'Less like this', () => like(key, -1), Boolean(example && example.weight < 0)),
        action('check', isSelected(key) ? 'Selected' : 'Select', (event) => {
          select(key, hit, false);
          const button = event.currentTarget;
          button.setAttribute('aria-pressed', isSelected(key));
          $('span', button).textContent = isSelected(key) ? 'Selected' : 'Select';
        }, isSelected(key)),
        image && h('a', {class: 'pill', href: api.imageUrl(state.collection, hit.id), target: '_blank', rel: 'noopener'}, icon('open'), h('span', {}, 'Original')),
        action('link', 'Copy link', async () => {
          try {
            await navigator.clipboard.writeText(location.href);
            toast('Link copied');
          } catch {
            toast('The browser does not let the page copy; the link is in the address bar.');
          }
        }),
        may('write', state.collection) && action('trash', 'Delete', () => deleteOne(key))),
      hasQuery(state) && scores(listed),
      alikeSection,
      payloadList(hit.payload ?? {}),
      image || hit.path ? h('section', {}, h('h3', {}, 'Picture'), facts(hit)) : h('section', {}, h('h3', {}, 'Point'), facts(hit))));
  alike(alikeSection, key, asked.signal);
}

function open() {
  dialog = h('dialog', {class: 'detail', 'aria-labelledby': 'detail-title'});
  dialog.addEventListener('cancel', (event) => { event.preventDefault(); closeDetail(); });
  let start = null;
  dialog.addEventListener('touchstart', (event) => { start = event.touches.length === 1 ? event.touches[0] : null; }, {passive: true});
  dialog.addEventListener('touchend', (event) => {
    const end = event.changedTouches[0];
    if (start && Math.abs(end.clientX - start.clientX) > 60 && Math.abs(end.clientY - start.clientY) < 50 && !start.target.closest('.strip'))
      step(end.clientX < start.clientX ? 1 : -1);
    start = null;
  });
  document.body.append(dialog);
  dialog.showModal();
}

/// Opens, turns over or closes the view as the state says.
export async function showDetail() {
  if (!state.id) {
    if (!dialog) return;
    const key = shown;
    asked?.abort();
    dialog.close();
    dialog.remove();
    dialog = null;
    shown = null;
    focusTile(key);
    return;
  }
  if (state.id === shown && dialog) return;
  const key = state.id;
  shown = key;
  asked?.abort();
  asked = new AbortController();
  const {signal} = asked;
  if (!dialog) open();
  const listed = hitOf(key);
  if (listed) draw(listed, key);
  else dialog.replaceChildren(h('p', {class: 'stage-note alone'}, 'Loading …'));
  try {
    if (!listed) {
      const [point] = await api.points(state.collection, [parseId(key)], signal);
      if (signal.aborted) return;
      if (point) draw({...point, path: ''}, key);
      else dialog.replaceChildren(h('p', {class: 'stage-note alone', id: 'detail-title'}, 'There is no such picture in this collection.'),
        h('div', {class: 'detail-nav'}, iconButton('close', 'Close (Escape)', closeDetail, {class: 'round close'})));
    }
  } catch (error) {
    if (error.name !== 'AbortError') dialog.replaceChildren(h('p', {class: 'stage-note alone', id: 'detail-title'}, error.message),
      h('div', {class: 'detail-nav'}, iconButton('close', 'Close (Escape)', closeDetail, {class: 'round close'})));
  }
}
export const detailKey = () => (dialog ? shown : null);
export {step as stepDetail};

/// Buttons that say whether something is on follow a change made by a key.
export function redrawDetail() {
  const key = shown;
  if (!dialog || !hitOf(key)) return;
  draw(hitOf(key), key);
}
