// Finding what was said before.

import { avatar, coloredName } from './avatar.js';
import { h, icon, iconButton, openDialog } from './dom.js';
import { goTo } from './route.js';
import { session } from './session.js';
import { state } from './state.js';
import { nameKey, printable } from './text.js';
import { parseTime, shortTime } from './time.js';

const FOUND_MAX = 50;
const TYPING_MS = 250;

export function openSearch(conversation) {
  const input = h('input', { type: 'search', placeholder: 'Words, or the beginning of one with *', 'aria-label': 'Search for', autocomplete: 'off', maxlength: 200 });
  const here = h('input', { type: 'checkbox' });
  const told = h('p.quiet', { role: 'status' }, 'Everything that the server keeps is searched.');
  const list = h('ol.found', { role: 'list' });
  const head = h('header', {}, icon('search'), input, iconButton('close', 'Close', () => dialog.close()));
  const only = h('label.choice.inline', {}, here, h('span', {}, 'Only in ', h('bdi', {}, printable(conversation.name))));
  const dialog = openDialog('Search', head, only, told, list);
  dialog.classList.add('search');
  let asked = 0;
  let timer = 0;
  const search = async () => {
    const words = input.value.trim();
    const mine = ++asked;
    if (!words) return;
    try {
      const fields = { words, limit: FOUND_MAX, room: here.checked ? conversation.name : undefined };
      const { entries } = await session.request('search', fields);
      if (mine !== asked) return;
      told.textContent = entries.length === 0 ? 'Nothing was found.' : entries.length === FOUND_MAX ? `The newest ${FOUND_MAX}` : `${entries.length} found`;
      list.replaceChildren(...entries.reverse().map((entry) => result(entry, words, dialog)));
    } catch (error) {
      if (mine === asked) told.textContent = error.message;
    }
  };
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(search, TYPING_MS);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') search();
    // By itself the field would only become empty.
    if (event.key === 'Escape') dialog.close();
  });
  here.addEventListener('change', search);
  input.focus();
}

function result(entry, words, dialog) {
  const { room, from, file, text = '', number } = entry;
  const line = file ? file.name : text;
  const head = h('span.found-head', {}, coloredName(from), h('span.quiet', {}, ' in ', h('bdi', {}, printable(room)), ` · ${shortTime(parseTime(entry.heard_at))}`));
  const button = h('button', { type: 'button' }, avatar(from), h('span', {}, head, h('span.found-text', { dir: 'auto' }, ...marked(printable(line), words))));
  button.addEventListener('click', async () => {
    dialog.close();
    goTo('room', room);
    await session.show('room', room);
    const found = await document.querySelector('crds-talk').seek(state.conversation('room', room), number);
    if (!found) state.tell('That line is too far back to show here.');
  });
  return h('li', {}, button);
}

/** The text around the first word found, with the words marked. */
function marked(text, words) {
  const wanted = (words.match(/[\p{L}\p{N}]+/gu) ?? []).map(nameKey);
  const parts = [];
  const first = [...text.matchAll(/[\p{L}\p{N}]+/gu)].find(([word]) => wanted.some((one) => nameKey(word).startsWith(one)));
  const from = Math.max(0, (first?.index ?? 0) - 80);
  const shown = (from > 0 ? '…' : '') + text.slice(from, from + 260);
  let end = 0;
  for (const match of shown.matchAll(/[\p{L}\p{N}]+/gu)) {
    if (!wanted.some((one) => nameKey(match[0]).startsWith(one))) continue;
    parts.push(shown.slice(end, match.index), h('mark', {}, match[0]));
    end = match.index + match[0].length;
  }
  parts.push(shown.slice(end));
  return parts;
}
