// What the page knows. One object, changed by the session, shown by the views, which listen for what changed.

import { Conversation, conversationId } from './conversation.js';
import { browser, tab } from './memory.js';
import { nameKey } from './text.js';

/** Private lines that this tab keeps across a reload, for each talk. */
const PRIVATE_KEPT_MAX = 200;

class State extends EventTarget {
  /** `welcome` until a name is taken, then `in`. */
  phase = 'welcome';
  /** Whether the server is there, and else when the next try is. */
  isOnline = false;
  retryAt = 0;
  me = tab.get('me') ?? browser.get('name', '');
  /** By key of the name: `{ name, dialect, topic, limit, members, last }`. */
  rooms = new Map();
  /** Who is online, by key of the name: `{ name, away, room, via, since }`. */
  people = new Map();
  /** Pictures that were told of, by key of the name; also of who has gone. */
  avatars = new Map();
  groups = new Map();
  conversations = new Map();
  current = null;
  /** The members of the room on the screen as the server sees them, or null. */
  members = null;
  read = browser.get('read', {});

  /** Tells the views. Names: `phase`, `link`, `rooms`, `people`, `groups`, `members`, `avatars`, `current`, `items`, `unread`, `told`. */
  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  on(names, listener) {
    for (const name of names.split(' ')) this.addEventListener(name, (event) => listener(event.detail));
  }

  conversation(kind, name) {
    const id = conversationId(kind, name);
    if (!this.conversations.has(id)) {
      const conversation = new Conversation(kind, name);
      conversation.ready = kind !== 'room';
      conversation.entered = kind !== 'room';
      this.conversations.set(id, conversation);
    }
    return this.conversations.get(id);
  }

  isMe(name) {
    return this.me !== '' && nameKey(name) === nameKey(this.me);
  }

  person(name) {
    return this.people.get(nameKey(name));
  }

  /** Whether there is such a room, as far as the directory is known. */
  hasRoom(name) {
    return this.rooms.size === 0 || this.rooms.has(nameKey(name));
  }

  /** Something new in a conversation. Whether it is news for whoever sits here. */
  add(conversation, item) {
    const { item: now, how } = conversation.take(item);
    if (conversation !== this.current) conversation.trim();
    if (how !== 'same') this.emit('items', { conversation, item: now, how });
    if (conversation.kind !== 'room') this.keepPrivate();
    return how === 'added' || how === 'last';
  }

  changed(conversation, item) {
    this.emit('items', { conversation, item, how: 'changed' });
  }

  /** Something that only this person is told, in the talk on the screen. */
  tell(text, conversation = this.current) {
    this.emit('told', { text, conversation });
  }

  get isLooking() {
    return document.visibilityState === 'visible' && document.hasFocus();
  }

  markRead(conversation) {
    if (conversation.kind === 'room') {
      const room = this.rooms.get(nameKey(conversation.name));
      if (room?.last !== undefined) this.read[nameKey(conversation.name)] = room.last;
      browser.set('read', this.read);
    }
    if (conversation.unread === 0 && conversation.mentions === 0) return;
    conversation.unread = 0;
    conversation.mentions = 0;
    this.emit('unread');
  }

  keepPrivate() {
    const kept = [...this.conversations.values()]
      .filter((conversation) => conversation.kind !== 'room' && conversation.items.length > 0)
      .map(({ kind, name, items }) => ({ kind, name, items: items.filter((item) => item.state === 'there').slice(-PRIVATE_KEPT_MAX) }));
    tab.set('private', kept);
  }

  restorePrivate(makeItem) {
    for (const { kind, name, items } of tab.get('private', [])) {
      const conversation = this.conversation(kind, name);
      for (const { id: _, ...fields } of items) conversation.take(makeItem(fields));
    }
  }
}

export const state = new State();
