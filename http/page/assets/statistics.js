// statistics.js: what a collection holds, its payload fields and indexes.

import * as api from './api.js';
import {collectionInfo, forgetCollection, may, server} from './collection.js';
import {$, fill, h, toast} from './dom.js';
import {bytes, count, fieldName, plural} from './format.js';
import {jobsSection, pollJobs} from './jobs.js';
import {go, state} from './state.js';

const view = $('#view');

const tileOf = (label, value, note) =>
  h(
    'div',
    {class: 'figure'},
    h('strong', {}, value),
    h('span', {}, label),
    note && h('span', {class: 'muted'}, note),
  );

function modelText(vector) {
  return vector.model
    ? `${vector.model.name} · ${vector.model.precision ?? ''}`.replace(/ · $/, '')
    : 'vectors from outside';
}

function figures(info) {
  return h(
    'div',
    {class: 'figures'},
    tileOf(
      'points',
      count(info.points),
      info.sources > info.points ? `${plural(info.sources, 'source')} seen` : null,
    ),
    tileOf(
      'on disk',
      bytes(info.disk_bytes),
      info.points ? `${bytes(Math.round(info.disk_bytes / info.points))} each` : null,
    ),
    tileOf(
      'in memory',
      bytes(info.memory_bytes),
      info.mapped_bytes ? `${bytes(info.mapped_bytes)} mapped` : null,
    ),
    ...info.vectors.map((vector) =>
      tileOf(
        vector.name ? `dimensions of “${vector.name}”` : 'dimensions',
        count(vector.dim),
        `${vector.metric} · ${modelText(vector)}`,
      ),
    ),
  );
}

function table(head, rows) {
  return h(
    'div',
    {class: 'table'},
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          head.map((cell) => h('th', {scope: 'col'}, cell)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((row) =>
          h(
            'tr',
            {},
            row.map((cell) => h('td', {}, cell)),
          ),
        ),
      ),
    ),
  );
}

async function changeIndex(run, text) {
  try {
    await run();
    toast(text);
    forgetCollection();
    showStatistics();
  } catch (error) {
    toast(error.message, {bad: true});
  }
}

function fieldsTable(info) {
  if (!info.fields.length) return null;
  const admin = may('admin', info.name) || may('write', info.name);
  const rows = info.fields.map((field) => [
    h('span', {title: field.field}, fieldName(field.field)),
    field.type,
    h(
      'span',
      {class: 'share', style: {'--share': field.share}},
      `${Math.round(field.share * 100)} %`,
    ),
    field.min !== undefined && field.min !== null
      ? `${String(field.min).slice(0, 10)} – ${String(field.max).slice(0, 10)}`
      : field.num_values
        ? plural(field.num_values, 'value')
        : '',
    field.index
      ? h(
          'span',
          {class: 'index'},
          h('span', {class: 'badge good'}, field.index),
          admin &&
            h(
              'button',
              {
                type: 'button',
                class: 'text-button',
                onclick: () =>
                  changeIndex(
                    () => api.dropIndex(info.name, field.field),
                    `Index on ${fieldName(field.field)} removed`,
                  ),
              },
              'Remove',
            ),
        )
      : admin &&
        h(
          'button',
          {
            type: 'button',
            class: 'text-button',
            onclick: () =>
              changeIndex(
                () => api.createIndex(info.name, field.field, field.type),
                `${fieldName(field.field)} is indexed`,
              ),
          },
          'Make an index',
        ),
  ]);
  return h(
    'section',
    {},
    h('h3', {}, 'Fields'),
    h(
      'p',
      {class: 'muted'},
      `As ${plural(info.sampled_points, 'point')} have them. Filters work without an index too; with one they are quicker.`,
    ),
    table(['Field', 'Type', 'Present', 'Values', 'Index'], rows),
  );
}

function bars(facets) {
  const some = facets.filter((facet) => facet.values.length > 1).slice(0, 4);
  if (!some.length) return null;
  return h(
    'section',
    {},
    h('h3', {}, 'Most frequent'),
    h(
      'div',
      {class: 'bars-grid'},
      some.map(({field, values}) =>
        h(
          'div',
          {},
          h('h4', {}, fieldName(field)),
          h(
            'ul',
            {class: 'values'},
            values.slice(0, 7).map((value) =>
              h(
                'li',
                {},
                h(
                  'a',
                  {
                    class: 'value',
                    href: '?',
                    style: {'--share': (value.count / values[0].count).toFixed(3)},
                    onclick: (event) => {
                      event.preventDefault();
                      go({is: {[field]: [value.value]}, view: '', id: ''});
                    },
                  },
                  h('span', {class: 'name'}, String(value.value)),
                  h('span', {class: 'number'}, count(value.count)),
                ),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

const shardsTable = (info) =>
  info.shards.length
    ? h(
        'section',
        {},
        h('h3', {}, 'Shards'),
        table(
          ['Vector', 'Type', 'Rows', 'Live', 'Memory', 'Mapped'],
          info.shards.map((shard) => [
            shard.vector || 'default',
            shard.type,
            count(shard.rows),
            count(shard.live),
            bytes(shard.memory_bytes),
            bytes(shard.mapped_bytes),
          ]),
        ),
      )
    : null;

export async function showStatistics() {
  if (state.view !== 'statistics') return;
  const body = h('div', {class: 'statistics'});
  const name = state.collection;
  fill(
    view,
    h(
      'div',
      {class: 'view-head'},
      h(
        'div',
        {},
        h('h2', {}, name || 'Statistics'),
        h(
          'p',
          {class: 'muted'},
          server.info
            ? `sightline ${server.info.version} · ${plural(server.info.threads, 'thread')} · ${server.info.cpu}`
            : '',
        ),
      ),
    ),
    body,
  );
  const jobs = jobsSection();
  body.append(jobs);
  pollJobs();
  if (!name) return;
  try {
    const info = await collectionInfo(name);
    if (state.view !== 'statistics' || state.collection !== name) return;
    const wanted = info.fields
      .filter((field) => field.facet)
      .slice(0, 8)
      .map((field) => field.field);
    const facets = wanted.length ? await api.facets(name, wanted, null, 8).catch(() => []) : [];
    if (state.view !== 'statistics' || state.collection !== name) return;
    jobs.before(figures(info));
    jobs.after(...[bars(facets), fieldsTable(info), shardsTable(info)].filter(Boolean));
  } catch (error) {
    jobs.before(h('p', {class: 'bad-text'}, error.message));
  }
}
