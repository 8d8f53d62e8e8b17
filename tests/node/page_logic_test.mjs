// page_logic_test.mjs: what the page computes without a browser: exact integers, queries, filters,
// the query string, CSV.

import assert from 'node:assert/strict';
import {runCases, test} from './cases.mjs';

// state.js reads the address when it is loaded.
globalThis.location = {search: ''};
globalThis.window = {addEventListener() {}};
globalThis.history = {state: null, pushState() {}, replaceState() {}};
const assets = '../../http/page/assets';
const {parseId, parseJson, writeJson} = await import(`${assets}/json.js`);
const {filterOf, operandsOf, splitWords, toggleExample} = await import(`${assets}/query.js`);
const {decodeValue, encodeValue, parseState, searchKey, stateUrl} = await import(
  `${assets}/state.js`
);
const {csvOf} = await import(`${assets}/csv.js`);
const {fieldName, titleOf, valueAt} = await import(`${assets}/format.js`);

test('integers that doubles cannot hold stay exact, everything else is plain JSON', () => {
  const text =
    '{"id": 18446744073709551615, "n": [-9223372036854775808, 9007199254740991, 0.28700000000000003, 1e300], ' +
    '"s": "12345678901234567890 \\" 12345678901234567890"}';
  const value = parseJson(text);
  assert.equal(value.id, 18446744073709551615n);
  assert.deepEqual(value.n, [-9223372036854775808n, 9007199254740991, 0.28700000000000003, 1e300]);
  assert.equal(value.s, '12345678901234567890 " 12345678901234567890');
  assert.equal(writeJson({id: value.id, s: 'big:1'}), '{"id":18446744073709551615,"s":"big:1"}');
  assert.equal(parseId('18446744073709551615'), 18446744073709551615n);
  assert.equal(parseId('42'), 42);
  assert.equal(
    parseId('5c56c793-69f3-4fbf-87e6-c4bf54c28c26'),
    '5c56c793-69f3-4fbf-87e6-c4bf54c28c26',
  );
});

test('words with a minus are looked away from', () => {
  for (const [text, wanted, unwanted] of [
    ['a dog', 'a dog', []],
    ['a dog -snow', 'a dog', ['snow']],
    ['-"red car" a street  -night', 'a street', ['red car', 'night']],
    ['a t-shirt - blue', 'a t-shirt - blue', []],
    ['-fog', '', ['fog']],
    ['', '', []],
  ])
    assert.deepEqual(splitWords(text), {wanted, unwanted}, text);
});

test('the state survives the query string', () => {
  const search =
    '?c=my+photos&q=a+%22dog%22+-snow&sort=-_image.bytes&id=7&qw=0.5&variety=0.3&near=2&panel=1&like=12' +
    '&like=5c56c793-69f3-4fbf-87e6-c4bf54c28c26~-0.5&pic=abc123~1.5&is.city=Paris&is.city=%2242%22&is.year=1999' +
    '&is.sold=true&has.plot=lost+ship&from.year=1990&to.seen=2024-05-01';
  const state = parseState(search);
  assert.deepEqual(state.examples[1], {id: '5c56c793-69f3-4fbf-87e6-c4bf54c28c26', weight: -0.5});
  assert.deepEqual(state.picture, {key: 'abc123', weight: 1.5});
  assert.deepEqual({...state.is}, {city: ['Paris', '42'], year: [1999], sold: [true]});
  assert.deepEqual(parseState(stateUrl(state)), state);
  assert.equal(searchKey(state), searchKey({...state, id: '', panel: false, title: 'name'}));
  assert.notEqual(searchKey(state), searchKey({...state, near: 3}));
  assert.deepEqual(parseState('?near=99&variety=x&like=3~0&qw=abc'), {
    ...parseState(''),
    near: 11,
    examples: [{id: '3', weight: 1}],
  });
});

test('values of filters keep their types', () => {
  for (const value of [
    'Paris',
    '42',
    'true',
    '"quoted"',
    '',
    'a=b&c',
    42,
    -7,
    true,
    false,
    9007199254740993n,
  ])
    assert.deepEqual(decodeValue(encodeValue(value)), value, String(value));
});

test('the filter that the server is asked', () => {
  const state = parseState(
    '?is.city=Paris&is.city=Rome&is.year=1999&is.sold=true&is.sold=false&has.plot=lost+ship&from.year=1990&to.year=2000.5&from.seen=2024-02-28&to.seen=2024-02-29',
  );
  assert.deepEqual(filterOf(state), {
    must: [
      {key: 'city', match: {any: ['Paris', 'Rome']}},
      {key: 'year', match: {value: 1999}},
      {
        should: [
          {key: 'sold', match: {value: true}},
          {key: 'sold', match: {value: false}},
        ],
      },
      {key: 'plot', match: {text: 'lost ship'}},
      {key: 'year', range: {gte: 1990, lte: 2000.5}},
      {key: 'seen', range: {gte: '2024-02-28T00:00:00Z', lt: '2024-03-01T00:00:00Z'}},
    ],
  });
  assert.deepEqual(
    filterOf(state, 'year').must.map((one) => one.key),
    ['city', undefined, 'plot', 'seen'],
  );
  assert.equal(filterOf(parseState('?q=x')), null);
});

test('operands, examples turned on and over', () => {
  const state = parseState('?q=a+dog+-snow&qw=2&pic=k~-1&like=7');
  assert.deepEqual(operandsOf(state, true), [
    {text: 'a dog', weight: 2},
    {text: 'snow', weight: -1},
    {part: 'picture', weight: -1},
    {id: 7, weight: 1},
  ]);
  assert.deepEqual(toggleExample(state, 7, 1), []);
  assert.deepEqual(toggleExample(state, 7, -1), [{id: '7', weight: -1}]);
  assert.deepEqual(toggleExample(state, 8, 1), [
    {id: '7', weight: 1},
    {id: '8', weight: 1},
  ]);
});

test('names, titles and values of payloads', () => {
  assert.equal(fieldName('_image.taken_at'), 'Taken');
  assert.equal(fieldName('release_year'), 'Release year');
  assert.equal(valueAt({a: [{'b.c': 3}]}, 'a[]."b.c"'), 3);
  assert.equal(valueAt({}, 'a.b'), undefined);
  const hit = {
    id: 1,
    path: '/p/red_kangaroo.png',
    payload: {artist: 'Ann', _image: {name: 'red_kangaroo.png'}},
  };
  assert.equal(titleOf(hit), 'red kangaroo');
  assert.equal(titleOf(hit, 'artist'), 'Ann');
  assert.equal(titleOf(hit, '-'), '');
});

test('CSV', () => {
  const text = csvOf([
    {
      id: 18446744073709551615n,
      payload: {name: 'a "quoted", one', tags: ['x', 'y'], at: {lat: 1.5}},
    },
    {id: 2, payload: {name: 'two\nlines', other: null}},
  ]);
  assert.equal(
    text,
    'id,name,tags,at.lat,other\r\n18446744073709551615,"a ""quoted"", one","[""x"",""y""]",1.5,\r\n2,"two\nlines",,,\r\n',
  );
});

process.exit(await runCases('page_logic_test'));
