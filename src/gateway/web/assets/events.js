// What the server tells without being asked.

import { keyOf, makeItem } from './conversation.js';
import { browser } from './memory.js';
import { state } from './state.js';
import { mentions, nameKey, printable } from './text.js';
import { parseTime } from './time.js';

/** Takes an event in. One that nobody knows is shown by its text. */
export function hear(event, session) {
  const heard = HEARD[event.event];
  if (heard) heard(event, session);
  else if (event.text) state.tell(event.text);
}

const room = (event) => state.conversation('room', event.room);

const HEARD = {
  welcome() {},

  joined({ name }) {
    state.people.set(nameKey(name), { name });
    state.emit('people');
  },

  exited({ name }) {
    state.people.delete(nameKey(name));
    state.emit('people');
  },

  renamed({ before, name }, session) {
    const [old, now] = [nameKey(before), nameKey(name)];
    state.people.set(now, { ...state.people.get(old), name });
    if (old !== now) {
      state.people.delete(old);
      const avatar = state.avatars.get(old);
      if (avatar) state.avatars.set(now, avatar);
    }
    const { current } = state;
    if (current?.kind === 'room') state.add(current, notice(session, before, `is called ${name} now`));
    state.emit('people');
    session.learnMembersSoon();
  },

  line(event, session) {
    said(room(event), { text: event.text }, event, session);
  },

  file(event, session) {
    const { name, size, hash } = event;
    const conversation = event.room ? room(event) : state.conversation('person', event.from);
    said(conversation, { what: 'file', file: { name, size, hash } }, event, session);
  },

  entered(event, session) {
    happened(event, 'joined', session);
  },

  left(event, session) {
    happened(event, 'left', session);
  },

  delivered(event) {
    const conversation = room(event);
    const item = conversation.find(keyOf(event, false));
    if (!item) return;
    item.delivered = { by: event.by, of: event.of };
    state.changed(conversation, item);
  },

  whisper(event, session) {
    said(state.conversation('person', event.from), { text: event.text }, event, session);
  },

  'group-line': (event, session) => {
    said(state.conversation('group', event.group), { text: event.text }, event, session);
  },

  enrolled(event, session) {
    const conversation = state.conversation('group', event.group);
    state.add(conversation, notice(session, event.by, 'made this group'));
    session.learnGroups();
  },

  'group-left': (event, session) => {
    state.add(state.conversation('group', event.group), notice(session, event.by, 'left the group'));
    session.learnGroups();
  },

  'group-deleted': (event, session) => {
    state.add(state.conversation('group', event.group), notice(session, event.by, 'deleted the group'));
    session.learnGroups();
  },

  followed(event) {
    state.tell(`In ${event.room}, ${event.from}: ${event.text}`);
  },

  topic(event, session) {
    const known = state.rooms.get(nameKey(event.room));
    if (known) known.topic = event.text;
    const text = event.text ? `set the topic: ${printable(event.text)}` : 'cleared the topic';
    state.add(room(event), notice(session, event.by, text));
    state.emit('rooms');
  },

  'room-made': ({ room: made }) => {
    const key = nameKey(made.name);
    state.rooms.set(key, { ...state.rooms.get(key), ...made });
    state.emit('rooms');
  },

  'room-deleted': (event, session) => {
    const name = event.name ?? event.room?.name;
    state.rooms.delete(nameKey(name));
    const conversation = state.conversations.get(`room/${nameKey(name)}`);
    if (conversation?.entered) session.gone(conversation);
    if (conversation) state.tell(`The room ${name} was deleted.`, conversation);
    state.emit('rooms');
  },

  activity({ rooms }, session) {
    // The first after asking tells of all rooms: what was said before this browser's first visit is not unread.
    const isFirst = !session.isWatching;
    session.isWatching = true;
    for (const told of rooms) counted(told, isFirst);
    browser.set('read', state.read);
    state.emit('rooms');
    state.emit('unread');
  },

  avatar({ name, avatar }) {
    if (avatar) state.avatars.set(nameKey(name), avatar);
    else state.avatars.delete(nameKey(name));
    state.emit('avatars');
  },

  notice(event, session) {
    state.tell(event.text, event.room ? room(event) : state.current);
    session.learnMembersSoon();
  },

  idle(_, session) {
    session.request('ping').catch(() => {});
  },

  'server-stopping': () => {},
  reach() {},
};

function notice(session, from, text, fields = {}) {
  return makeItem({ what: 'notice', from, text, at: session.now(), ...fields });
}

/** Somebody came to a room, or went. */
function happened(event, text, session) {
  const conversation = room(event);
  const { isLobby } = conversation;
  const person = state.person(event.name);
  if (person && text === 'joined') person.room ??= conversation.name;
  const at = event.at ? parseTime(event.at) : session.now();
  state.add(conversation, notice(session, event.name, text, { at, isLobby, key: keyOf(event, isLobby), isLive: true }));
  if (conversation !== state.current) return;
  state.emit('people');
  session.learnMembersSoon();
}

/** Somebody said something, or offers a file. */
function said(conversation, what, event, session) {
  const own = event.own === true || (conversation.kind === 'room' && state.isMe(event.from));
  const at = event.at ? parseTime(event.at) : session.now();
  const saidAt = event.said_at ? parseTime(event.said_at) : at;
  const item = makeItem({ ...what, from: event.from, at, saidAt, own, key: keyOf(event, conversation.isLobby), isLive: true });
  if (!state.add(conversation, item) || own) return;
  const isForMe = conversation.kind !== 'room' || mentions(item.text, state.me);
  if (conversation === state.current && state.isLooking) {
    state.markRead(conversation);
  } else {
    conversation.unread += 1;
    if (isForMe) conversation.mentions += 1;
    state.emit('unread');
  }
  session.dispatchEvent(new CustomEvent('news', { detail: { conversation, item, isForMe } }));
}

/** What happens in a room of the server, also where I am not: how many are there, and what I have not read. */
function counted({ room: name, members, total = 0 }, isFirst) {
  const key = nameKey(name);
  const known = state.rooms.get(key) ?? { name };
  state.rooms.set(key, { ...known, members, last: total });
  const conversation = state.conversations.get(`room/${key}`);
  state.read[key] ??= isFirst ? total : 0;
  // A server that began anew counts from the beginning.
  state.read[key] = Math.min(state.read[key], total);
  if (conversation === state.current && state.isLooking && conversation) state.markRead(conversation);
  else state.conversation('room', name).unread = Math.max(0, total - state.read[key]);
}
