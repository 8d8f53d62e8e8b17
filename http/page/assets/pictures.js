// pictures.js: pictures given by hand (dropped, pasted, chosen). They have no place in a URL, so
// the URL holds a short key and the browser keeps the bytes: back and reload work, a link shared
// with others says that the picture stayed here.

const kKept = 24;
const kLargest = 1_000_000; // bytes; larger ones are made smaller before they travel
const kEdge = 1024; // pixels; encoders look at far fewer

const memory = new Map(); // key -> Blob; all there is where the browser has no database for us

function database() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('sightline', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('pictures', {keyPath: 'key'});
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function inStore(mode, run) {
  const db = await database();
  try {
    const store = db.transaction('pictures', mode).objectStore('pictures');
    return await new Promise((resolve, reject) => {
      const request = run(store);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } finally {
    db.close();
  }
}

async function smaller(file) {
  if (file.size <= kLargest) return file;
  try {
    const bitmap = await createImageBitmap(file, {imageOrientation: 'from-image'});
    const scale = Math.min(1, kEdge / Math.max(bitmap.width, bitmap.height));
    const canvas = Object.assign(document.createElement('canvas'), {
      width: Math.max(1, Math.round(bitmap.width * scale)),
      height: Math.max(1, Math.round(bitmap.height * scale)),
    });
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
    return blob ? new File([blob], file.name || 'picture.png', {type: 'image/png'}) : file;
  } catch {
    return file; // a format that the server knows and this browser does not
  }
}

/// Keeps the picture; returns its key.
export async function keepPicture(file) {
  const kept = await smaller(file);
  const key = Array.from(crypto.getRandomValues(new Uint8Array(6)), (b) =>
    (b % 36).toString(36),
  ).join('');
  memory.set(key, kept);
  try {
    await inStore('readwrite', (store) =>
      store.put({key, time: Date.now(), name: kept.name, blob: kept}),
    );
    const all = await inStore('readonly', (store) => store.getAll());
    for (const old of all.sort((a, b) => b.time - a.time).slice(kKept))
      await inStore('readwrite', (store) => store.delete(old.key));
  } catch {
    /* private windows: until the page is closed */
  }
  return key;
}

/// The picture, or null if this browser does not have it.
export async function findPicture(key) {
  if (memory.has(key)) return memory.get(key);
  try {
    const found = await inStore('readonly', (store) => store.get(key));
    if (!found) return null;
    memory.set(key, found.blob);
    return found.blob;
  } catch {
    return null;
  }
}

const urls = new Map();
/// A URL that an <img> can show, for as long as the page lives; null without the picture.
export async function pictureUrl(key) {
  const blob = await findPicture(key);
  if (!blob) return null;
  if (!urls.has(key)) urls.set(key, URL.createObjectURL(blob));
  return urls.get(key);
}
