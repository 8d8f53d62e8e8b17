// statistics.js: what a collection holds, its payload fields and indexes, and bulk jobs as they run.

import {$, h, icon, iconButton, toast} from './dom.js';
import * as api from './api.js';
import {ago, bytes, count, fieldName, plural, seconds} from './format.js';
import {collectionInfo, forgetCollection, loadServer, may, server} from './collection.js';
import {forgetResults} from './results.js';
import {go, state} from './state.js';

const view = $('#view');
let timer = null;
let drawn = new Map();  // job id -> element
let running = new Set();
let finished = () => {};
/// finished(collection): a job that was seen running came to its end.
export function setJobHook(hook) { finished = hook; }

const tileOf = (label, value, note) => h('div', {class: 'figure'}, h('strong', {}, value), h('span', {}, label), note && h('span', {class: 'muted'}, note));

function modelText(vector) {
  return vector.model ? `${vector.model.name} · ${vector.model.precision ?? ''}`.replace(/ · $/, '') : 'vectors from outside';
}

function figures(info) {
  return h('div', {class: 'figures'},
    tileOf('points', count(info.points), info.sources > info.points ? `${plural(info.sources, 'source')} seen` : null),
    tileOf('on disk', bytes(info.disk_bytes), info.points ? `${bytes(Math.round(info.disk_bytes / info.points))} each` : null),
    tileOf('in memory', bytes(info.memory_bytes), info.mapped_bytes ? `${bytes(info.mapped_bytes)} mapped` : null),
    ...info.vectors.map((vector) => tileOf(vector.name ? `dimensions of “${vector.name}”` : 'dimensions', count(vector.dim), `${vector.metric} · ${modelText(vector)}`)));
}

function table(head, rows) {
  return h('div', {class: 'table'}, h('table', {}, h('thead', {}, h('tr', {}, head.map((cell) => h('th', {scope: 'col'}, cell)))),
    h('tbody', {}, rows.map((row) => h('tr', {}, row.map((cell) => h('td', {}, cell)))))));
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
    h('span', {title: field.field}, fieldName(field.field)), field.type,
    h('span', {class: 'share', style: {'--share': field.share}}, `${Math.round(field.share * 100)} %`),
    field.min !== undefined && field.min !== null ? `${String(field.min).slice(0, 10)} – ${String(field.max).slice(0, 10)}` : field.num_values ? plural(field.num_values, 'value') : '',
    field.index
      ? h('span', {class: 'index'}, h('span', {class: 'badge good'}, field.index), admin && h('button', {type: 'button', class: 'text-button',
        onclick: () => changeIndex(() => api.dropIndex(info.name, field.field), `Index on ${fieldName(field.field)} removed`)}, 'Remove'))
      : admin && h('button', {type: 'button', class: 'text-button',
        onclick: () => changeIndex(() => api.createIndex(info.name, field.field, field.type), `${fieldName(field.field)} is indexed`)}, 'Make an index')]);
  return h('section', {}, h('h3', {}, 'Fields'),
    h('p', {class: 'muted'}, `As ${plural(info.sampled_points, 'point')} have them. Filters work without an index too; with one they are quicker.`),
    table(['Field', 'Type', 'Present', 'Values', 'Index'], rows));
}

function bars(facets) {
  const some = facets.filter((facet) => facet.values.length > 1).slice(0, 4);
  if (!some.length) return null;
  return h('section', {}, h('h3', {}, 'Most frequent'), h('div', {class: 'bars-grid'}, some.map(({field, values}) => h('div', {},
    h('h4', {}, fieldName(field)), h('ul', {class: 'values'}, values.slice(0, 7).map((value) => h('li', {},
      h('a', {class: 'value', href: '?', style: {'--share': (value.count / values[0].count).toFixed(3)},
              onclick: (event) => { event.preventDefault(); go({is: {[field]: [value.value]}, view: '', id: ''}); }},
        h('span', {class: 'name'}, String(value.value)), h('span', {class: 'number'}, count(value.count))))))))));
}

const shardsTable = (info) => info.shards.length ? h('section', {}, h('h3', {}, 'Shards'),
  table(['Vector', 'Type', 'Rows', 'Live', 'Memory', 'Mapped'], info.shards.map((shard) => [shard.vector || 'default', shard.type, count(shard.rows),
    count(shard.live), bytes(shard.memory_bytes), bytes(shard.mapped_bytes)]))) : null;

// ---- Jobs

const isOver = (job) => ['done', 'failed', 'stopped'].includes(job.state);

