// detail.js: one picture, large: what is known of it, what looks like it, its neighbours in the grid.

import * as api from './api.js';
import {may} from './collection.js';
import {$, confirmDialog, fill, h, icon, iconButton, toast} from './dom.js';
import {facts, payloadList, scores} from './facts.js';
import {altOf, creditOf, titleOf} from './format.js';
import {allHits, focusTile, hitOf, like} from './grid.js';
import {parseId} from './json.js';
import {isSelected, select} from './selection.js';
import {go, hasQuery, state, stateUrl} from './state.js';

let dialog = null;
let shown = null; // key
let asked = null;
let more = async () => [];
let removed = () => {};
/// more(): loads the next page of the grid; removed(keys): after a deletion.
export function setDetailHooks(hooks) {
  ({more, removed} = hooks);
}

function alike(container, key, signal) {
  api
    .search({collection: state.collection, query: [{id: parseId(key)}], limit: 13}, {signal})
    .then(({hits}) => {
      const others = hits.filter((hit) => String(hit.id) !== key && hit.thumbnail_url).slice(0, 12);
      if (!others.length) return;
      fill(
        container,
        h('h3', {}, 'Looks alike'),
        h(
          'ul',
          {class: 'strip'},
          others.map((hit) =>
            h(
              'li',
              {},
              h(
                'a',
                {
                  href: stateUrl({...state, id: String(hit.id)}),
                  title: titleOf(hit, state.title),
                  onclick: (event) => {
                    event.preventDefault();
                    go({id: String(hit.id)}, {notes: {opened: true}});
                  },
                },
                h('img', {src: api.urlOf(hit.thumbnail_url), alt: altOf(hit), loading: 'lazy'}),
              ),
            ),
          ),
        ),
      );
    })
    .catch(() => {});
}

async function deleteOne(key) {
  if (
    !(await confirmDialog(
      'Delete this picture?',
      'It leaves the collection. A file that was indexed where it lies stays there; an uploaded one is removed.',
      'Delete',
    ))
  )
    return;
  try {
    await api.deletePoints(state.collection, [parseId(key)]);
    const next = neighbourKey(1) ?? neighbourKey(-1);
    removed(new Set([key]));
    toast('Picture deleted');
    if (next) go({id: next}, {replace: true});
    else closeDetail();
  } catch (error) {
    toast(error.message, {bad: true});
  }
}

function neighbourKey(step) {
  const keys = allHits().map((hit) => String(hit.id));
  const at = keys.indexOf(shown);
  return at < 0 ? undefined : keys[at + step];
}

async function step(by) {
  let key = neighbourKey(by);
  if (!key && by > 0) {
    await more();
    key = neighbourKey(by);
  }
  if (key) go({id: key}, {replace: true});
}

/// Back to the grid: a step back if the grid is what we came from.
export function closeDetail() {
  if (history.state?.opened) history.back();
  else go({id: ''}, {replace: true});
}

function draw(hit, key) {
  const listed = hitOf(key);
  const title = titleOf(hit, state.title === '-' ? '' : state.title) || String(hit.id);
  const credit = creditOf(hit, state.credit === '-' ? '' : state.credit);
  const image = hit.payload?._image;
  const large = h('img', {class: 'large', alt: altOf(hit)});
  const thumb = h('img', {
    class: 'large preview',
    src: hit.thumbnail_url
      ? api.urlOf(hit.thumbnail_url)
      : api.thumbnailUrl(state.collection, hit.id),
    alt: '',
    'aria-hidden': 'true',
  });
  const original = hit.image_url
    ? api.urlOf(hit.image_url)
    : api.imageUrl(state.collection, hit.id);
  const stage = h(
    'div',
    {class: 'stage', style: {'--ratio': image?.width ? image.width / image.height : 1}},
    thumb,
    large,
  );
  large.addEventListener('load', () => {
    large.classList.add('there');
    thumb.remove();
  });
  large.addEventListener('error', () => {
    large.remove();
    if (thumb.naturalWidth) {
      thumb.classList.add('sharp');
      stage.append(
        h(
          'p',
          {class: 'stage-note'},
          'The file is not where it was indexed; this is its thumbnail.',
        ),
      );
    } else {
      thumb.remove();
      stage.append(h('p', {class: 'stage-note alone'}, 'This point has no picture.'));
    }
  });
  large.src = original;
  const example = state.examples.find((one) => one.id === key);
  const action = (name, label, onclick, pressed) =>
    h(
      'button',
      {
        type: 'button',
        class: 'pill',
        onclick,
        'aria-pressed': pressed === undefined ? null : String(pressed),
      },
      icon(name),
      h('span', {}, label),
    );
  const alikeSection = h('section', {class: 'alike'});
  fill(
    dialog,
    stage,
    h(
      'div',
      {class: 'detail-nav'},
      iconButton('left', 'Previous (←)', () => step(-1), {
        class: 'round previous',
        disabled: !neighbourKey(-1),
      }),
      iconButton('right', 'Next (→)', () => step(1), {class: 'round next', disabled: !listed}),
      iconButton('close', 'Close (Escape)', closeDetail, {class: 'round close'}),
    ),
    h(
      'div',
      {class: 'sheet'},
      h(
        'header',
        {},
        h('h2', {id: 'detail-title'}, title),
        credit && h('p', {class: 'muted'}, credit),
      ),
      h(
        'div',
        {class: 'detail-actions'},
        action(
          'more',
          'More like this',
          () => like(key, 1),
          Boolean(example && example.weight > 0),
        ),
        action(
          'less',
          'Less like this',
          () => like(key, -1),
          Boolean(example && example.weight < 0),
        ),
        action(
          'check',
          isSelected(key) ? 'Selected' : 'Select',
          (event) => {
            select(key, hit, false);
            const button = event.currentTarget;
            button.setAttribute('aria-pressed', isSelected(key));
            $('span', button).textContent = isSelected(key) ? 'Selected' : 'Select';
          },
          isSelected(key),
        ),
        image &&
          h(
            'a',
            {class: 'pill', href: original, target: '_blank', rel: 'noopener'},
            icon('open'),
            h('span', {}, 'Original'),
          ),
        action('link', 'Copy link', async () => {
          try {
            await navigator.clipboard.writeText(location.href);
            toast('Link copied');
          } catch {
            toast('The browser does not let the page copy; the link is in the address bar.');
          }
        }),
        may('write', state.collection) && action('trash', 'Delete', () => deleteOne(key)),
      ),
      hasQuery(state) && scores(listed),
      alikeSection,
      payloadList(hit.payload ?? {}),
      image || hit.path
        ? h('section', {}, h('h3', {}, 'Picture'), facts(hit))
        : h('section', {}, h('h3', {}, 'Point'), facts(hit)),
    ),
  );
  alike(alikeSection, key, asked.signal);
}

