// upload.js: pictures into the collection: chosen, dropped or pasted; a result for each of them.

import {$, fill, h, icon, openDialog} from './dom.js';
import * as api from './api.js';
import {bytes, plural} from './format.js';
import {server} from './collection.js';
import {go, state} from './state.js';

const kBatch = 8; // pictures per request
const kBatchBytes = 32_000_000; // a larger one travels alone
const kPictures = /\.(jpe?g|png|webp|gif|bmp|tiff?|hei[cf]|avif|tar)$/i;
let done = () => {};
/// done(collection): after pictures came in.
export function setUploadHook(hook) {
  done = hook;
}

function* batches(files) {
  let batch = [],
    size = 0;
  for (const file of files) {
    if (batch.length && (batch.length >= kBatch || size + file.size > kBatchBytes)) {
      yield batch;
      [batch, size] = [[], 0];
    }
    batch.push(file);
    size += file.size;
  }
  if (batch.length) yield batch;
}

/// All files of a drop, also those in folders.
export async function filesOf(transfer) {
  const entries = [...transfer.items]
    .filter((item) => item.kind === 'file')
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const files = [];
  const walk = async (entry) => {
    if (entry instanceof File) {
      files.push(entry);
    } else if (entry?.isFile) {
      files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    } else if (entry?.isDirectory) {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!some.length) break;
        for (const one of some) await walk(one);
      }
    }
  };
  for (const entry of entries) await walk(entry);
  return files.length === 1
    ? files
    : files.filter((file) => file.type.startsWith('image/') || kPictures.test(file.name));
}

