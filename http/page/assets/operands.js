// operands.js: the chips under the search field: what is searched for, and how much each part counts.

import {$, h, icon, iconButton} from './dom.js';
import * as api from './api.js';
import {weightText} from './format.js';
import {placeMenu} from './display.js';
import {pictureUrl} from './pictures.js';
import {go, state} from './state.js';

const list = $('#operands');
let open = null; // the chip whose weight is being set

function weightPanel(label, weight, set) {
  const id = `weight-${Math.random().toString(36).slice(2)}`;
  const output = h('output', {}, weightText(weight));
  const slider = h('input', {
    type: 'range',
    min: -2,
    max: 2,
    step: 0.1,
    value: weight,
    'aria-label': `Weight of ${label}`,
  });
  slider.addEventListener('input', () => {
    output.textContent = weightText(Number(slider.value));
  });
  slider.addEventListener('change', () => {
    const value = Number(slider.value);
    set(Math.abs(value) < 0.05 ? 0.1 : value);
  });
  return {
    id,
    panel: h(
      'div',
      {class: 'menu weight', id, popover: 'auto'},
      h(
        'span',
        {class: 'ends'},
        h('span', {}, 'Less like this'),
        output,
        h('span', {}, 'More like this'),
      ),
      slider,
    ),
  };
}

function chip(key, label, face, weight, set, remove) {
  const {id, panel} = weightPanel(label, weight, set);
  const button = h(
    'button',
    {
      type: 'button',
      class: 'chip-face',
      popovertarget: id,
      title: `${label}: change its weight`,
      'aria-label': `${label}, weight ${weightText(weight)}`,
    },
    face,
    h('span', {class: 'weight-text'}, weightText(weight)),
  );
  panel.addEventListener('beforetoggle', (event) => {
    open = event.newState === 'open' ? key : null;
    placeMenu(panel, button, 280);
  });
  panel.addEventListener('toggle', (event) => {
    if (event.newState === 'open') $('input', panel).focus();
  });
  return h(
    'li',
    {class: weight < 0 ? 'chip negative' : 'chip positive', data: {key}},
    button,
    iconButton('close', `Remove ${label}`, remove, {class: 'chip-remove'}),
    panel,
  );
}

/// Shows the chips for the state. A single text needs none: the field says it.
export async function showOperands() {
  const wanted = [];
  if (state.text.trim() && (state.examples.length || state.picture)) {
    wanted.push(
      chip(
        'text',
        `“${state.text.trim()}”`,
        h('span', {class: 'words'}, state.text.trim()),
        state.textWeight,
        (weight) => go({textWeight: weight}),
        () => go({text: '', textWeight: 1}),
      ),
    );
  }
  if (state.picture) {
    const url = await pictureUrl(state.picture.key);
    const face = url
      ? h('img', {src: url, alt: '', onerror: (event) => event.target.replaceWith(icon('picture'))})
      : icon('picture');
    const one = chip(
      'picture',
      url ? 'Your picture' : 'A picture that is not here',
      face,
      state.picture.weight,
      (weight) => go({picture: {...state.picture, weight}}),
      () => go({picture: null}),
    );
    one.classList.toggle('missing', !url);
    wanted.push(one);
  }
  for (const {id, weight} of state.examples) {
    const face = h('img', {
      src: api.thumbnailUrl(state.collection, id),
      alt: '',
      onerror: (event) => event.target.replaceWith(icon('picture')),
    });
    const set = (value) =>
      go({examples: state.examples.map((one) => (one.id === id ? {id, weight: value} : one))});
    wanted.push(
      chip(
        id,
        weight < 0 ? 'Less like this picture' : 'More like this picture',
        face,
        weight,
        set,
        () => go({examples: state.examples.filter((one) => one.id !== id)}),
      ),
    );
  }
  const reopen = open;
  list.replaceChildren(...wanted);
  list.hidden = wanted.length === 0;
  document.body.classList.toggle('has-operands', wanted.length > 0);
  if (reopen) list.querySelector(`.chip[data-key="${CSS.escape(reopen)}"] .menu`)?.showPopover();
}
