// csv.js: points as a table (RFC 4180): a column per payload field, nested ones by their paths.

import {writeJson} from './json.js';

function flatten(value, prefix, into) {
  for (const [key, item] of Object.entries(value ?? {})) {
    if (item !== null && typeof item === 'object' && !Array.isArray(item))
      flatten(item, `${prefix}${key}.`, into);
    else into[prefix + key] = item;
  }
  return into;
}
const cell = (value) => {
  const text =
    value === null || value === undefined
      ? ''
      : typeof value === 'object'
        ? writeJson(value)
        : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export function csvOf(points) {
  const rows = points.map((point) => flatten(point.payload, '', {id: point.id}));
  const columns = [...new Set(['id', ...rows.flatMap(Object.keys)])];
  return (
    [columns, ...rows.map((row) => columns.map((column) => row[column]))]
      .map((row) => row.map(cell).join(','))
      .join('\r\n') + '\r\n'
  );
}
