// One talk: a room's, a group's, or with one person. Pure: items in, items in order out, each once.

import { nameKey } from './text.js';

/** As many items stay on the page; older ones come again on scrolling up. */
const ITEMS_MAX = 1500;
/** How far apart the server's clock and this one may put the same thing that nothing else tells apart. */
const TWIN_WITHIN_MS = 3000;

/** In the stead of a place: nothing is known about where older history begins, but that there is some. */
export const FROM_THE_END = 'end';

let nextId = 1;

/** An item: `what` is `text`, `file` or `notice`; `at` in ms; `key` tells it from all others where there is one. */
export function makeItem(fields) {
  return { id: nextId++, what: 'text', from: '', text: '', at: Date.now(), key: null, number: null, own: false, state: 'there', ...fields };
}

/** The key of what the protocol gives an origin and a sequence. */
export function keyOf({ origin, sequence, number }, isLobby) {
  if (origin && sequence !== undefined) return `${origin}:${sequence}`;
  return isLobby && number !== undefined ? `0000000000000000:${number}` : null;
}

export class Conversation {
  items = [];
  #keys = new Map();
  /** Where older history begins: a place, `FROM_THE_END`, `null` for no more, `undefined` for not asked yet. */
  before = undefined;
  unread = 0;
  mentions = 0;
  /** Whether I am in it, and its past is there: what I say goes out. */
  entered = false;
  ready = false;
  /** Where reading stopped when it was last opened. */
  newFrom = null;

  constructor(kind, name) {
    this.kind = kind;
    this.name = name;
    this.id = conversationId(kind, name);
  }

  get isLobby() {
    return this.kind === 'room' && this.name === 'lobby';
  }

  /** Takes an item in, or finds that it is there already. Tells which item it is now, and how: `added`, `last`, `changed`, `same`. */
  take(item) {
    const isNew = item.state === 'sending';
    const known = isNew ? null : (item.key && this.#keys.get(item.key)) || this.#twin(item);
    if (known) return { item: known, how: this.#learn(known, item) };
    if (item.key) this.#keys.set(item.key, item);
    let place = this.items.length;
    while (place > 0 && this.items[place - 1].at > item.at) place--;
    this.items.splice(place, 0, item);
    return { item, how: place === this.items.length - 1 ? 'last' : 'added' };
  }

  find(key) {
    return this.#keys.get(key);
  }

  /** What I said has arrived; `key` if the answer told it. */
  confirm(item, key) {
    const double = key && this.#keys.get(key);
    if (double && double !== item) this.remove(double);
    item.state = 'there';
    item.progress = null;
    if (!key) return;
    item.key = key;
    this.#keys.set(key, item);
  }

  remove(item) {
    this.items = this.items.filter((other) => other !== item);
  }

  /** Forgets the oldest beyond what a page holds; whether it did. */
  trim() {
    const surplus = this.items.length - ITEMS_MAX;
    if (surplus <= 0) return false;
    for (const item of this.items.splice(0, surplus)) this.#keys.delete(item.key);
    // What came live has no place yet: then it is asked for from the end again, and what is there already is passed over.
    this.before = this.items[0].number ?? FROM_THE_END;
    return true;
  }

  #learn(known, item) {
    let how = 'same';
    known.number ??= item.number;
    if (item.key && !known.key) {
      known.key = item.key;
      this.#keys.set(item.key, known);
    }
    if (known.state !== 'there') {
      known.state = 'there';
      known.progress = null;
      how = 'changed';
    }
    if (item.file && !known.file?.hash) {
      known.file = item.file;
      how = 'changed';
    }
    return how;
  }

  /** The same thing by another way: my own line that comes back, or a line without a key in live talk and in history. */
  #twin(item) {
    const alike = this.items.filter((other) => isAlike(other, item));
    if (item.own) {
      const mine = alike.filter((other) => other.own);
      const exact = mine.find((other) => Math.abs(other.saidAt - item.saidAt) <= 1);
      // A room that does not carry my time tells only that it came after I sent it.
      const late = mine.find((other) => other.state === 'sending' && item.at >= other.saidAt - TWIN_WITHIN_MS);
      if (exact || late) return exact ?? late;
    }
    if (item.key) return null;
    const isNear = (other) => Math.abs(other.at - item.at) < TWIN_WITHIN_MS;
    return alike.find((other) => !other.key && (other.number === null) !== (item.number === null) && isNear(other)) ?? null;
  }
}

function isAlike(other, item) {
  if (other.what !== item.what || other.text !== item.text || (item.key && other.key)) return false;
  return nameKey(other.from) === nameKey(item.from) && other.file?.hash === item.file?.hash;
}

export function conversationId(kind, name) {
  return `${kind}/${nameKey(name)}`;
}
