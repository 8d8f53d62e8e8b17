// byhand.js: pictures that people bring: chosen, pasted, dropped anywhere on the page.

import {may} from './collection.js';
import {$} from './dom.js';
import {keepPicture} from './pictures.js';
import {go, state} from './state.js';
import {filesOf, openUpload} from './upload.js';

async function searchByPicture(file) {
  if (!file) return;
  const key = await keepPicture(file);
  go({picture: {key, weight: 1}, view: '', id: ''});
}
$('#by-picture').addEventListener('click', () => $('#picture-file').click());
$('#picture-file').addEventListener('change', (event) => {
  searchByPicture(event.target.files[0]);
  event.target.value = '';
});
document.addEventListener('paste', (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) =>
    file.type.startsWith('image/'),
  );
  if (!files.length || $('dialog[open]:not(.detail)')) return;
  event.preventDefault();
  searchByPicture(files[0]);
});

// ---- Dropping: over the whole page, two places

const drop = $('#drop');
let over = 0;
const carriesFiles = (event) =>
  [...(event.dataTransfer?.types ?? [])].includes('Files') && !$('dialog[open]:not(.detail)');
const hideDrop = () => {
  over = 0;
  drop.hidden = true;
  for (const zone of drop.children) zone.classList.remove('over');
};
addEventListener('dragenter', (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  ++over;
  $('[data-drop=add]', drop).hidden = !may('write', state.collection);
  if (drop.hidden && $('dialog.detail[open]')) $('dialog.detail[open]').append(drop);
  else if (drop.hidden) document.body.append(drop);
  drop.hidden = false;
});
addEventListener('dragleave', (event) => {
  if (carriesFiles(event) && --over <= 0) hideDrop();
});
addEventListener('dragover', (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  for (const zone of drop.children) zone.classList.toggle('over', zone.contains(event.target));
});
addEventListener('drop', async (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  const adds = event.target.closest?.('[data-drop]')?.dataset.drop === 'add';
  hideDrop();
  const files = await filesOf(event.dataTransfer);
  if (adds || (files.length > 1 && may('write', state.collection))) openUpload(files);
  else searchByPicture(files[0]);
});
