// Text from elsewhere, made safe to show. Nothing in this page ever becomes markup: all of it ends in text nodes.

// As `chat::printable`: C0 controls become their pictures, what turns the reading direction becomes U+FFFD.
const REPLACED = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/g;

function replacement(character, keepsLines) {
  const code = character.charCodeAt(0);
  if (code === 9) return ' ';
  if (code === 10 && keepsLines) return '\n';
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? '\u2421' : '\ufffd';
}

/** One line of text, safe to show. */
export function printable(text) {
  return String(text).replace(REPLACED, (c) => replacement(c, false));
}

/** Text of several lines, safe to show. */
export function printableLines(text) {
  return String(text).replace(/\r\n/g, '\n').replace(REPLACED, (c) => replacement(c, true));
}

/** The form in which names are compared. */
export function nameKey(name) {
  return String(name).normalize('NFC').toLowerCase();
}

const LINK = /\bhttps?:\/\/[^\s<>"\ufffd]+/gi;
const CLOSERS = { ')': '(', ']': '[', '}': '{' };

/** Without the punctuation that ends the sentence and not the address. */
function trimLink(text) {
  let link = text;
  for (;;) {
    const last = link.at(-1);
    if (/[.,;:!?'*_]/.test(last)) link = link.slice(0, -1);
    else if (CLOSERS[last] && link.split(last).length > link.split(CLOSERS[last]).length) link = link.slice(0, -1);
    else return link;
  }
}

function asLink(text) {
  try {
    const url = new URL(text);
    return ['http:', 'https:'].includes(url.protocol) && url.hostname ? url.href : null;
  } catch {
    return null;
  }
}

/** Cuts safe text into plain parts, links and names: `[{ text, href?, name? }]`. `isName` tells whose names are marked. */
export function segments(text, isName = () => false) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const link = trimLink(match[0]);
    const href = asLink(link);
    if (!href) continue;
    pushNames(parts, text.slice(end, match.index), isName);
    parts.push({ text: link, href });
    end = match.index + link.length;
  }
  pushNames(parts, text.slice(end), isName);
  return parts;
}

const WORD = /@?[\p{L}\p{N}\p{M}_-]+(?:\.[\p{L}\p{N}\p{M}_-]+)*/gu;

function pushNames(parts, text, isName) {
  let end = 0;
  for (const match of text.matchAll(WORD)) {
    if (!isName(match[0])) continue;
    if (match.index > end) parts.push({ text: text.slice(end, match.index) });
    parts.push({ text: match[0], name: match[0].replace(/^@/, '') });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
}

/** Whether the text speaks to this person: the name as a whole word, a very short one only behind `@`. */
export function mentions(text, name) {
  if (!name) return false;
  const key = nameKey(name);
  for (const [word] of text.matchAll(WORD)) {
    if (nameKey(word) === `@${key}` || (key.length > 2 && nameKey(word) === key)) return true;
  }
  return false;
}

/** A few emoji and nothing else, which are shown large. */
export function isOnlyEmoji(text) {
  return text.length <= 24 && /^(?:\p{Extended_Pictographic}[\ufe0f\u200d\u{1f3fb}-\u{1f3ff}]*\s*){1,3}$/u.test(text);
}

/** A size as people say it: `12 kB`, in the words of the terminal. */
export function size(bytes) {
  let [number, unit] = [bytes, ''];
  for (const step of ['kB', 'MB', 'GB', 'TB']) {
    if (number >= 999.5) [number, unit] = [number / 1000, step];
  }
  return unit ? `${number.toFixed(number < 9.95 ? 1 : 0)} ${unit}` : counted(bytes, 'byte');
}

/** `one line`, `5 lines` */
export function counted(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

/** Whether a file's name says that it is a picture which may be shown. */
export function isPictureName(name) {
  return /\.(png|jpe?g|gif|webp)$/i.test(name);
}
