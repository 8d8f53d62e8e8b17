// collection.js: what is known of the collection on the screen and of the server.

import * as api from './api.js';

export const server = {info: null, collections: []};
const rights = ['none', 'read', 'write', 'admin'];

/// Whether whoever asks may do what needs `right`, here in the collection `name`.
export function may(right, name) {
  const you = server.info?.you;
  if (!you) return true;
  return (
    rights.indexOf(you.right) >= rights.indexOf(right) &&
    (!name || !you.collections || you.collections.includes(name))
  );
}

export async function loadServer() {
  [server.info, server.collections] = await Promise.all([api.info(), api.collections()]);
  return server;
}

let loaded = {name: null, promise: null};
/// GET /v1/collections/NAME, asked once until forgetCollection().
export function collectionInfo(name) {
  if (loaded.name !== name) {
    const promise = api.collection(name);
    loaded = {name, promise};
    promise.catch(() => {
      if (loaded.promise === promise) loaded = {name: null, promise: null};
    });
  }
  return loaded.promise;
}
export const forgetCollection = () => {
  loaded = {name: null, promise: null};
};

/// The collection to show where the URL names none: the default one if it holds something, else
/// the fullest.
export function defaultCollection() {
  const {collections, info} = server;
  const usual = collections.find((c) => c.name === info?.default_collection);
  if (usual?.points > 0) return usual.name;
  return [...collections].sort((a, b) => b.points - a.points)[0]?.name ?? '';
}
