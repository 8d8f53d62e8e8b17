// facts.js: what the detail view says of a picture: facts, payload, scores.

import {h} from './dom.js';
import {bytes, count, date, fieldName, isDate, scoreText} from './format.js';
import {filterBy} from './filters.js';
import {writeJson} from './json.js';

const fact = (label, value) =>
  value !== undefined &&
  value !== null &&
  value !== '' &&
  h('div', {class: 'fact'}, h('dt', {}, label), h('dd', {}, value));
const hash = (text) => text && h('code', {title: text}, text.replace(/^sha256:/, '').slice(0, 16));

function placeText(place) {
  if (!place) return null;
  const names = [place.name, place.city, place.country].filter(Boolean).join(', ');
  const at =
    typeof place.lat === 'number' ? `${place.lat.toFixed(5)}, ${place.lon.toFixed(5)}` : '';
  return [names, at].filter(Boolean).join(' · ');
}

export function facts(hit) {
  const image = hit.payload?._image ?? {};
  const {width, height} = image;
  const size =
    width && height
      ? `${count(width)} × ${count(height)}${width * height >= 1e6 ? ` · ${((width * height) / 1e6).toFixed(1)} MP` : ''}`
      : null;
  const file = [image.format?.toUpperCase(), image.bytes && bytes(image.bytes)]
    .filter(Boolean)
    .join(' · ');
  const keywords =
    image.keywords?.length &&
    h(
      'span',
      {class: 'words'},
      image.keywords.map((word) =>
        h(
          'button',
          {
            type: 'button',
            class: 'word',
            title: 'Filter by this',
            onclick: () => filterBy('_image.keywords', word),
          },
          word,
        ),
      ),
    );
  const path = hit.path || (image.uri ?? '').replace(/^file:\/\//, '');
  const rows = [
    fact('Size', size),
    fact('File', file),
    fact('Taken', image.taken_at && date(image.taken_at)),
    fact('Camera', image.camera),
    fact('Place', placeText(image.place)),
    fact('Caption', image.caption),
    fact('Keywords', keywords),
    fact('Credit', image.credit),
    fact('Rights', image.rights),
    fact('Source', path && h('span', {class: 'path'}, path)),
    fact('Id', h('code', {}, String(hit.id))),
    fact('Looks hash', hash(image.perceptual_hash)),
    fact('Bytes hash', hash(image.content_hash)),
  ];
  return h('dl', {class: 'facts'}, rows);
}

function valueNode(value, path) {
  if (Array.isArray(value)) {
    if (!value.length) return null;
    if (value.every((item) => item === null || typeof item !== 'object'))
      return h(
        'span',
        {class: 'words'},
        value.map((item) => valueNode(item, path)),
      );
    return h(
      'details',
      {},
      h('summary', {}, `${value.length} items`),
      h('pre', {}, writeJson(value, 2)),
    );
  }
  if (value !== null && typeof value === 'object')
    return h(
      'dl',
      {class: 'facts nested'},
      Object.entries(value).map(([key, item]) => fact(key, valueNode(item, `${path}.${key}`))),
    );
  if (value === null) return h('span', {class: 'muted'}, 'null');
  const text = isDate(value)
    ? date(value)
    : typeof value === 'number'
      ? String(value)
      : String(value);
  const canFilter =
    (typeof value === 'string' && value.length < 60) ||
    typeof value === 'boolean' ||
    Number.isInteger(value);
  return canFilter
    ? h(
        'button',
        {
          type: 'button',
          class: 'word',
          title: 'Filter by this',
          onclick: () => filterBy(path, value),
        },
        text,
      )
    : text;
}

export function payloadList(payload) {
  const rows = Object.entries(payload)
    .filter(([key]) => key !== '_image')
    .map(([key, value]) =>
      fact(fieldName(key), valueNode(value, /^[A-Za-z0-9_-]+$/.test(key) ? key : `"${key}"`)),
    );
  return rows.length
    ? h('section', {}, h('h3', {}, 'Payload'), h('dl', {class: 'facts'}, rows))
    : null;
}

export function scores(hit) {
  if (typeof hit?.score !== 'number') return null;
  const meter = (label, value, min, max) =>
    h(
      'div',
      {
        class: 'meter',
        style: {'--share': Math.max(0, Math.min(1, (value - min) / (max - min))).toFixed(3)},
      },
      h('span', {}, label),
      h('strong', {}, scoreText(value)),
    );
  const same = typeof hit.cosine === 'number' && Math.abs(hit.cosine - hit.score) < 1e-6;
  return h(
    'section',
    {class: 'scores'},
    meter(same ? 'Score (cosine)' : 'Score', hit.score, 0, Math.max(1, hit.score)),
    typeof hit.cosine === 'number' && !same && meter('Cosine', hit.cosine, 0, 1),
    h(
      'p',
      {class: 'muted'},
      [
        hit.rank && `No. ${hit.rank}`,
        hit.strong === true
          ? 'stands out from the collection'
          : hit.strong === false
            ? 'among the weaker matches'
            : null,
      ]
        .filter(Boolean)
        .join(', '),
    ),
  );
}
