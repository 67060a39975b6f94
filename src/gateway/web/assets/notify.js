// Telling somebody who looks elsewhere: the count in the title, and the desktop's own notes where the browser lets us.

import { browser } from './memory.js';
import { goTo } from './route.js';
import { session } from './session.js';
import { state } from './state.js';
import { printable } from './text.js';

const TEXT_MAX = 160;

/** A page that came by plain http from another machine has no right to notifications. */
export function canNotify() {
  return 'Notification' in globalThis && isSecureContext && Notification.permission !== 'denied';
}

export async function askToNotify() {
  const answer = await Notification.requestPermission();
  browser.set('notify', answer === 'granted');
  state.tell(answer === 'granted' ? 'You are told when somebody says your name.' : 'Your browser does not allow it.');
}

function note({ conversation, item, isForMe }) {
  if (!isForMe || (state.isLooking && conversation === state.current)) return;
  if (!canNotify() || Notification.permission !== 'granted' || !browser.get('notify')) return;
  const where = conversation.kind === 'person' ? '' : ` in ${printable(conversation.name)}`;
  const body = item.file ? printable(item.file.name) : printable(item.text).slice(0, TEXT_MAX);
  try {
    const shown = new Notification(`${printable(item.from)}${where}`, { body, tag: conversation.id, icon: '/assets/icon.svg' });
    shown.addEventListener('click', () => {
      focus();
      goTo(conversation.kind, conversation.name);
      shown.close();
    });
  } catch {
    // Some phones have the name but not the thing.
  }
}

/** `(2) lobby · crds`: so many lines speak to me; a dot for lines that do not. */
function title() {
  let forMe = 0;
  let unread = false;
  for (const { mentions, unread: lines } of state.conversations.values()) {
    forMe += mentions;
    unread ||= lines > 0;
  }
  const mark = forMe ? `(${forMe}) ` : unread ? '• ' : '';
  const where = state.phase === 'in' && state.current ? `${printable(state.current.name)} · ` : '';
  document.title = `${mark}${where}crds`;
}

export function startNotifying() {
  session.addEventListener('news', ({ detail }) => note(detail));
  state.on('unread current phase rooms', title);
  const looked = () => {
    if (state.isLooking && state.current) state.markRead(state.current);
  };
  addEventListener('focus', looked);
  document.addEventListener('visibilitychange', looked);
}
