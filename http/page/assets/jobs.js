// jobs.js: bulk indexing on the server: started here, watched, stopped.

import * as api from './api.js';
import {forgetCollection, may, server} from './collection.js';
import {$, fill, h, icon, iconButton, toast} from './dom.js';
import {ago, count, seconds} from './format.js';
import {forgetResults} from './results.js';
import {state} from './state.js';

let timer = null;
let drawn = new Map(); // job id -> element
let running = new Set();
let finished = () => {};
/// finished(collection): a job that was seen running came to its end.
export function setJobHook(hook) {
  finished = hook;
}

const isOver = (job) => ['done', 'failed', 'stopped'].includes(job.state);

function fillJob(element, job) {
  const {progress} = job;
  const share =
    progress?.walk_done && progress.found ? Math.min(1, progress.seen / progress.found) : null;
  const facts = [];
  if (progress) {
    facts.push(
      `${count(progress.seen)}${progress.found ? ` of ${count(progress.found)}${progress.walk_done ? '' : '+'}` : ''}`,
    );
    if (progress.indexed) facts.push(`${count(progress.indexed)} indexed`);
    if (progress.unchanged) facts.push(`${count(progress.unchanged)} unchanged`);
    if (progress.skipped) facts.push(`${count(progress.skipped)} skipped`);
    if (!isOver(job) && progress.images_per_second)
      facts.push(`${count(Math.round(progress.images_per_second))} a second`);
    if (!isOver(job) && progress.eta_s) facts.push(`${seconds(progress.eta_s)} left`);
  }
  if (isOver(job) && job.finished_at) facts.push(ago(job.finished_at));
  const words = {
    queued: 'Waiting',
    running: 'Running',
    done: 'Done',
    failed: 'Failed',
    stopped: 'Stopped',
  };
  element.className = `job ${job.state}`;
  const reasons =
    job.report?.skipped && typeof job.report.skipped === 'object'
      ? Object.entries(job.report.skipped)
          .map(([reason, n]) => `${n} ${reason.replaceAll('_', ' ')}`)
          .join(', ')
      : '';
  fill(
    element,
    h(
      'div',
      {class: 'job-head'},
      h('strong', {}, job.paths.join(', ')),
      h('span', {class: 'muted'}, ` → ${job.collection}`),
      h('span', {class: 'gap'}),
      h(
        'span',
        {
          class:
            job.state === 'done' ? 'badge good' : job.state === 'failed' ? 'badge bad' : 'badge',
        },
        words[job.state] ?? job.state,
      ),
      !isOver(job) &&
        may('admin') &&
        iconButton('stop', 'Stop this job', async () => {
          try {
            fillJob(element, await api.stopJob(job.id));
          } catch (error) {
            toast(error.message, {bad: true});
          }
        }),
    ),
    !isOver(job) &&
      h(
        'progress',
        share === null
          ? {'aria-label': 'Progress'}
          : {max: 1, value: share, 'aria-label': 'Progress'},
      ),
    h('p', {class: 'muted'}, facts.join(' · ')),
    job.error && h('p', {class: 'bad-text'}, job.error),
    reasons && h('p', {class: 'muted'}, `Skipped: ${reasons}`),
  );
}

/// Asks for the jobs, and again for as long as one runs.
export async function pollJobs() {
  clearTimeout(timer);
  const list = $('#jobs');
  let jobs = [];
  try {
    jobs = may('admin') ? await api.jobs() : [];
  } catch {
    /* shown empty; asked again */
  }
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

function jobForm() {
  if (!may('admin'))
    return h('p', {class: 'muted'}, 'Starting jobs needs a key with the right “admin”.');
  const path = h('input', {
    type: 'text',
    required: true,
    placeholder: '/srv/pictures',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const name = h('input', {
    type: 'text',
    required: true,
    value: state.collection || server.info?.default_collection || 'default',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const prune = h('input', {type: 'checkbox'});
  const form = h(
    'form',
    {class: 'job-form'},
    h('label', {class: 'field wide'}, 'Folder, manifest or tar on the server', path),
    h('label', {class: 'field'}, 'Collection', name),
    h('label', {class: 'tick'}, prune, ' Forget pictures that are gone'),
    h('button', {type: 'submit', class: 'button main'}, icon('folder'), h('span', {}, 'Index')),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      const job = await api.startJob({
        collection: name.value.trim(),
        paths: [path.value.trim()],
        prune: prune.checked,
      });
      running.add(job.id);
      path.value = '';
      pollJobs();
    } catch (error) {
      toast(error.message, {bad: true});
    }
  });
  return form;
}

/// The section of the statistics; its list is filled by pollJobs().
export function jobsSection() {
  drawn = new Map();
  return h(
    'section',
    {class: 'jobs-section'},
    h('h3', {}, 'Jobs'),
    jobForm(),
    h('ul', {class: 'jobs', id: 'jobs'}),
    h('p', {class: 'muted', id: 'no-jobs', hidden: true}, 'No jobs yet.'),
  );
}