export function openUpload(given = []) {
  let files = [];
  let stop = null;
  const name = h('input', {
    type: 'text',
    required: true,
    value: state.collection || server.info?.default_collection || 'default',
    list: 'upload-collections',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const known = h(
    'datalist',
    {id: 'upload-collections'},
    server.collections.map((one) => h('option', {value: one.name})),
  );
  const tags = h('input', {type: 'text', placeholder: 'holiday, beach', autocomplete: 'off'});
  const chosen = h('input', {
    type: 'file',
    multiple: true,
    accept: 'image/*,.heic,.heif,.avif,.tif,.tiff,.tar',
    hidden: true,
    id: 'upload-files',
  });
  const folder = h('input', {type: 'file', webkitdirectory: true, hidden: true});
  const list = h('ol', {class: 'uploads', 'aria-label': 'Pictures to add'});
  const bar = h('progress', {max: 1, value: 0, hidden: true, 'aria-label': 'Upload'});
  const summary = h('p', {class: 'muted', role: 'status'});
  const begin = h('button', {type: 'submit', class: 'button main', disabled: true}, 'Add');
  const cancel = h(
    'button',
    {type: 'button', class: 'button', onclick: () => (stop ? stop.abort() : dialog.close())},
    'Close',
  );
  const rows = new Map();

  const add = (more) => {
    for (const file of more) {
      if (rows.has(file)) continue;
      const face =
        /^image\/(png|jpeg|webp|gif|avif|bmp)$/.test(file.type) && files.length < 300
          ? h('img', {
              src: URL.createObjectURL(file),
              alt: '',
              loading: 'lazy',
              onload: (event) => URL.revokeObjectURL(event.target.src),
            })
          : icon('picture');
      const result = h('span', {class: 'result muted'}, bytes(file.size));
      rows.set(file, {
        row: h(
          'li',
          {},
          h('span', {class: 'face'}, face),
          h('span', {class: 'name'}, file.name),
          result,
        ),
        result,
      });
      list.append(rows.get(file).row);
      files.push(file);
    }
    begin.disabled = files.length === 0;
    begin.textContent = files.length ? `Add ${plural(files.length, 'picture')}` : 'Add';
    zone.classList.toggle('small', files.length > 0);
  };
  const mark = (file, kind, text) => {
    const {row, result} = rows.get(file);
    row.className = kind;
    result.className = `result ${kind}`;
    fill(result, kind === 'good' && icon('check'), kind === 'bad' && icon('warning'), text);
  };

  const zone = h(
    'div',
    {class: 'upload-zone'},
    icon('upload'),
    h(
      'p',
      {},
      h('strong', {}, 'Drop pictures here'),
      h('br', {}),
      h('span', {class: 'muted'}, 'JPEG, PNG, WebP, TIFF, HEIC, AVIF, GIF, or a tar of them'),
    ),
    h(
      'div',
      {class: 'buttons centre'},
      h(
        'button',
        {type: 'button', class: 'button', onclick: () => chosen.click()},
        'Choose pictures',
      ),
      h(
        'button',
        {type: 'button', class: 'button', onclick: () => folder.click()},
        'A whole folder',
      ),
    ),
  );
  chosen.addEventListener('change', () => add(chosen.files));
  folder.addEventListener('change', () =>
    add(
      [...folder.files].filter(
        (file) => file.type.startsWith('image/') || kPictures.test(file.name),
      ),
    ),
  );

  const send = async () => {
    stop = new AbortController();
    const target = name.value.trim();
    const words = [
      ...new Set(
        tags.value
          .split(',')
          .map((word) => word.trim())
          .filter(Boolean),
      ),
    ];
    const counts = {indexed: 0, unchanged: 0, failed: 0};
    let sent = 0;
    const size = files.reduce((sum, file) => sum + file.size, 0) || 1;
    begin.disabled = name.disabled = tags.disabled = true;
    cancel.textContent = 'Stop';
    bar.hidden = false;
    for (const batch of batches(files)) {
      const own = batch.reduce((sum, file) => sum + file.size, 0);
      for (const file of batch) mark(file, 'busy', 'Sending …');
      try {
        const answer = await api.upload(target, batch, words.length ? {tags: words} : null, {
          signal: stop.signal,
          onprogress: (share) => {
            bar.value = (sent + own * share) / size;
          },
        });
        for (const kind of Object.keys(counts)) counts[kind] += answer[kind] ?? 0;
        // One line per picture, in their order; a tar has more of them than files.
        if (answer.results.length === batch.length) {
          answer.results.forEach((result, i) =>
            mark(
              batch[i],
              result.status === 'failed' ? 'bad' : 'good',
              result.status === 'failed'
                ? result.error
                : result.status === 'unchanged'
                  ? 'Was there already'
                  : 'Added',
            ),
          );
        } else {
          for (const file of batch) mark(file, 'good', plural(answer.indexed, 'picture'));
        }
      } catch (error) {
        const text = error.name === 'AbortError' ? 'Stopped' : error.message;
        for (const file of batch) mark(file, 'bad', text);
        counts.failed += batch.length;
        if (error.name === 'AbortError' || error.status === 403 || error.status === 0) break;
      }
      sent += own;
      bar.value = sent / size;
    }
    stop = null;
    bar.hidden = true;
    cancel.textContent = 'Done';
    cancel.focus();
    summary.textContent = [
      counts.indexed && `${plural(counts.indexed, 'picture')} added`,
      counts.unchanged && `${counts.unchanged} there already`,
      counts.failed && `${counts.failed} failed`,
    ]
      .filter(Boolean)
      .join(' · ');
    if (counts.indexed + counts.unchanged > 0) {
      if (target !== state.collection) go({collection: target, view: ''});
      done(target);
    }
  };

  const form = h(
    'form',
    {method: 'dialog'},
    h('h2', {id: 'upload-title'}, 'Add pictures'),
    zone,
    list,
    bar,
    summary,
    h(
      'div',
      {class: 'fields'},
      h('label', {class: 'field'}, 'Collection', name),
      h('label', {class: 'field'}, 'Tags (optional)', tags),
    ),
    chosen,
    folder,
    known,
    h('div', {class: 'buttons'}, cancel, begin),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!stop && files.length) send();
  });
  form.addEventListener('dragover', (event) => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.add('over');
  });
  form.addEventListener('dragleave', () => zone.classList.remove('over'));
  form.addEventListener('drop', async (event) => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.remove('over');
    add(await filesOf(event.dataTransfer));
  });
  const dialog = openDialog({class: 'dialog upload', 'aria-labelledby': 'upload-title'}, form, () =>
    stop?.abort(),
  );
  add(given);
  return dialog;
}
