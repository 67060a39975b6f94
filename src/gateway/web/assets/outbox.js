// What is on its way out. Kept until the server has it, across a lost connection and a reload.

import { keyOf, makeItem } from './conversation.js';
import { Lost, Refusal } from './link.js';
import { tab } from './memory.js';
import { session } from './session.js';
import { state } from './state.js';
import { upload } from './upload.js';

/** A line was refused for coming too fast: so much later again. */
const TOO_FAST_MS = 1000;
/** After a server's restart others come back a little later than I. */
const OTHERS_COME_BACK_MS = 15_000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** `{ conversation, item, file? }`, in the order of sending. Files do not hold up lines. */
let lines = [];
let files = [];

function keep() {
  tab.set('unsent', lines.map(({ conversation: { kind, name }, item: { text, saidAt, from } }) => ({ kind, name, text, saidAt, from })));
}

/** Lines of before a reload. */
export function restoreOutbox() {
  for (const { kind, name, ...fields } of tab.get('unsent', [])) {
    put(state.conversation(kind, name), makeItem({ ...fields, own: true, state: 'sending', at: fields.saidAt }), lines);
  }
  session.addEventListener('online', pump);
  session.addEventListener('quit', () => {
    lines = [];
    files = [];
    keep();
  });
  state.on('people', pump);
}

function put(conversation, item, queue, file) {
  queue.push({ conversation, item, file });
  state.add(conversation, item);
  keep();
  pump();
}

export function sendText(conversation, text) {
  const item = makeItem({ text, from: state.me, own: true, state: 'sending', at: session.now(), saidAt: Date.now() });
  put(conversation, item, lines);
}

export function sendFile(conversation, file) {
  const fields = { what: 'file', from: state.me, own: true, state: 'sending', at: session.now(), saidAt: Date.now() };
  const preview = /^image\/(png|jpeg|gif|webp)$/.test(file.type) ? URL.createObjectURL(file) : null;
  put(conversation, makeItem({ ...fields, file: { name: file.name, size: file.size }, preview, progress: 0 }), files, file);
}

export function sendAgain(conversation, item) {
  item.state = 'sending';
  item.error = null;
  const queue = item.file ? files : lines;
  queue.push({ conversation, item, file: item.blob });
  state.changed(conversation, item);
  keep();
  pump();
}

/** Gives it up. */
export function withdraw(conversation, item) {
  lines = lines.filter((entry) => entry.item !== item);
  files = files.filter((entry) => entry.item !== item);
  item.stop?.abort(new Refusal('cancelled', 'cancelled'));
  conversation.remove(item);
  keep();
  state.emit('items', { conversation, how: 'reset' });
}

/** The conversations in which something is not sent yet. */
export function unsentIn() {
  return new Set([...lines, ...files].map(({ conversation }) => conversation));
}

const isQueued = (entry) => lines.includes(entry) || files.includes(entry);

const busy = new Set();

/** Sends what can be sent now. */
function pump() {
  pumpQueue(() => lines, sendLine);
  pumpQueue(() => files, sendFilesTurn);
}

async function pumpQueue(queue, send) {
  if (busy.has(send)) return;
  busy.add(send);
  try {
    let entry;
    while (session.link.isOpen && (entry = queue().find(canGo))) await finish(entry, send);
  } finally {
    busy.delete(send);
  }
}

function canGo({ conversation, item }) {
  if (item.state !== 'sending') return true;
  if (state.phase !== 'in' || !state.isOnline || !conversation.ready) return false;
  if (conversation.kind !== 'person' || state.person(conversation.name)) return true;
  return Date.now() - session.onlineSince > OTHERS_COME_BACK_MS;
}

async function finish(entry, send) {
  const { conversation, item } = entry;
  try {
    // It may have arrived before the connection was lost: the history told.
    if (item.state === 'sending') {
      const answer = await send(entry);
      if (!isQueued(entry)) {
        state.tell(`${item.file.name} was sent already.`, conversation);
        return;
      }
      conversation.confirm(item, keyOf(answer ?? {}, false));
    }
  } catch (error) {
    if (!isQueued(entry)) return;
    if (error instanceof Lost) {
      await pause(50);
      return;
    }
    if (error.code === 'too-fast') {
      await pause(TOO_FAST_MS);
      return;
    }
    item.state = 'failed';
    item.error = error.message;
    item.blob = entry.file;
  }
  lines = lines.filter((other) => other !== entry);
  files = files.filter((other) => other !== entry);
  keep();
  state.changed(conversation, item);
  if (conversation.kind !== 'room') state.keepPrivate();
}

function sendLine({ conversation: { kind, name }, item: { text, saidAt } }) {
  if (kind === 'person') return session.request('whisper', { to: name, text });
  if (kind === 'group') return session.request('group-send', { text: `${name} ${text}` });
  return session.request('say', { room: name, text, said_at: new Date(saidAt).toISOString() });
}

async function sendFilesTurn({ conversation, item, file }) {
  const { kind, name } = conversation;
  if (!item.file.hash) item.file = await bring(conversation, item, file);
  const to = kind === 'person' ? { to: name } : { room: name };
  return session.request('offer-file', { ...to, ...item.file, said_at: new Date(item.saidAt).toISOString() });
}

/** Brings a file to the server. A server that has silently gone would never end that by itself. */
async function bring(conversation, item, file) {
  item.stop = new AbortController();
  const lost = () => item.stop.abort(new Lost('the server is away'));
  const progress = (part) => {
    item.progress = part;
    state.changed(conversation, item);
  };
  session.link.addEventListener('lost', lost);
  try {
    return await upload(file, session.token, progress, item.stop.signal);
  } finally {
    session.link.removeEventListener('lost', lost);
  }
}