function open() {
  dialog = h('dialog', {class: 'detail', 'aria-labelledby': 'detail-title'});
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault();
    closeDetail();
  });
  let start = null;
  dialog.addEventListener(
    'touchstart',
    (event) => {
      start = event.touches.length === 1 ? event.touches[0] : null;
    },
    {passive: true},
  );
  dialog.addEventListener('touchend', (event) => {
    const end = event.changedTouches[0];
    if (
      start &&
      Math.abs(end.clientX - start.clientX) > 60 &&
      Math.abs(end.clientY - start.clientY) < 50 &&
      !start.target.closest('.strip')
    )
      step(end.clientX < start.clientX ? 1 : -1);
    start = null;
  });
  document.body.append(dialog);
  dialog.showModal();
}

const tileOf = (key) => $(`.tile[data-key="${CSS.escape(key)}"] img`);

/// Makes `change`, while the picture grows out of its tile or returns to it, where browser and reader
/// allow it.
function morph(key, change) {
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (!document.startViewTransition || calm) return change();
  const name = (image, value) => image?.style.setProperty('view-transition-name', value);
  const before = dialog ? $('.stage img', dialog) : tileOf(key);
  name(before, 'picture');
  const transition = document.startViewTransition(() => {
    name(before, 'none');
    change();
    name(dialog ? $('.stage img', dialog) : tileOf(key), 'picture');
  });
  return transition.finished
    .catch(() => {})
    .then(() => {
      name(tileOf(key), 'none');
      if (dialog) for (const image of dialog.querySelectorAll('.stage img')) name(image, 'none');
    });
}

/// Opens, turns over or closes the view as the state says.
export async function showDetail() {
  if (!state.id) {
    if (!shown) return;
    const key = shown;
    asked?.abort();
    shown = null;
    morph(key, () => {
      dialog?.close();
      dialog?.remove();
      dialog = null;
      focusTile(key);
    });
    return;
  }
  if (state.id === shown && dialog) return;
  const key = state.id;
  shown = key;
  asked?.abort();
  asked = new AbortController();
  const {signal} = asked;
  const listed = hitOf(key);
  if (listed && !dialog) {
    morph(key, () => {
      if (state.id !== key) return;
      if (!dialog) open();
      draw(listed, key);
    });
  } else if (listed) {
    draw(listed, key);
  } else {
    if (!dialog) open();
    fill(dialog, h('p', {class: 'stage-note alone'}, 'Loading …'));
  }
  try {
    if (!listed) {
      const [point] = await api.points(state.collection, [parseId(key)], signal);
      if (signal.aborted) return;
      if (point) draw({...point, path: ''}, key);
      else
        fill(
          dialog,
          h(
            'p',
            {class: 'stage-note alone', id: 'detail-title'},
            'There is no such picture in this collection.',
          ),
          h(
            'div',
            {class: 'detail-nav'},
            iconButton('close', 'Close (Escape)', closeDetail, {class: 'round close'}),
          ),
        );
    }
  } catch (error) {
    if (error.name !== 'AbortError')
      fill(
        dialog,
        h('p', {class: 'stage-note alone', id: 'detail-title'}, error.message),
        h(
          'div',
          {class: 'detail-nav'},
          iconButton('close', 'Close (Escape)', closeDetail, {class: 'round close'}),
        ),
      );
  }
}
export const detailKey = () => shown;
export {step as stepDetail};

/// Buttons that say whether something is on follow a change made by a key.
export function redrawDetail() {
  const key = shown;
  if (!dialog || !hitOf(key)) return;
  draw(hitOf(key), key);
}
