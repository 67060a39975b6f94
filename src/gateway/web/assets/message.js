// One line of the talk, and its small print.

import { coloredName } from './avatar.js';
import { h, icon } from './dom.js';
import { fileCard } from './files.js';
import { sendAgain, withdraw } from './outbox.js';
import { state } from './state.js';
import { counted, isOnlyEmoji, mentions, nameKey, printable, printableLines, segments } from './text.js';
import { clockTime, wholeTime } from './time.js';

/** A text with its links and names, as nodes. */
export function richText(text) {
  return segments(text, isKnownName).map((part) => {
    if (part.href) return h('a', { href: part.href, target: '_blank', rel: 'noopener noreferrer nofollow' }, part.text);
    if (part.name) return h(state.isMe(part.name) ? 'mark.mention' : 'span.mention', {}, part.text);
    return part.text;
  });
}

function isKnownName(word) {
  if (word.startsWith('@')) return state.people.has(nameKey(word.slice(1))) || state.isMe(word.slice(1));
  return word.length > 2 && state.isMe(word);
}

/** Whether it went out, and to whom it came. */
function mark(item, conversation) {
  if (!item.own) return null;
  const { delivered } = item;
  let [name, label] = ['check', 'At the server'];
  let rest = '';
  if (conversation.kind !== 'room') label = 'Sent';
  if (item.state === 'sending') [name, label] = ['clock', 'Not sent yet'];
  else if (item.state === 'failed') [name, label] = ['warn', 'Not sent'];
  else if (delivered?.of > 0) {
    const all = delivered.by >= delivered.of;
    [name, label] = [all ? 'checks' : 'check', all ? `Delivered to all ${delivered.of}` : `Delivered to ${delivered.by} of ${delivered.of}`];
    if (!all) rest = `${delivered.by}/${delivered.of}`;
  }
  return h(`span.mark.mark-${name}`, { role: 'img', 'aria-label': label, title: label }, rest, icon(name));
}

function meta(item, conversation) {
  const time = h('time', { datetime: new Date(item.at).toISOString(), title: wholeTime(item.at) }, clockTime(item.at));
  return h('span.meta', {}, time, mark(item, conversation));
}

function failure(item, conversation) {
  const again = h('button.small', { type: 'button', onclick: () => sendAgain(conversation, item) }, 'Try again');
  const remove = h('button.small.plain', { type: 'button', onclick: () => withdraw(conversation, item) }, 'Remove');
  return h('div.failure', { role: 'alert' }, h('span', {}, printable(item.error)), again, remove);
}

/** The node of a message; `update` is called on it when the item has changed. */
export function messageNode(item, conversation) {
  const node = h('div.bubble', { tabindex: -1 });
  let card = null;
  const render = () => {
    node.dataset.state = item.state;
    const isForMe = !item.own && item.text && mentions(item.text, state.me);
    node.classList.toggle('for-me', Boolean(isForMe));
    if (item.what === 'file') {
      card ??= fileCard(conversation, item);
      if (card.isConnected) card.update();
      node.classList.add('has-file');
      for (const child of [...node.children]) if (child !== card) child.remove();
      if (!card.isConnected) node.append(card);
      node.append(meta(item, conversation));
      return;
    }
    node.replaceChildren(...body(item), meta(item, conversation), ...(item.state === 'failed' ? [failure(item, conversation)] : []));
    node.classList.toggle('only-emoji', isOnlyEmoji(item.text));
    node.classList.toggle('action-line', item.text.startsWith('/me '));
  };
  node.update = render;
  render();
  return node;
}

function body(item) {
  const text = printableLines(item.text);
  if (text.startsWith('/me ')) {
    return [h('span.text.action', { dir: 'auto' }, coloredName(item.from), ' ', ...richText(text.slice(4)))];
  }
  return [h('span.text', { dir: 'auto' }, ...richText(text))];
}

const HAPPENED_SHOWN = 4;

/** What remains of comings and goings: who left and joined again is back. */
function settled(items) {
  const moves = (item) => ['joined', 'left'].includes(item.text);
  const kept = [];
  for (const item of items) {
    const before = kept.findLastIndex((other) => nameKey(other.from) === nameKey(item.from) && /^(joined|left|came)/.test(other.text));
    if (!moves(item) || before < 0) {
      kept.push(item);
      continue;
    }
    const cameFirst = ['joined', 'came and went'].includes(kept[before].text);
    const text = item.text === 'left' ? (cameFirst ? 'came and went' : 'left') : cameFirst ? 'joined' : 'came back';
    kept.splice(before, 1);
    kept.push({ ...item, text });
  }
  return kept;
}

/** What happened, in one line: `Ana, Mel joined · Lou left`. */
export function noticeSummary(items) {
  const byText = new Map();
  for (const { from, text } of settled(items)) {
    if (!byText.has(text)) byText.set(text, new Map());
    byText.get(text).set(nameKey(from), from);
  }
  const parts = [];
  for (const [text, names] of [...byText].slice(0, HAPPENED_SHOWN)) {
    if (parts.length) parts.push(' · ');
    const shown = [...names.values()];
    shown.slice(0, 3).forEach((name, i) => parts.push(i ? ', ' : '', h('bdi', {}, printable(name))));
    if (shown.length > 3) parts.push(` and ${counted(shown.length - 3, 'other')}`);
    parts.push(` ${printable(text)}`);
  }
  if (byText.size > HAPPENED_SHOWN) parts.push(' · …');
  return parts;
}

export function noticeNode(item) {
  const time = h('time', { datetime: new Date(item.at).toISOString(), title: wholeTime(item.at) }, clockTime(item.at));
  return h('li', {}, h('bdi', {}, printable(item.from)), ` ${printable(item.text)} `, time);
}
