// Pictures to send, made here.

import * as zlib from 'node:zlib';

// Older kinds of Node have none.
const CRC = zlib.crc32 ?? tableCrc;

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(data.length);
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(CRC(body));
  return Buffer.concat([head, body, tail]);
}

/** A PNG whose pixels `paint(x, y)` gives as `[red, green, blue]`, each from 0 to 1. */
export function png(width, height, paint) {
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      paint(x / width, y / height).forEach((part, i) => {
        rows[y * (width * 3 + 1) + 1 + x * 3 + i] = Math.max(0, Math.min(255, Math.round(part * 255)));
      });
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', zlib.deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

/** Mountains in the evening, other ones for each seed. */
export function landscape(width, height, seed = 1) {
  const ridge = (x, row) => 0.45 + row * 0.13 + 0.07 * Math.sin(x * (5 + row) + seed * 1.7 + row * 2) + 0.035 * Math.sin(x * (17 + 3 * row) + seed * 3.1) + 0.012 * Math.sin(x * 61 + seed + row);
  const [sunX, sunY] = [0.3 + 0.4 * ((seed * 0.37) % 1), 0.34];
  return png(width, height, (x, y) => {
    for (let row = 2; row >= 0; row--) {
      if (y > ridge(x, row)) {
        const depth = (row + 1) / 3;
        return [0.36 - 0.26 * depth, 0.44 - 0.24 * depth, 0.52 - 0.27 * depth];
      }
    }
    const sun = Math.hypot((x - sunX) * (width / height), y - sunY);
    const glow = Math.exp(-sun * 3.4);
    if (sun < 0.075) return [1, 0.94, 0.76];
    return [0.56 + 0.2 * y + 0.4 * glow, 0.62 + 0.05 * y + 0.2 * glow, 0.74 - 0.25 * y - 0.05 * glow];
  });
}

function tableCrc(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