function fillJob(element, job) {
  const {progress} = job;
  const share = progress?.walk_done && progress.found ? Math.min(1, progress.seen / progress.found) : null;
  const facts = [];
  if (progress) {
    facts.push(`${count(progress.seen)}${progress.found ? ` of ${count(progress.found)}${progress.walk_done ? '' : '+'}` : ''}`);
    if (progress.indexed) facts.push(`${count(progress.indexed)} indexed`);
    if (progress.unchanged) facts.push(`${count(progress.unchanged)} unchanged`);
    if (progress.skipped) facts.push(`${count(progress.skipped)} skipped`);
    if (!isOver(job) && progress.images_per_second) facts.push(`${count(Math.round(progress.images_per_second))} a second`);
    if (!isOver(job) && progress.eta_s) facts.push(`${seconds(progress.eta_s)} left`);
  }
  if (isOver(job) && job.finished_at) facts.push(ago(job.finished_at));
  const words = {queued: 'Waiting', running: 'Running', done: 'Done', failed: 'Failed', stopped: 'Stopped'};
  element.className = `job ${job.state}`;
  const reasons = job.report?.skipped && typeof job.report.skipped === 'object'
    ? Object.entries(job.report.skipped).map(([reason, n]) => `${n} ${reason.replaceAll('_', ' ')}`).join(', ') : '';
  element.replaceChildren(
    h('div', {class: 'job-head'}, h('strong', {}, job.paths.join(', ')), h('span', {class: 'muted'}, ` → ${job.collection}`), h('span', {class: 'gap'}),
      h('span', {class: job.state === 'done' ? 'badge good' : job.state === 'failed' ? 'badge bad' : 'badge'}, words[job.state] ?? job.state),
      !isOver(job) && may('admin') && iconButton('stop', 'Stop this job', async () => {
        try {
          fillJob(element, await api.stopJob(job.id));
        } catch (error) {
          toast(error.message, {bad: true});
        }
      })),
    !isOver(job) && h('progress', share === null ? {'aria-label': 'Progress'} : {max: 1, value: share, 'aria-label': 'Progress'}),
    h('p', {class: 'muted'}, facts.join(' · ')),
    job.error && h('p', {class: 'bad-text'}, job.error),
    reasons && h('p', {class: 'muted'}, `Skipped: ${reasons}`));
}

async function pollJobs() {
  clearTimeout(timer);
  const list = $('#jobs');
  let jobs = [];
  try {
    jobs = may('admin') ? await api.jobs() : [];
  } catch { /* shown empty; asked again */ }
  const now = new Set(jobs.filter((job) => !isOver(job)).map((job) => job.id));
  $('#jobs-dot').hidden = now.size === 0;
  for (const job of jobs) {
    if (running.has(job.id) && !now.has(job.id)) {
      forgetCollection();
      forgetResults();
      finished(job.collection);
    }
  }
  running = now;
  if (list?.isConnected) {
    for (const job of jobs) {
      if (!drawn.has(job.id)) drawn.set(job.id, h('li', {}));
      fillJob(drawn.get(job.id), job);
    }
    list.replaceChildren(...jobs.map((job) => drawn.get(job.id)));
    $('#no-jobs').hidden = jobs.length > 0;
  }
  if (now.size) timer = setTimeout(pollJobs, list?.isConnected ? 700 : 3000);
}
export {pollJobs};

function jobForm() {
  if (!may('admin')) return h('p', {class: 'muted'}, 'Starting jobs needs a key with the right “admin”.');
  const path = h('input', {type: 'text', required: true, placeholder: '/srv/pictures', autocomplete: 'off', spellcheck: 'false'});
  const name = h('input', {type: 'text', required: true, value: state.collection || server.info?.default_collection || 'default', autocomplete: 'off', spellcheck: 'false'});
  const prune = h('input', {type: 'checkbox'});
  const form = h('form', {class: 'job-form'},
    h('label', {class: 'field wide'}, 'Folder, manifest or tar on the server', path), h('label', {class: 'field'}, 'Collection', name),
    h('label', {class: 'tick'}, prune, ' Forget pictures that are gone'),
    h('button', {type: 'submit', class: 'button main'}, icon('folder'), h('span', {}, 'Index')));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      const job = await api.startJob({collection: name.value.trim(), paths: [path.value.trim()], prune: prune.checked});
      running.add(job.id);
      path.value = '';
      pollJobs();
    } catch (error) {
      toast(error.message, {bad: true});
    }
  });
  return form;
}

export async function showStatistics() {
  if (state.view !== 'statistics') return;
  const body = h('div', {class: 'statistics'});
  const name = state.collection;
  drawn = new Map();
  view.replaceChildren(
    h('div', {class: 'view-head'}, h('div', {}, h('h2', {}, name || 'Statistics'),
      h('p', {class: 'muted'}, server.info ? `sightline ${server.info.version} · ${plural(server.info.threads, 'thread')} · ${server.info.cpu}` : ''))),
    body);
  const jobsSection = h('section', {class: 'jobs-section'}, h('h3', {}, 'Jobs'), jobForm(), h('ul', {class: 'jobs', id: 'jobs'}),
    h('p', {class: 'muted', id: 'no-jobs', hidden: true}, 'No jobs yet.'));
  body.append(jobsSection);
  pollJobs();
  if (!name) return;
  try {
    const info = await collectionInfo(name);
    if (state.view !== 'statistics' || state.collection !== name) return;
    const wanted = info.fields.filter((field) => field.facet).slice(0, 8).map((field) => field.field);
    const facets = wanted.length ? await api.facets(name, wanted, null, 8).catch(() => []) : [];
    if (state.view !== 'statistics' || state.collection !== name) return;
    jobsSection.before(figures(info));
    jobsSection.after(...[bars(facets), fieldsTable(info), shardsTable(info)].filter(Boolean));
  } catch (error) {
    jobsSection.before(h('p', {class: 'bad-text'}, error.message));
  }
}
