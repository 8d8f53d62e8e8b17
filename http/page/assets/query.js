// query.js: from the state to what the server is asked.

import {parseId} from './json.js';
import {isDate} from './format.js';

/// "a dog -snow -"red car"" -> {wanted: "a dog", unwanted: ["snow", "red car"]}
export function splitWords(text) {
  const unwanted = [];
  const wanted = text.replace(/(^|\s)-(?:"([^"]+)"|([^\s"-]\S*))/g, (_, space, quoted, word) => {
    unwanted.push((quoted ?? word).trim());
    return space;
  });
  return {wanted: wanted.replace(/\s+/g, ' ').trim(), unwanted: unwanted.filter(Boolean)};
}

/// The operands of /v1/search. With `withPicture`, that of the file part "picture" too.
export function operandsOf(state, withPicture) {
  const {wanted, unwanted} = splitWords(state.text);
  const operands = [];
  if (wanted) operands.push({text: wanted, weight: state.textWeight});
  for (const text of unwanted) operands.push({text, weight: -1});
  if (withPicture) operands.push({part: 'picture', weight: state.picture.weight});
  for (const {id, weight} of state.examples) operands.push({id: parseId(id), weight});
  return operands;
}

const nextDay = (day) => {
  const time = new Date(`${day}T00:00:00Z`);
  time.setUTCDate(time.getUTCDate() + 1);
  return time.toISOString().slice(0, 19) + 'Z';
};

function matchOneOf(key, values) {
  if (values.length === 1) return {key, match: {value: values[0]}};
  const kinds = new Set(
    values.map((v) =>
      typeof v === 'string' ? 'string' : typeof v === 'boolean' ? 'bool' : 'integer',
    ),
  );
  if (kinds.size === 1 && !kinds.has('bool')) return {key, match: {any: values}};
  return {should: values.map((value) => ({key, match: {value}}))};
}

function range(key, from, to) {
  const bounds = {};
  if (isDate(from) || isDate(to)) {
    if (from) bounds.gte = from.length === 10 ? `${from}T00:00:00Z` : from;
    if (to) bounds[to.length === 10 ? 'lt' : 'lte'] = to.length === 10 ? nextDay(to) : to;
  } else {
    if (from) bounds.gte = Number(from);
    if (to) bounds.lte = Number(to);
  }
  return {key, range: bounds};
}

/// Qdrant's filter, or null. `except`: a field whose own conditions are left out (its counts).
export function filterOf(state, except) {
  const must = [];
  for (const [key, values] of Object.entries(state.is))
    if (key !== except && values.length) must.push(matchOneOf(key, values));
  for (const [key, words] of Object.entries(state.has))
    if (key !== except) must.push({key, match: {text: words}});
  for (const key of new Set([...Object.keys(state.from), ...Object.keys(state.to)]))
    if (key !== except) must.push(range(key, state.from[key], state.to[key]));
  return must.length ? {must} : null;
}

/// Turns "more like this" and "less like this" on, over, and off again.
export function toggleExample(state, id, weight) {
  const key = String(id);
  const old = state.examples.find((example) => example.id === key);
  const rest = state.examples.filter((example) => example.id !== key);
  if (old && Math.sign(old.weight) === Math.sign(weight)) return rest;
  return [...rest, {id: key, weight}];
}
