// One talk: a room's, a group's, or with one person. Pure: items in, items in order out, each once.

import { nameKey } from './text.js';

/** Beyond so many items the oldest make way, until so many are left: many at once, as all is drawn anew then. They come again on scrolling up. */
const ITEMS_MAX = 1500;
const ITEMS_KEPT = 1000;
/** How far apart the server's clock and this one may put the same thing that nothing else tells apart. */
const TWIN_WITHIN_MS = 3000;

/** In the stead of a place: nothing is known about where older history begins, but that there is some. */
export const FROM_THE_END = 'end';

const LOBBY = conversationId('room', 'lobby');

let nextId = 1;

/** An item: `what` is `text`, `file` or `notice`; `at` in ms; `key` tells it from all others where there is one; `isLive` if it was heard when it was said. */
export function makeItem(fields) {
  return { id: nextId++, what: 'text', from: '', text: '', at: Date.now(), key: null, number: null, own: false, isLive: false, state: 'there', ...fields };
}

/** The key of what the protocol gives an origin and a sequence, or of an entry of a history that has none. */
export function keyOf({ origin, sequence, number, heard_at: heardAt }, isLobby) {
  if (origin && sequence !== undefined) return `${origin}:${sequence}`;
  // A history that is lost begins again at the first number, but not at the same moment.
  if (heardAt) return `${number}@${heardAt}`;
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
  /** Nothing is missing since its newest page came. */
  #isWhole = false;
  /** The id of the first item after it was last whole: among those before nothing is missing. */
  #firstAfter = 0;
  /** The id of the first item after it was last interrupted. */
  #interruptedAt = 0;
  /** Where reading stopped when it was last opened. */
  newFrom = null;

  constructor(kind, name) {
    this.kind = kind;
    this.name = name;
    this.id = conversationId(kind, name);
  }

  get isLobby() {
    return this.id === LOBBY;
  }

  /** Takes an item in, or finds that it is there already. Tells which item it is now, and how: `added`, `last`, `changed`, `same`. */
  take(item) {
    const isNew = item.state === 'sending';
    const known = isNew ? null : this.#known(item);
    if (known) return { item: known, how: this.#learn(known, item) };
    if (item.key) this.#keys.set(item.key, item);
    const place = this.#placeFor(item);
    this.items.splice(place, 0, item);
    return { item, how: place === this.items.length - 1 ? 'last' : 'added' };
  }

  /** What is said from now on may be missed, until the newest page of the history is there. */
  interrupt() {
    this.#interruptedAt = nextId;
    if (this.#isWhole) this.#firstAfter = nextId;
    this.#isWhole = false;
    this.ready = false;
  }

  /** Takes in the newest page of a history; `before` if there is more before it. What is here already goes on with it, or makes way. */
  takeNewest(page, before = null) {
    const meeting = page.findIndex((item) => this.#known(item)?.id < this.#firstAfter);
    if (meeting < 0) {
      this.#detach(before !== null);
      this.before = before;
    }
    // What is older than where they meet comes on scrolling up.
    for (const item of page.slice(Math.max(meeting, 0))) this.take(item);
    this.#isWhole = true;
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

  /** Forgets the oldest of more than a page holds; whether it did. What is said in private nothing else has any more. */
  trim() {
    if (this.kind !== 'room' || this.items.length <= ITEMS_MAX) return false;
    this.#forget(this.items.slice(0, -ITEMS_KEPT));
    // What came live has no place yet: then it is asked for from the end again, and what is there already is passed over.
    this.before = this.items[0].number ?? FROM_THE_END;
    return true;
  }

  #forget(items) {
    const gone = new Set(items);
    for (const item of gone) this.#keys.delete(item.key);
    this.items = this.items.filter((item) => !gone.has(item));
  }

  /** What is here does not reach to the newest page. If there is more between them, it comes with that again on scrolling up. */
  #detach(isMoreBetween) {
    // What came live since then has no number yet, and stands in that page.
    const isOld = ({ id, number }) => id < this.#interruptedAt || number !== null;
    const old = this.items.filter((item) => item.state === 'there' && isOld(item));
    if (isMoreBetween) this.#forget(old);
    // Nothing else has it any more, so it stays; a history that began anew counts otherwise.
    else for (const item of old) item.number = null;
  }

  /** What is said now goes last, whatever the clocks say. In a history numbers tell the order; beside what has none, the time. */
  #placeFor({ number, at }) {
    const { items } = this;
    if (number === null) return items.length;
    const first = items.findLastIndex((other) => other.number !== null && other.number < number) + 1;
    let place = items.findIndex((other, index) => index >= first && other.number !== null);
    if (place < 0) place = items.length;
    // What is not sent yet will be heard after all of it.
    while (place > first && (items[place - 1].at > at || items[place - 1].state === 'sending')) place--;
    return place;
  }

  #known(item) {
    return (item.key && this.#keys.get(item.key)) || this.#twin(item);
  }

  #learn(known, item) {
    let how = 'same';
    known.number ??= item.number;
    if (item.isLive && !known.isLive) {
      known.isLive = true;
      known.at = item.at;
      how = 'changed';
    }
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
      // A room that does not carry my time tells only that it came after I sent it, and may do so when the server has confirmed it.
      const late = mine.find((other) => isAwaited(other) && (item.isLive || (item.number !== null && item.at >= other.at - TWIN_WITHIN_MS)));
      if (exact || late) return exact ?? late;
    }
    // One of them was heard when it was said, the other stands in a history; what is said once more is another.
    const isOther = (other) => (other.number === null) !== (item.number === null) && !(other.isLive && item.isLive);
    const isNear = (other) => Math.abs(other.at - item.at) < TWIN_WITHIN_MS;
    return alike.find((other) => isOther(other) && isNear(other)) ?? null;
  }
}

function isAlike(other, item) {
  if (other.what !== item.what || other.text !== item.text || (item.key && other.key)) return false;
  return nameKey(other.from) === nameKey(item.from) && other.file?.hash === item.file?.hash;
}

/** I said it, and have not heard it yet. */
function isAwaited({ state, isLive, number }) {
  return state !== 'failed' && !isLive && number === null;
}

export function conversationId(kind, name) {
  return `${kind}/${nameKey(name)}`;
}
