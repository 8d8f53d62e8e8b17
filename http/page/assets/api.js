// api.js: the server's routes. URLs are relative to the page, so that a proxy's prefix is kept.

import {parseJson, writeJson} from './json.js';

const root = new URL('./', document.baseURI);
const part = encodeURIComponent;
export const urlOf = (path) => new URL(path, root).href;

/// A request that the server refused, or that did not reach it (status 0).
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/// How a key is asked for; resolves once a session is open, rejects if nobody gave one.
let askForKey = () => Promise.reject(new ApiError(401, 'This server wants a key.'));
let asking = null;
export function whenKeyIsWanted(ask) {
  askForKey = ask;
}

export function messageOf(status, text) {
  try {
    const body = JSON.parse(text);
    return body.error?.message ?? body.status?.error ?? text;
  } catch {
    return text || `The server answered ${status}.`;
  }
}

async function send(method, path, {json, form, signal, headers} = {}) {
  const options = {method, signal, headers: {Accept: 'application/json', ...headers}};
  if (json !== undefined) {
    options.body = writeJson(json);
    options.headers['Content-Type'] = 'application/json';
  } else if (form) {
    options.body = form;
  }
  let response;
  try {
    response = await fetch(urlOf(path), options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The server cannot be reached.');
  }
  const text = await response.text();
  if (!response.ok) throw new ApiError(response.status, messageOf(response.status, text));
  return text ? parseJson(text) : null;
}

async function call(method, path, options) {
  try {
    return await send(method, path, options);
  } catch (error) {
    if (error.status !== 401) throw error;
    asking ??= askForKey().finally(() => {
      asking = null;
    });
    await asking;
    return send(method, path, options);
  }
}

const qdrant = async (...args) => (await call(...args)).result;

export const openSession = (key) => send('POST', 'v1/session', {json: {key}});
export const closeSession = () => send('DELETE', 'v1/session');
export const info = () => call('GET', 'v1/info');
export const collections = async () => (await call('GET', 'v1/collections')).collections;
export const collection = (name, signal) => call('GET', `v1/collections/${part(name)}`, {signal});

/// `picture`: a Blob that the operand {"part": "picture"} of `request` stands for.
export function search(request, {picture, signal} = {}) {
  if (!picture) return call('POST', 'v1/search', {json: request, signal});
  const form = new FormData();
  form.append('request', writeJson(request));
  form.append('picture', picture, picture.name || 'picture');
  return call('POST', 'v1/search', {form, signal});
}

export async function facets(name, fields, filter, limit, signal) {
  const query = new URLSearchParams({limit});
  for (const field of fields) query.append('field', field);
  if (filter) query.set('filter', writeJson(filter));
  return (await call('GET', `v1/collections/${part(name)}/facets?${query}`, {signal})).facets;
}

export function duplicates(name, {maxDistance, limit, offset, filter}, signal) {
  const query = new URLSearchParams({max_distance: maxDistance, limit, offset});
  if (filter) query.set('filter', writeJson(filter));
  return call('GET', `v1/collections/${part(name)}/duplicates?${query}`, {signal});
}

export const points = (name, ids, signal) =>
  qdrant('POST', `collections/${part(name)}/points`, {json: {ids, with_payload: true}, signal});
export const changePoints = (name, operations) =>
  qdrant('POST', `collections/${part(name)}/points/batch?wait=true`, {json: {operations}});
export const deletePoints = (name, ids) =>
  qdrant('POST', `collections/${part(name)}/points/delete?wait=true`, {json: {points: ids}});
export const createIndex = (name, field, type) =>
  qdrant('PUT', `collections/${part(name)}/index?wait=true`, {
    json: {field_name: field, field_schema: type},
  });
export const dropIndex = (name, field) =>
  qdrant('DELETE', `collections/${part(name)}/index/${part(field)}?wait=true`);

export const jobs = async () => (await call('GET', 'v1/jobs')).jobs;
export const startJob = (job) => call('POST', 'v1/jobs', {json: job});
export const stopJob = (id) => call('DELETE', `v1/jobs/${part(id)}`);

export const imageUrl = (name, id) => urlOf(`v1/images/${part(name)}/${part(String(id))}`);
export const thumbnailUrl = (name, id) => `${imageUrl(name, id)}/thumbnail`;

/// Uploads `files`; `onprogress` gets the share of bytes sent, 0..1.
export function upload(name, files, payload, {onprogress, signal} = {}) {
  const form = new FormData();
  if (payload) form.append('payload', writeJson(payload));
  for (const file of files) form.append('images', file, file.name);
  const attempt = () =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open('POST', urlOf(`v1/collections/${part(name)}/images`));
      request.setRequestHeader('Accept', 'application/json');
      request.upload.onprogress = (event) =>
        event.lengthComputable && onprogress?.(event.loaded / event.total);
      request.onerror = () => reject(new ApiError(0, 'The server cannot be reached.'));
      request.onabort = () => reject(new DOMException('stopped', 'AbortError'));
      request.onload = () =>
        request.status < 300
          ? resolve(parseJson(request.responseText))
          : reject(new ApiError(request.status, messageOf(request.status, request.responseText)));
      signal?.addEventListener('abort', () => request.abort(), {once: true});
      request.send(form);
    });
  return attempt().catch((error) => {
    if (error.status !== 401) throw error;
    return askForKey().then(attempt);
  });
}
