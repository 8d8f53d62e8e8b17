// keys.js: the keyboard, and the page that explains it.

import {$, h, iconButton, openDialog} from './dom.js';
import {closeDetail, detailKey, redrawDetail, stepDetail} from './detail.js';
import {currentKey, focusTile, hitOf, like} from './grid.js';
import {clearSelection, select, selecting} from './selection.js';
import {openUpload} from './upload.js';
import {may} from './collection.js';
import {go, state} from './state.js';

const keys = [
  ['/', 'Go to the search field'],
  ['Enter', 'Search; open a picture'],
  ['← → ↑ ↓', 'Move between pictures'],
  ['l', 'More like this picture'],
  ['x', 'Less like this picture'],
  ['Space', 'Select; with Shift, all up to here'],
  ['f', 'Filters'],
  ['u', 'Add pictures'],
  ['Escape', 'Close; clear the selection'],
  ['?', 'This help'],
];

export function openHelp() {
  const dialog = openDialog({class: 'dialog help', 'aria-labelledby': 'help-title'}, [
    iconButton('close', 'Close', () => dialog.close(), {class: 'corner'}),
    h('h2', {id: 'help-title'}, 'Ways to search'),
    h(
      'ul',
      {class: 'ways'},
      h(
        'li',
        {},
        h('strong', {}, 'Words. '),
        'Describe what is in the picture: ',
        h('q', {}, 'a red kangaroo'),
        '. Leave things out with a minus: ',
        h('q', {}, 'a boat -sunset'),
        '.',
      ),
      h(
        'li',
        {},
        h('strong', {}, 'A picture. '),
        'Drop it anywhere, paste it, or choose one with the button in the search field.',
      ),
      h(
        'li',
        {},
        h('strong', {}, 'Both, and more. '),
        'Add words to a picture. Press + or − on pictures to find more or less like them, and click a chip to say how much it counts.',
      ),
      h(
        'li',
        {},
        h('strong', {}, 'Filters '),
        'narrow any of it. The address of the page holds everything but pictures of your own: bookmark it, share it, go back.',
      ),
    ),
    h('h2', {}, 'Keys'),
    h(
      'dl',
      {class: 'keys'},
      keys.map(([key, text]) =>
        h(
          'div',
          {},
          h(
            'dt',
            {},
            key.split(' ').map((one) => h('kbd', {}, one)),
          ),
          h('dd', {}, text),
        ),
      ),
    ),
  ]);
}

const typing = (target) =>
  target.isContentEditable ||
  target.tagName === 'TEXTAREA' ||
  target.tagName === 'SELECT' ||
  (target.tagName === 'INPUT' && !['checkbox', 'radio', 'range', 'button'].includes(target.type));

document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const detail = detailKey();
  const modal = $('dialog[open]:not(.detail)');
  if (modal) return;
  if (event.target.id === 'text') {
    if (event.key === 'ArrowDown' && focusTile()) event.preventDefault();
    if (event.key === 'Escape' && !event.target.value) event.target.blur();
    return;
  }
  if (typing(event.target)) return;
  const key = detail ?? currentKey();
  const done = () => event.preventDefault();
  switch (event.key) {
    case '/':
      if (detail) closeDetail();
      $('#text').focus();
      $('#text').select();
      return done();
    case '?':
      openHelp();
      return done();
    case 'l':
    case 'x':
      if (key) {
        like(key, event.key === 'l' ? 1 : -1);
        return done();
      }
      return;
    case ' ':
      if (!key || event.target.closest('button, input, summary')) return;
      select(key, hitOf(key), event.shiftKey);
      redrawDetail();
      return done();
    case 'ArrowLeft':
    case 'ArrowRight':
      if (!detail || event.target.type === 'range') return;
      stepDetail(event.key === 'ArrowLeft' ? -1 : 1);
      return done();
    case 'f':
      if (!detail && !state.view) go({panel: !state.panel}, {replace: true});
      return;
    case 'u':
      if (may('write', state.collection)) {
        openUpload();
        done();
      }
      return;
    case 'Escape':
      if (!detail && !$(':popover-open') && selecting()) clearSelection();
      return;
    case 'ArrowDown':
      if (!detail && !state.view && event.target === document.body && focusTile()) done();
      return;
    default:
  }
});
