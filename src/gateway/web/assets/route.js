// The part of the address behind `#` says what is on the screen, so that the browser's back button works.

import { isOver } from './layer.js';
import { session } from './session.js';
import { state } from './state.js';

const KINDS = { room: 'room', with: 'person', group: 'group' };
const WORDS = { room: 'room', person: 'with', group: 'group' };

/** The address of a conversation within the page. */
export function addressOf(kind, name) {
  return `#/${WORDS[kind]}/${encodeURIComponent(name)}`;
}

export function goTo(kind, name) {
  goToAddress(addressOf(kind, name));
}

/** What lies over the talk gives its place in the history to where it leads. */
export function goToAddress(address) {
  if (!isOver()) {
    location.hash = address;
    return;
  }
  history.replaceState(null, '', address);
  follow();
}

function parse(hash) {
  const [, word, name] = /^#\/(room|with|group)\/(.+)$/.exec(hash) ?? [];
  if (!word) return null;
  try {
    return { kind: KINDS[word], name: decodeURIComponent(name) };
  } catch {
    return null;
  }
}

/** Follows the address. Without one: the list of rooms on a phone, the lobby elsewhere. */
export function follow() {
  const place = parse(location.hash);
  document.body.dataset.pane = place ? 'talk' : 'rooms';
  if (state.phase !== 'in') return;
  if (place) session.show(place.kind, place.name);
  else if (!state.current) session.show('room', 'lobby');
}

addEventListener('hashchange', follow);
