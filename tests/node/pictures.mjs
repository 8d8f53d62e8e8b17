// pictures.mjs: small drawings, made here so that the tests need no pictures of others.

import zlib from 'node:zlib';

export const colours = {
  red: [214, 40, 40],
  green: [42, 140, 70],
  blue: [40, 80, 200],
  yellow: [240, 200, 40],
};
const shapes = {
  circle: (x, y) => x * x + y * y < 0.6,
  square: (x, y) => Math.abs(x) < 0.65 && Math.abs(y) < 0.65,
  triangle: (x, y) => y > -0.7 && y < 0.7 && Math.abs(x) < (0.7 + y) * 0.55,
  cross: (x, y) =>
    (Math.abs(x) < 0.22 && Math.abs(y) < 0.75) || (Math.abs(y) < 0.22 && Math.abs(x) < 0.75),
  ring: (x, y) => x * x + y * y < 0.65 && x * x + y * y > 0.25,
  stripes: (x, y) => Math.abs(x) < 0.8 && Math.abs(y) < 0.7 && Math.floor((y + 1) * 5) % 2 === 0,
};

const crcTable = Array.from({length: 256}, (_, n) => {
  for (let k = 0; k < 8; ++k) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n >>> 0;
});
function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  let crc = 0xffffffff;
  for (const byte of body) crc = crcTable[(crc ^ byte) & 255] ^ (crc >>> 8);
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE((crc ^ 0xffffffff) >>> 0, 8 + data.length);
  return out;
}

/// An RGB PNG of `width` x `height`; `paint(x, y)` gives [r, g, b] for x, y in -1..1.
export function png(width, height, paint) {
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let row = 0, at = 0; row < height; ++row) {
    rows[at++] = 0;
    for (let column = 0; column < width; ++column)
      for (const value of paint(((column + 0.5) / width) * 2 - 1, ((row + 0.5) / height) * 2 - 1))
        rows[at++] = value;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', zlib.deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

export const drawing = (shape, colour, width = 128, height = 96) =>
  png(width, height, (x, y) => (shapes[shape](x, y) ? colours[colour] : [255, 255, 255]));

/// Hills under a sky: the same look at any size, and no symmetry that leaves a perceptual hash to chance.
export const landscape = (width, height) =>
  png(width, height, (x, y) =>
    y > 0.3 * Math.sin(2.3 * x + 0.5) + 0.2 * x
      ? [40 + 30 * x, 120 + 40 * y, 50]
      : [120 + 60 * y, 160 + 50 * x, 235],
  );

/// One of every shape in every colour: {name, bytes, payload}.
export function drawings() {
  const all = [];
  for (const shape of Object.keys(shapes)) {
    for (const colour of Object.keys(colours)) {
      const n = all.length;
      all.push({
        name: `${colour}-${shape}.png`,
        bytes: drawing(shape, colour, 96 + 8 * (n % 7), 96),
        payload: {
          title: `A ${colour} ${shape}`,
          shape,
          colour,
          number: n * 10,
          bought: `2024-03-${String(1 + n).padStart(2, '0')}T12:00:00Z`,
        },
      });
    }
  }
  return all;
}
