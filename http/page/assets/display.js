// display.js: the menus: which collection, in what order, and how pictures are shown.

import {$, fill, h, icon} from './dom.js';
import * as api from './api.js';
import {collectionInfo, loadServer, server} from './collection.js';
import {fieldName, plural} from './format.js';
import {cleared, go, hasQuery, state, stateUrl} from './state.js';

/// Who is asking, where keys matter: a way to give one, and to end the session.
function account() {
  const you = server.info?.you;
  if (!you || you.name === 'loopback') return null;
  const anonymous = you.right === 'none' || you.name === 'anonymous';
  return h(
    'div',
    {class: 'menu-foot'},
    h('span', {class: 'muted'}, anonymous ? 'Looking only' : `${you.name}: may ${you.right}`),
    h(
      'button',
      {
        type: 'button',
        class: 'text-button',
        onclick: async () => {
          $('#collections').hidePopover();
          try {
            await (anonymous ? giveKey() : api.closeSession());
            location.reload();
          } catch {
            /* no key was given */
          }
        },
      },
      anonymous ? 'Use a key' : 'Sign out',
    ),
  );
}
let giveKey = async () => {};
export function setKeyHook(hook) {
  giveKey = hook;
}

/// The chooser says which collection is shown; its menu has the others.
export function showCollections() {
  const {collections} = server;
  $('#chooser').hidden = !state.collection && collections.length === 0;
  $('#chooser-name').textContent = state.collection || 'Collections';
  fill(
    $('#collections'),
    h(
      'ul',
      {},
      collections.map((one) =>
        h(
          'li',
          {},
          h(
            'a',
            {
              href: stateUrl({...state, ...cleared(state), collection: one.name}),
              class: 'menu-row',
              'aria-current': one.name === state.collection ? 'true' : null,
              onclick: (event) => {
                if (event.ctrlKey || event.metaKey) return;
                event.preventDefault();
                $('#collections').hidePopover();
                go({...cleared(state), collection: one.name});
              },
            },
            h('span', {class: 'name'}, one.name),
            h('span', {class: 'muted'}, one.error ? 'damaged' : plural(one.points, 'point')),
            icon('check'),
          ),
        ),
      ),
    ),
    account(),
  );
}

/// Menus stand below their buttons; `width` is the most they may have.
export function placeMenu(menu, button, width) {
  const box = button.getBoundingClientRect();
  menu.style.setProperty('top', `${box.bottom + 8}px`);
  menu.style.setProperty('left', `${Math.max(12, Math.min(box.left, innerWidth - width - 12))}px`);
}
for (const [menu, button, width] of [
  ['#collections', '#chooser', 340],
  ['#display', '#open-display', 290],
]) {
  $(menu).addEventListener('beforetoggle', () => placeMenu($(menu), $(button), width));
  $(menu).addEventListener('toggle', (event) => {
    if (event.newState === 'open') $('[aria-current=true], select, input, a', $(menu))?.focus();
  });
}
$('#collections').addEventListener('toggle', async (event) => {
  if (event.newState !== 'open') return;
  try {
    await loadServer();
    showCollections();
  } catch {
    /* what was known stays */
  }
});

async function fields() {
  try {
    return (await collectionInfo(state.collection)).fields;
  } catch {
    return [];
  }
}

export async function showSort() {
  const select = $('#sort');
  const known = state.collection ? await fields() : [];
  const sortable = known.filter(
    (field) => ['integer', 'float', 'datetime'].includes(field.type) && !field.field.includes('[]'),
  );
  const words = {
    integer: ['largest first', 'smallest first'],
    float: ['largest first', 'smallest first'],
    datetime: ['newest first', 'oldest first'],
  };
  const options = [
    ['', hasQuery(state) ? 'Best match' : 'Any order'],
    ...sortable.flatMap(({field, type}) => [
      [`-${field}`, `${fieldName(field)}, ${words[type][0]}`],
      [field, `${fieldName(field)}, ${words[type][1]}`],
    ]),
  ];
  if (state.sort && !options.some(([value]) => value === state.sort))
    options.push([state.sort, fieldName(state.sort.replace(/^-/, ''))]);
  select.replaceChildren(...options.map(([value, text]) => h('option', {value}, text)));
  select.value = state.sort;
}
$('#sort').addEventListener('change', (event) => go({sort: event.target.value}));

export async function showDisplay() {
  const menu = $('#display');
  const known = state.collection ? await fields() : [];
  const texts = known.filter(
    (field) =>
      ['keyword', 'text', 'datetime', 'integer'].includes(field.type) &&
      !field.field.endsWith('_hash'),
  );
  const chooser = (label, key) => {
    const select = h(
      'select',
      {onchange: (event) => go({[key]: event.target.value}, {replace: true})},
      h('option', {value: ''}, 'Automatic'),
      h('option', {value: '-'}, 'None'),
      texts.map(({field}) => h('option', {value: field}, fieldName(field))),
    );
    if (state[key] && !['-', ...texts.map((one) => one.field)].includes(state[key]))
      select.append(h('option', {value: state[key]}, state[key]));
    select.value = state[key];
    return h('label', {class: 'field'}, label, select);
  };
  const size = h(
    'fieldset',
    {class: 'segments'},
    h('legend', {}, 'Size of pictures'),
    [
      ['s', 'Small'],
      ['', 'Medium'],
      ['l', 'Large'],
    ].map(([value, text]) =>
      h(
        'label',
        {},
        h('input', {
          type: 'radio',
          name: 'size',
          value,
          checked: state.size === value,
          onchange: () => go({size: value}, {replace: true}),
        }),
        h('span', {}, text),
      ),
    ),
  );
  const variety = h('input', {
    type: 'range',
    min: 0,
    max: 1,
    step: 0.1,
    value: state.variety,
    onchange: (event) => go({variety: Number(event.target.value)}),
  });
  const focus = document.activeElement?.closest('#display')
    ? [...menu.querySelectorAll('select, input')].indexOf(document.activeElement)
    : -1;
  fill(
    menu,
    size,
    chooser('Title', 'title'),
    chooser('Credit', 'credit'),
    h(
      'label',
      {class: 'field'},
      'Variety of matches',
      variety,
      h('span', {class: 'ends'}, h('span', {}, 'Best first'), h('span', {}, 'Unlike each other')),
    ),
  );
  if (focus >= 0) menu.querySelectorAll('select, input')[focus]?.focus();
}
