// results.js: the hits of a search, page by page. Recent searches are kept, so Back shows them at once.

import * as api from './api.js';
import {filterOf, operandsOf} from './query.js';
import {findPicture} from './pictures.js';
import {searchKey} from './state.js';

const kPage = 60;
const kKept = 12;
const recent = new Map(); // searchKey -> Results, the latest last

export class Results {
  constructor(state) {
    this.state = state;
    this.hits = [];
    this.total = null;
    this.cursor = null;
    this.done = false;
    this.error = null;
    this.pictureMissing = false;
    this.timings = null;
    this.isRanked = false;
    this.abort = new AbortController();
    this.loading = null;
  }

  /// Loads a page more; a second call waits for the first. Failures are left in `error`.
  more() {
    if (this.done) return Promise.resolve([]);
    this.loading ??= this.load().finally(() => {
      this.loading = null;
    });
    return this.loading;
  }

  async load() {
    this.error = null;
    if (this.abort.signal.aborted) this.done = true;
    if (this.done) return [];
    try {
      const {state} = this;
      const picture = state.picture ? await findPicture(state.picture.key) : null;
      this.pictureMissing = Boolean(state.picture && !picture);
      const query = operandsOf(state, Boolean(picture));
      this.isRanked = query.length > 0;
      if (this.pictureMissing && !this.isRanked) {
        this.done = true;
        return [];
      }
      const request = {collection: state.collection, limit: kPage, with_payload: true};
      if (this.isRanked) request.query = query;
      const filter = filterOf(state);
      if (filter) request.filter = filter;
      if (state.sort) request.sort = state.sort;
      if (state.variety && this.isRanked) request.diversity = state.variety;
      if (this.cursor) request.cursor = this.cursor;
      const answer = await api.search(request, {picture, signal: this.abort.signal});
      const known = new Set(this.hits.map((hit) => String(hit.id)));
      const fresh = answer.hits.filter((hit) => !known.has(String(hit.id)));
      this.hits.push(...fresh);
      this.total = answer.total;
      this.timings ??= answer.timings_ms;
      this.cursor = answer.next_cursor;
      this.done = !this.cursor || answer.hits.length === 0;
      return fresh;
    } catch (error) {
      if (error.name === 'AbortError') this.done = true;
      else this.error = error;
      if (error.status >= 400 && error.status < 500 && error.status !== 429) this.done = true;
      return [];
    }
  }

  /// Forgets points that are gone.
  remove(keys) {
    const before = this.hits.length;
    this.hits = this.hits.filter((hit) => !keys.has(String(hit.id)));
    if (this.total !== null) this.total -= before - this.hits.length;
  }
}

export function resultsFor(state) {
  const key = searchKey(state);
  const known = recent.get(key);
  const results = known && !known.abort.signal.aborted ? known : new Results(state);
  recent.delete(key);
  if (!results.error) recent.set(key, results);
  if (recent.size > kKept) recent.delete(recent.keys().next().value);
  return results;
}

/// After writes: what was found before may not hold any more.
export const forgetResults = () => recent.clear();
