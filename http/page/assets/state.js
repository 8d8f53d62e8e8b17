// state.js: what the page shows, and the query string that says so. Back, reload and sharing work
// because nothing else decides what is on the screen.
//
//   c=stamps            collection
//   q=a+dog+-snow       words; "-word" and -"some words" are looked away from
//   qw=0.5              their weight, if not 1
//   like=ID~1           an example; a negative weight is "less like this". Repeats
//   pic=KEY~1           a picture given by hand (picture.js keeps it)
//   is.FIELD=VALUE      one of these values. Repeats
//   has.FIELD=WORDS     a text with these words
//   from.FIELD, to.FIELD  bounds of numbers and dates
//   sort=-FIELD  variety=0.3  title=FIELD  credit=FIELD  size=s|l  panel=1
//   view=duplicates|statistics  near=6  id=ID (the detail view)

/// Beyond it the server does not compare hashes.
const kMaxBits = 11;

const defaults = {
  collection: '',
  text: '',
  textWeight: 1,
  sort: '',
  variety: 0,
  title: '',
  credit: '',
  size: '',
  panel: false,
  view: '',
  near: 6,
  id: '',
};
const plain = [
  ['collection', 'c'],
  ['text', 'q'],
  ['sort', 'sort'],
  ['title', 'title'],
  ['credit', 'credit'],
  ['size', 'size'],
  ['view', 'view'],
  ['id', 'id'],
];

const weightOf = (text) => {
  const weight = Number(text);
  return Number.isFinite(weight) && weight !== 0 ? Math.max(-2, Math.min(2, weight)) : 1;
};
const numberOf = (text, fallback) =>
  text !== null && text !== '' && Number.isFinite(Number(text)) ? Number(text) : fallback;

function splitWeight(text) {
  const at = text.lastIndexOf('~');
  return at < 0
    ? {id: text, weight: 1}
    : {id: text.slice(0, at), weight: weightOf(text.slice(at + 1))};
}

/// Strings as they are, unless they would read as another JSON value.
export function encodeValue(value) {
  if (typeof value !== 'string') return String(value);
  return /^(".*|true|false|-?\d+(\.\d+)?)$/.test(value) ? JSON.stringify(value) : value;
}
export function decodeValue(text) {
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^-?\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
  if (text.startsWith('"')) {
    try {
      return JSON.parse(text);
    } catch {
      /* a string that begins with a quote */
    }
  }
  return text;
}

export function parseState(search) {
  const params = new URLSearchParams(search);
  const state = {...defaults, examples: [], picture: null, is: {}, has: {}, from: {}, to: {}};
  for (const [key, name] of plain) state[key] = params.get(name) ?? defaults[key];
  state.textWeight = weightOf(params.get('qw') ?? 1);
  state.variety = Math.max(0, Math.min(1, numberOf(params.get('variety'), 0)));
  state.near = Math.max(
    0,
    Math.min(kMaxBits, Math.round(numberOf(params.get('near'), defaults.near))),
  );
  state.panel = params.get('panel') === '1';
  state.examples = params.getAll('like').filter(Boolean).map(splitWeight);
  const picture = params.get('pic');
  if (picture) {
    const {id, weight} = splitWeight(picture);
    state.picture = {key: id, weight};
  }
  for (const [name, value] of params) {
    const [, kind, field] = /^(is|has|from|to)\.(.+)$/.exec(name) ?? [];
    if (kind === 'is') (state.is[field] ??= []).push(decodeValue(value));
    else if (kind && value) state[kind][field] = value;
  }
  return state;
}

/// "?c=stamps&q=a+dog": relative, so it holds behind any prefix.
export function stateUrl(state) {
  const params = new URLSearchParams();
  for (const [key, name] of plain) if (state[key] !== defaults[key]) params.set(name, state[key]);
  if (state.textWeight !== 1) params.set('qw', state.textWeight);
  if (state.variety) params.set('variety', state.variety);
  if (state.near !== defaults.near) params.set('near', state.near);
  if (state.panel) params.set('panel', '1');
  for (const {id, weight} of state.examples)
    params.append('like', weight === 1 ? id : `${id}~${weight}`);
  if (state.picture) params.set('pic', `${state.picture.key}~${state.picture.weight}`);
  for (const [field, values] of Object.entries(state.is))
    for (const value of values) params.append(`is.${field}`, encodeValue(value));
  for (const kind of ['has', 'from', 'to'])
    for (const [field, value] of Object.entries(state[kind]))
      if (value) params.set(`${kind}.${field}`, value);
  return `?${params.toString().replaceAll('%7E', '~')}`;
}

export let state = parseState(location.search);
const listeners = [];
/// Called with (state, before) after each change, in the order of registration.
export const onChange = (listener) => listeners.push(listener);

function changed(next) {
  const before = state;
  state = next;
  for (const listener of listeners) listener(state, before);
}

/// Shows `changes`; a step for the Back button unless `replace`. `notes` go into history.state.
export function go(changes, {replace = false, notes = {}} = {}) {
  const next = {...state, ...changes};
  const url = stateUrl(next);
  if (replace || url === stateUrl(state))
    history.replaceState({...history.state, ...notes}, '', url);
  else
    history.pushState(
      {...(searchKey(next) === searchKey(state) ? history.state : {}), ...notes},
      '',
      url,
    );
  changed(next);
}
window.addEventListener('popstate', () => changed(parseState(location.search)));

/// What of the state decides which points are found.
export const searchKey = (s) =>
  stateUrl({...s, id: '', title: '', credit: '', size: '', panel: false});
export const hasQuery = (s) => Boolean(s.text.trim() || s.examples.length || s.picture);
export const numFilters = (s) =>
  ['is', 'has'].reduce((n, kind) => n + Object.keys(s[kind]).length, 0) +
  new Set([...Object.keys(s.from), ...Object.keys(s.to)]).size;

/// A fresh search in the same collection; what concerns the display stays.
export const cleared = (s) => ({
  text: '',
  textWeight: 1,
  examples: [],
  picture: null,
  is: {},
  has: {},
  from: {},
  to: {},
  sort: '',
  view: '',
  id: '',
  collection: s.collection,
});
