// What is said to the server, and what comes of it. The views call it; it changes `state`.

import { FROM_THE_END, keyOf, makeItem } from './conversation.js';
import { hear } from './events.js';
import { Link, Lost, Refusal } from './link.js';
import { browser, tab } from './memory.js';
import { state } from './state.js';
import { isOpenTwice } from './tabs.js';
import { nameKey } from './text.js';
import { parseTime } from './time.js';

const PAGE = 80;
/** The most that the server gives at once. */
const PAGE_MAX = 500;
/** How often to ask for my name again, while the server has not noticed that I was gone. */
const NAME_TRIES = 6;
const NAME_AGAIN_MS = 1500;
const PEOPLE_EVERY_MS = 20_000;
const GATHER_MS = 300;
const GREETED_WITHIN_MS = 8000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Session extends EventTarget {
  link = new Link(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`);
  /** What the server gave this connection; uploads show it. */
  token = null;
  /** The name to be online with, or none on the first page. */
  #wanted = tab.get('me');
  /** The directory's room that I want to be in, and whether the lobby. */
  #room = tab.get('room');
  /** What was entered since I came in, or is about to be. */
  #entering = new Set();
  #inLobby = tab.get('lobby', true);
  /** The server's clock less this one. */
  #clockAhead = 0;
  onlineSince = 0;
  #membersAsked = 0;
  /** Whether the first word of what goes on in all rooms has come. */
  isWatching = false;

  async start() {
    if (await isOpenTwice()) {
      this.#forget();
      state.emit('phase', 'You are here in another tab already.');
    }
    state.restorePrivate(makeItem);
    this.link.addEventListener('open', () => this.#greet());
    this.link.addEventListener('lost', ({ detail }) => this.#lost(detail));
    this.link.addEventListener('event', ({ detail }) => hear(detail, this));
    addEventListener('online', () => this.link.tryNow());
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.link.tryNow());
    setInterval(() => this.#lookAround(), PEOPLE_EVERY_MS);
    this.link.start();
  }

  request(what, fields) {
    return this.link.request(what, fields);
  }

  /** As a person does who pressed a button: what is refused is told. */
  async ask(what, fields) {
    try {
      return await this.request(what, fields);
    } catch (error) {
      state.tell(error instanceof Lost ? 'The server is away: try again when it is back.' : error.message);
      return null;
    }
  }

  /** Now, by the server's clock. */
  now() {
    return Date.now() + this.#clockAhead;
  }

  async #greet() {
    try {
      const hello = await this.request('hello', { version: 1, resume: tab.get('token') ?? undefined });
      this.token = hello.token;
      tab.set('token', hello.token);
      if (this.#wanted) await this.#comeBack(hello.name);
      else await this.#lookIn();
    } catch (error) {
      if (error instanceof Refusal) this.#refused(error);
    }
  }

  /** From the first page: who is there. */
  async #lookIn() {
    await this.#learnNames();
    this.link.settled();
    state.isOnline = true;
    state.emit('link');
  }

  async #comeBack(resumed) {
    for (let tries = 1; !resumed || nameKey(resumed) !== nameKey(this.#wanted); tries++) {
      try {
        await this.request('name', { name: this.#wanted });
        break;
      } catch (error) {
        if (error.code !== 'name-in-use' || tries === NAME_TRIES) throw error;
        await pause(NAME_AGAIN_MS);
      }
    }
    await this.#enterAll();
  }

  /** No way in by itself: the person is asked. */
  #refused(error) {
    this.#wanted = null;
    tab.set('me', null);
    state.isOnline = true;
    state.phase = 'welcome';
    state.emit('phase', error.message);
    state.emit('link');
  }

  /** Takes a name for the first time; throws what the server has against it. */
  async comeIn(name) {
    await this.#greeted();
    await this.request('name', { name });
    this.#wanted = name;
    this.#named(name);
    await this.#enterAll();
  }

  /** Who is quicker than the connection waits for it a little. */
  async #greeted() {
    this.link.tryNow();
    const end = Date.now() + GREETED_WITHIN_MS;
    while (!state.isOnline || !this.link.isOpen) {
      if (Date.now() > end) throw new Lost('The server is away. Try again in a moment.');
      await pause(50);
    }
  }

  #named(name) {
    state.me = name;
    browser.set('name', name);
    tab.set('me', name);
  }

  async rename(name) {
    await this.request('name', { name });
    const { me } = state;
    this.#wanted = name;
    this.#named(name);
    this.dispatchEvent(new CustomEvent('renamed', { detail: me }));
    hear({ event: 'renamed', before: me, name }, this);
  }

  async #enterAll() {
    this.link.settled();
    this.#entering.clear();
    this.#named(this.#wanted);
    this.onlineSince = Date.now();
    state.phase = 'in';
    state.isOnline = true;
    state.emit('phase');
    state.emit('link');
    this.isWatching = false;
    this.request('watch').catch(() => {});
    await Promise.all([this.learnRooms(), this.#learnNames(), this.learnGroups()]);
    await this.learnPeople();
    if (this.#inLobby) await this.#enterOnce('lobby');
    if (this.#room) await this.#enterOnce(this.#room);
    this.dispatchEvent(new Event('online'));
  }

  #lost(retryAt) {
    this.token = null;
    for (const conversation of state.conversations.values()) if (conversation.kind === 'room') conversation.interrupt();
    state.isOnline = false;
    state.retryAt = retryAt;
    state.emit('link');
  }

  async learnRooms() {
    const { rooms } = await this.request('get-directory');
    const before = state.rooms;
    state.rooms = new Map();
    for (const room of [{ name: 'lobby' }, ...rooms]) {
      const key = nameKey(room.name);
      state.rooms.set(key, { ...before.get(key), topic: undefined, ...room });
    }
    state.emit('rooms');
  }

  async #learnNames() {
    const { names, avatars = {} } = await this.request('names');
    const before = state.people;
    state.people = new Map(names.map((name) => [nameKey(name), { ...before.get(nameKey(name)), name }]));
    for (const [name, avatar] of Object.entries(avatars)) state.avatars.set(nameKey(name), avatar);
    state.emit('avatars');
    state.emit('people');
  }

  /** Who is where and away. */
  async learnPeople() {
    const { online } = await this.request('report');
    state.people = new Map(online.map((person) => [nameKey(person.name), person]));
    for (const { name, avatar } of online) if (avatar) state.avatars.set(nameKey(name), avatar);
    state.emit('people');
  }

  async learnGroups() {
    const { groups } = await this.request('groups').catch(() => ({ groups: [] }));
    state.groups = new Map(groups.map((group) => [nameKey(group.name), group]));
    for (const { name } of groups) state.conversation('group', name);
    state.emit('groups');
  }

  /** The members of the room on the screen. */
  async learnMembers() {
    const { current } = state;
    if (current?.kind !== 'room' || !current.entered || !this.link.isOpen) return;
    const { members } = await this.request('members', { room: current.name }).catch(() => ({ members: null }));
    if (state.current !== current) return;
    state.members = members;
    state.emit('members');
  }

  /** The same once for many who come and go at about the same time. */
  learnMembersSoon() {
    this.#membersAsked ||= setTimeout(() => {
      this.#membersAsked = 0;
      this.learnMembers();
    }, GATHER_MS);
  }

  #lookAround() {
    if (state.phase !== 'in' || !this.link.isOpen || document.visibilityState !== 'visible') return;
    this.learnPeople().catch(() => {});
    this.learnMembers();
  }

  /** Brings a conversation to the screen, and enters its room. */
  async show(kind, name) {
    const conversation = state.conversation(kind, name);
    if (state.current !== conversation) {
      conversation.newFrom = conversation.unread;
      state.current = conversation;
      state.members = null;
      state.emit('current');
    }
    if (state.isLooking) state.markRead(conversation);
    if (kind === 'room' && this.link.isOpen && state.phase === 'in' && !conversation.entered && !conversation.left) await this.join(conversation);
    this.learnMembers();
    // Whether that one is away.
    if (kind === 'person' && this.link.isOpen) this.learnPeople().catch(() => {});
  }

  /** Who is quick has opened it already: entered again, it would bring more of its past. */
  async #enterOnce(name) {
    const conversation = state.conversation('room', name);
    if (!this.#entering.has(conversation)) await this.join(conversation);
  }

  /** Enters a room and brings its past. A client is in one room of the directory at a time. */
  async join(conversation) {
    this.#entering.add(conversation);
    const via = conversation.isLobby ? 'relay' : 'hosted';
    try {
      // After a restart of the server the others take the member of before as gone.
      const { member } = await this.request('enter', { room: conversation.name, via, member: conversation.member });
      if (member) conversation.member = member;
    } catch (error) {
      this.#notEntered(conversation, error);
      return;
    }
    if (!conversation.isLobby) this.#leftForAnother(conversation);
    conversation.left = false;
    conversation.entered = true;
    this.#remember();
    await this.#learnPast(conversation);
    // Who comes back asks for it again.
    if (!this.link.isOpen) return;
    conversation.ready = true;
    state.emit('rooms');
    if (state.current === conversation) {
      state.emit('current');
      this.learnMembers();
    }
    this.dispatchEvent(new Event('online'));
  }

  #notEntered(conversation, error) {
    if (error instanceof Lost) return;
    conversation.entered = false;
    conversation.left = true;
    if (nameKey(this.#room ?? '') === nameKey(conversation.name)) this.#room = null;
    state.tell(error.message, conversation);
    state.emit('current');
    state.emit('rooms');
  }

  #leftForAnother(conversation) {
    for (const other of state.conversations.values()) {
      if (other.kind !== 'room' || other.isLobby || other === conversation) continue;
      other.entered = false;
      other.interrupt();
    }
    this.#room = conversation.name;
  }

  #remember() {
    this.#inLobby = state.conversation('room', 'lobby').entered;
    tab.set('lobby', this.#inLobby);
    tab.set('room', this.#room);
  }

  /** Whether what is written in this room goes out when the server is back. */
  comesBackTo({ name, isLobby }) {
    if (isLobby) return this.#inLobby;
    const { current } = state;
    const goesOver = current?.kind === 'room' && !current.isLobby && !current.left;
    return nameKey((goesOver ? current.name : this.#room) ?? '') === nameKey(name);
  }

  async leave(conversation) {
    if (!(await this.ask('leave', { room: conversation.name }))) return;
    this.gone(conversation);
  }

  /** I am not in it any more. */
  gone(conversation) {
    conversation.entered = false;
    conversation.interrupt();
    conversation.left = true;
    if (!conversation.isLobby) this.#room = null;
    this.#remember();
    state.members = null;
    state.emit('rooms');
    state.emit('current');
  }

  /** What this tab keeps of who is there. */
  #forget() {
    for (const key of ['me', 'token', 'room', 'lobby', 'private', 'unsent']) tab.set(key, null);
    this.#wanted = null;
    this.#room = null;
    this.#inLobby = true;
  }

  /** Whoever comes to this tab next finds nothing of mine. */
  async quit() {
    await this.request('bye').catch(() => {});
    this.link.stop();
    this.#forget();
    this.dispatchEvent(new Event('quit'));
    location.hash = '';
    location.reload();
  }

  /** What was said before I came, or since I was last here. */
  async #learnPast(conversation) {
    // Not since a time: the server's clock may have been set back.
    const past = await this.#history(conversation, { limit: conversation.before === undefined ? PAGE : PAGE_MAX });
    if (!past) return;
    conversation.takeNewest(past.items, past.before);
    state.emit('items', { conversation, how: 'reset' });
  }

  /** One page further back. Whether there was one. */
  /** Whether there was something. What is asked for already is waited for, and not asked for again. */
  async learnOlder(conversation, limit = PAGE) {
    if (!conversation.before || !this.link.isOpen) return false;
    conversation.asking ??= this.#askOlder(conversation, limit).finally(() => {
      conversation.asking = null;
    });
    return conversation.asking;
  }

  async #askOlder(conversation, limit) {
    const { before } = conversation;
    const past = await this.#history(conversation, before === FROM_THE_END ? { limit: PAGE_MAX } : { before, limit });
    // Or meanwhile what this was to stand above has made way.
    if (!past || conversation.before !== before) return false;
    for (const item of past.items) conversation.take(item);
    conversation.before = past.before ?? null;
    state.emit('items', { conversation, how: 'reset' });
    return true;
  }

  async #history(conversation, which) {
    try {
      const past = await this.request('history', { room: conversation.name, ...which });
      if (past.now) this.#clockAhead = parseTime(past.now) - Date.now();
      return { items: past.entries.map((entry) => fromHistory(entry, conversation)), before: past.before };
    } catch {
      // A room without a history has only what is said from now on.
      if (conversation.before === undefined) conversation.before = null;
      return null;
    }
  }
}

/** An entry of a history as an item. */
export function fromHistory(entry, conversation) {
  const { what, from, text = '', file, number } = entry;
  const item = { from, text, number, at: parseTime(entry.heard_at), key: keyOf(entry, false) };
  if (what === 'file') return makeItem({ ...item, what, file, own: state.isMe(from), saidAt: parseTime(entry.said_at) });
  if (what === 'text') return makeItem({ ...item, own: state.isMe(from), saidAt: parseTime(entry.said_at) });
  const happened = { joined: 'joined', left: 'left', renamed: `is called ${entry.name} now` }[what] ?? what;
  return makeItem({ ...item, what: 'notice', text: happened, isLobby: conversation.isLobby });
}

export const session = new Session();
