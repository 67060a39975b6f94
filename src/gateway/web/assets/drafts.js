// What somebody began to write and has not sent. Several people may use one browser.

import { browser } from './memory.js';
import { session } from './session.js';
import { state } from './state.js';
import { nameKey } from './text.js';

const shelfOf = (name) => `drafts.${nameKey(name)}`;

export function draftIn({ id }) {
  return browser.get(shelfOf(state.me), {})[id] ?? '';
}

export function keepDraft({ id }, text) {
  browser.set(shelfOf(state.me), { ...browser.get(shelfOf(state.me), {}), [id]: text || undefined });
}

session.addEventListener('quit', () => browser.set(shelfOf(state.me), null));
session.addEventListener('renamed', ({ detail: before }) => {
  const drafts = browser.get(shelfOf(before));
  browser.set(shelfOf(before), null);
  browser.set(shelfOf(state.me), drafts);
});
