// dom.js: makes elements. Data only ever becomes text or an attribute, never markup.

/// h("a", {class: "x", href: "?", onclick: f, style: {"--share": 0.5}}, "text", child, [children])
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style')
      for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'value' || name === 'checked' || name === 'indeterminate')
      element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...present(children));
  return element;
}

const present = (children) =>
  children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== '');

/// Puts `children` in place of what is in the element.
export function fill(element, ...children) {
  element.replaceChildren(...present(children));
}

export const $ = (selector, root = document) => root.querySelector(selector);

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `assets/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/// A button that shows an icon alone; `label` is what a screen reader says and the tip shows.
export function iconButton(name, label, onclick, props = {}) {
  return h(
    'button',
    {
      type: 'button',
      title: label,
      'aria-label': label,
      onclick,
      ...props,
      class: `quiet ${props.class ?? ''}`,
    },
    icon(name),
  );
}

/// A short message at the foot of the page. `action`: {label, run}.
export function toast(message, {bad = false, action} = {}) {
  const note = h(
    'div',
    {class: bad ? 'toast bad' : 'toast'},
    bad && icon('warning'),
    h('span', {}, message),
  );
  const leave = () => note.remove();
  if (action)
    note.append(
      h(
        'button',
        {
          type: 'button',
          onclick: () => {
            leave();
            action.run();
          },
        },
        action.label,
      ),
    );
  $('#toasts').append(note);
  setTimeout(leave, bad || action ? 8000 : 4000);
}

/// Opens a modal dialog that goes away once closed. Escape and a click beside it close it.
/// `onclose` gets the dialog's returnValue.
export function openDialog(props, content, onclose) {
  const dialog = h('dialog', props, content);
  // A press that began inside (text being selected) is no click beside it.
  let pressed = null;
  dialog.addEventListener('pointerdown', (event) => {
    pressed = event.target;
  });
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog && pressed === dialog) dialog.close();
  });
  dialog.addEventListener('close', () => {
    dialog.remove();
    onclose?.(dialog.returnValue);
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/// Asks yes or no; `action` is the word on the button that does it.
export function confirmDialog(title, text, action) {
  return new Promise((resolve) => {
    const dialog = openDialog(
      {class: 'dialog narrow', 'aria-labelledby': 'confirm-title'},
      h(
        'form',
        {method: 'dialog'},
        h('h2', {id: 'confirm-title'}, title),
        h('p', {}, text),
        h(
          'div',
          {class: 'buttons'},
          h('button', {class: 'button', value: 'no', type: 'submit'}, 'Cancel'),
          h('button', {class: 'button danger', value: 'yes', type: 'submit'}, action),
        ),
      ),
      (answer) => resolve(answer === 'yes'),
    );
    $('.danger', dialog).focus();
  });
}

export function debounce(wait, run) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...args), wait);
  };
}
