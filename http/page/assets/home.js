// home.js: what the start page has beside the pictures, and the page's title.

import * as api from './api.js';
import {collectionInfo, server} from './collection.js';
import {$, h} from './dom.js';
import {plural} from './format.js';
import {go, hasQuery, numFilters, state, stateUrl} from './state.js';

/// On the start page: the most frequent values of the first field that has some, to begin with.
async function showTopics() {
  const list = $('#topics');
  const name = state.collection;
  if (list.dataset.of === name) return;
  list.dataset.of = name;
  list.replaceChildren();
  try {
    const {fields} = await collectionInfo(name);
    const field = fields.find(
      (one) => one.facet && one.type === 'keyword' && !one.field.startsWith('_image'),
    )?.field;
    if (!field || name !== state.collection) return;
    const [{values}] = await api.facets(name, [field], null, 12);
    list.replaceChildren(
      ...values.map(({value}) =>
        h(
          'li',
          {},
          h(
            'a',
            {
              class: 'pill',
              href: stateUrl({...state, is: {[field]: [value]}}),
              onclick: (event) => {
                if (event.ctrlKey || event.metaKey) return;
                event.preventDefault();
                go({is: {[field]: [value]}});
              },
            },
            String(value),
          ),
        ),
      ),
    );
  } catch {
    /* the page is whole without them */
  }
}

export function showHero() {
  const isHome = !hasQuery(state) && !numFilters(state) && !state.view;
  document.documentElement.classList.toggle('home', isHome);
  const points = server.collections.find((one) => one.name === state.collection)?.points;
  $('#hero').textContent = points ? `Search ${plural(points, 'picture')}` : 'Search your pictures';
  if (isHome) showTopics();
  document.title = [
    state.view === 'duplicates'
      ? 'Duplicates'
      : state.view === 'statistics'
        ? 'Statistics'
        : state.text.trim(),
    state.collection,
    'sightline',
  ]
    .filter(Boolean)
    .join(' · ');
}
