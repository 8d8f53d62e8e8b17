// format.js: numbers, sizes, dates and names for people.

const number = new Intl.NumberFormat('en');
export const count = (n) => number.format(n ?? 0);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
export const weightText = (w) => `${w < 0 ? '−' : '+'}${Math.abs(w).toFixed(1)}`;
export const scoreText = (s) => (typeof s === 'number' ? s.toFixed(3) : '');

export function bytes(n) {
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ])
    if (n >= size) return `${(n / size).toFixed(n / size < 10 ? 1 : 0)}\u00a0${unit}`;
  return `${count(n)} bytes`;
}

export function seconds(s) {
  if (s < 60) return `${Math.max(1, Math.round(s))} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
}

export const isDate = (value) =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d|$)/.test(value);

/// Times of pictures are shown as the camera said them, whatever zone the reader is in.
export function date(text) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  const day = time.toLocaleDateString('en', {
    year: 'numeric',
    month: 'long',
    day: 'numeric',
    timeZone: 'UTC',
  });
  return text.length > 10 ? `${day}, ${text.slice(11, 16)}` : day;
}

/// "2 minutes ago" of a time now passing.
export function ago(text) {
  const elapsed = (Date.now() - new Date(text).getTime()) / 1000;
  return elapsed < 5 ? 'just now' : `${seconds(elapsed)} ago`;
}

const names = {
  '_image.width': 'Width',
  '_image.height': 'Height',
  '_image.bytes': 'File size',
  '_image.format': 'Format',
  '_image.taken_at': 'Taken',
  '_image.camera': 'Camera',
  '_image.credit': 'Credit',
  '_image.rights': 'Rights',
  '_image.keywords': 'Keywords',
  '_image.caption': 'Caption',
  '_image.title': 'Title',
  '_image.name': 'File name',
  '_image.place.city': 'City',
  '_image.place.country': 'Country',
  '_image.place.name': 'Place',
  '_image.uri': 'Source',
  '_image.perceptual_hash': 'Perceptual hash',
  '_image.content_hash': 'Content hash',
  '_image.place': 'Place',
};
/// What a field is called: "_image.taken_at" -> "Taken", "release_year" -> "Release year".
export function fieldName(field) {
  const known = names[field.replaceAll('[]', '')];
  if (known) return known;
  const words = field
    .replaceAll('[]', '')
    .replace(/^_image\./, '')
    .replaceAll(/[_.]+/g, ' ')
    .trim();
  return words ? words[0].toUpperCase() + words.slice(1) : field;
}

/// The value at `path` ("a.b", 'a."b.c"', "a[].b") of a payload; of arrays the first that is there.
export function valueAt(payload, path) {
  const steps = path.match(/"(?:[^"\\]|\\.)*"|[^.]+/g) ?? [];
  let value = payload;
  for (const step of steps) {
    if (Array.isArray(value)) value = value[0];
    if (value === null || typeof value !== 'object') return undefined;
    value = value[step.startsWith('"') ? step.slice(1, -1) : step.replace(/\[\d*\]$/, '')];
  }
  return value;
}

const wordsOf = (value) =>
  Array.isArray(value)
    ? value.filter((v) => typeof v !== 'object').join(', ')
    : value === null || value === undefined || typeof value === 'object'
      ? ''
      : String(value);
const first = (payload, fields) => {
  for (const field of fields) {
    const words = wordsOf(valueAt(payload, field));
    if (words) return words;
  }
  return '';
};

const titles = ['title', 'name', 'caption', 'label', '_image.title', '_image.caption'];
const credits = [
  'credit',
  'author',
  'artist',
  'photographer',
  'by',
  '_image.credit',
  '_image.rights',
];

/// `field`: what the reader chose; '' lets the page choose, '-' shows none.
export function titleOf(hit, field = '') {
  if (field === '-') return '';
  if (field) return wordsOf(valueAt(hit.payload ?? {}, field));
  const found = first(hit.payload ?? {}, titles);
  if (found) return found;
  const file = valueAt(hit.payload ?? {}, '_image.name') ?? (hit.path ?? '').split(/[/#]/).pop();
  return file ? file.replace(/\.[A-Za-z0-9]{2,5}$/, '').replaceAll('_', ' ') : String(hit.id);
}
export const creditOf = (hit, field = '') =>
  field === '-'
    ? ''
    : field
      ? wordsOf(valueAt(hit.payload ?? {}, field))
      : first(hit.payload ?? {}, credits);

/// For a screen reader, and where the picture does not come.
export const altOf = (hit) =>
  first(hit.payload ?? {}, ['_image.caption', 'caption']) || titleOf(hit);
