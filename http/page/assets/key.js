// key.js: asks for a key, and trades it for a session's cookie.

import * as api from './api.js';
import {setKeyHook} from './display.js';
import {h, icon, openDialog} from './dom.js';

const askForKey = () =>
  new Promise((resolve, reject) => {
    const field = h('input', {
      type: 'password',
      required: true,
      autocomplete: 'current-password',
      'aria-describedby': 'key-wrong',
    });
    const wrong = h('p', {class: 'bad-text', id: 'key-wrong', role: 'alert'});
    let opened = false;
    const form = h(
      'form',
      {method: 'dialog'},
      h('h2', {id: 'key-title'}, icon('key'), 'A key, please'),
      h(
        'p',
        {class: 'muted'},
        'This server answers those who have one. It is traded for a cookie of this browser; the page does not keep it.',
      ),
      h('label', {class: 'field'}, 'Key', field),
      wrong,
      h('div', {class: 'buttons'}, h('button', {type: 'submit', class: 'button main'}, 'Open')),
    );
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      try {
        await api.openSession(field.value);
        opened = true;
        dialog.close();
      } catch (error) {
        wrong.textContent =
          error.status === 401 ? 'This is not a key of this server.' : error.message;
        field.select();
      }
    });
    const dialog = openDialog({class: 'dialog narrow', 'aria-labelledby': 'key-title'}, form, () =>
      opened
        ? resolve()
        : reject(new api.ApiError(401, 'Without a key there is nothing to see here.')),
    );
    field.focus();
  });
api.whenKeyIsWanted(askForKey);
setKeyHook(askForKey);
