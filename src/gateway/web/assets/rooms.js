// <crds-rooms>: where one can talk, how many are there, and what was not read.

import { avatar } from './avatar.js';
import { conversationId } from './conversation.js';
import { fill, h, icon, iconButton, perFrame } from './dom.js';
import { unsentIn } from './outbox.js';
import { addressOf } from './route.js';
import { session } from './session.js';
import { state } from './state.js';
import { counted, nameKey, printable } from './text.js';

/** The forms come when they are first wanted. */
const dialog = (name) => async () => (await import('./dialogs.js'))[name]();

/** With more rooms than this there is a field to find one. */
const FIND_FROM = 12;

class Rooms extends HTMLElement {
  connectedCallback() {
    this.rooms = h('ul', { role: 'list' });
    this.groups = h('ul', { role: 'list' });
    this.people = h('ul', { role: 'list' });
    this.peoplePart = section('People', this.people);
    this.find = h('input', { type: 'search', placeholder: 'Find a room', 'aria-label': 'Find a room', hidden: true });
    this.me = h('footer.me');
    const logo = h('span.logo', { 'aria-hidden': 'true' }, h('i'), h('i'));
    this.append(
      h('header', {}, logo, h('strong', {}, 'crds'), h('span.quiet.host', { title: 'This server' }, location.host)),
      h('div.lists', {}, section('Rooms', this.rooms, iconButton('plus', 'Make a room', dialog('makeRoom')), this.find), section('Groups', this.groups, iconButton('plus', 'Make a group', dialog('makeGroup'))), this.peoplePart),
      this.me,
    );
    const render = perFrame(() => this.#render());
    this.find.addEventListener('input', render);
    state.on('rooms groups people current unread phase items', render);
    this.#render();
  }

  #render() {
    const wanted = nameKey(this.find.value);
    const rooms = [...state.rooms.values()];
    this.find.hidden = rooms.length < FIND_FROM;
    const order = (a, b) => (b.name === 'lobby') - (a.name === 'lobby') || a.name.localeCompare(b.name);
    const shown = rooms.filter(({ name }) => nameKey(name).includes(wanted)).sort(order);
    fill(this.rooms, shown.map((room) => entry('room', room.name, icon('room'), room)));
    const groups = [...state.groups.values()].map(({ name }) => entry('group', name, icon('group')));
    fill(this.groups, groups.length ? groups : [h('li.quiet.hint', {}, 'Only those you choose hear a group.')]);
    const talks = [...state.conversations.values()].filter((talk) => talk.kind === 'person' && (talk.items.length > 0 || talk === state.current));
    this.peoplePart.hidden = talks.length === 0;
    fill(this.people, talks.map(({ name }) => entry('person', name, person(name))));
    this.#renderMe();
  }

  #renderMe() {
    if (this.shown === state.me) return;
    this.shown = state.me;
    const name = h('bdi', {}, printable(state.me));
    const open = h('button.self', { type: 'button', title: 'Name, picture and more', onclick: dialog('profile') }, avatar(state.me), h('span', {}, name, h('small', {}, 'Name and picture')));
    const quit = h('button.quit', { type: 'button', title: 'Quit: go offline', onclick: () => (unsentIn().size > 0 ? dialog('quit')() : session.quit()) }, icon('quit'), h('span', {}, 'Quit'));
    this.me.replaceChildren(open, quit);
  }
}

function section(title, list, ...more) {
  const [button, ...rest] = more;
  return h('section', { 'aria-label': title }, h('div.section-head', {}, h('h2', {}, title), button), ...rest, list);
}

function person(name) {
  return h('span.person', {}, avatar(name), h('i.presence', { 'data-online': String(Boolean(state.person(name))) }));
}

function entry(kind, name, mark, room = {}) {
  const talk = state.conversations.get(conversationId(kind, name));
  const { unread = 0, mentions = 0 } = talk ?? {};
  const isHere = talk !== undefined && talk === state.current;
  const badge = unread ? h(mentions ? 'span.badge.for-me' : 'span.badge', {}, unread > 99 ? '99+' : String(unread), h('span.visually-hidden', {}, ' unread')) : null;
  const members = room.members > 0 && !unread ? h('span.count', { title: `${counted(room.members, 'member')} there` }, String(room.members), h('span.visually-hidden', {}, ' there')) : null;
  const topic = room.topic ? h('small', { dir: 'auto' }, printable(room.topic)) : null;
  const inIt = kind === 'room' && talk?.entered && !isHere ? h('i.in-it', { title: 'You are in this room' }, h('span.visually-hidden', {}, 'you are in it')) : null;
  const waits = unsentIn().has(talk) && !isHere ? h('i.waits', { title: 'What you wrote there is not sent yet' }, icon('clock'), h('span.visually-hidden', {}, ' not all sent')) : null;
  const words = h('span.entry-words', {}, h('bdi', {}, printable(name)), topic);
  const props = { href: addressOf(kind, name), 'aria-current': isHere ? 'page' : undefined };
  return h('li', {}, h(unread ? 'a.entry.unread' : 'a.entry', props, mark, words, waits, inIt, members, badge));
}

customElements.define('crds-rooms', Rooms);
