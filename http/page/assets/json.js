// json.js: JSON whose integers stay exact: what a double cannot hold becomes a BigInt.

const kToken = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

export function parseJson(text) {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  const marked = text.replace(kToken, (token) => {
    if (token.length < 16 || !/^-?\d+$/.test(token) || Number.isSafeInteger(Number(token)))
      return token;
    return `{"\\u0000big":"${token}"}`;
  });
  return JSON.parse(marked, (_, value) =>
    value !== null && typeof value === 'object' && '\0big' in value
      ? BigInt(value['\0big'])
      : value,
  );
}

export function writeJson(value, indent) {
  return JSON.stringify(
    value,
    (_, item) => (typeof item === 'bigint' ? `\0big:${item}` : item),
    indent,
  ).replace(/"\\u0000big:(-?\d+)"/g, '$1');
}

/// The id that `text` (from a URL) stands for: digits are a number.
export function parseId(text) {
  if (!/^\d{1,20}$/.test(text)) return text;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}
