// <crds-head>: what the conversation on the screen is, and what can be done with it.

import { avatar } from './avatar.js';
import { h, icon, iconButton, perFrame } from './dom.js';
import { session } from './session.js';
import { state } from './state.js';
import { counted, nameKey, printable } from './text.js';

/** The forms come when they are first wanted. */
const dialog = async (name, ...subject) => (await import('./dialogs.js'))[name](...subject);
const search = async (conversation) => (await import('./search.js')).openSearch(conversation);

class Head extends HTMLElement {
  connectedCallback() {
    const render = perFrame(() => this.#render());
    state.on('current rooms people groups members', render);
    this.back = h('a.icon-button.back', { href: '#/', 'aria-label': 'All rooms', title: 'All rooms' }, icon('back'));
    this.mark = h('span.head-mark');
    this.titles = h('div.titles');
    this.actions = h('div.actions');
    this.append(this.back, this.mark, this.titles, this.actions);
    this.#render();
  }

  #render() {
    const { current } = state;
    if (!current) return;
    const { kind, name } = current;
    this.mark.replaceChildren(kind === 'person' ? avatar(name) : icon(kind === 'group' ? 'group' : 'room'));
    this.titles.replaceChildren(h('h1', {}, h('bdi', {}, printable(name))), h('p', { dir: 'auto' }, this.#subtitle(current)));
    const key = `${current.id} ${current.entered} ${state.hasRoom(name)}`;
    if (this.shown === key) return;
    this.shown = key;
    this.actions.replaceChildren(...this.#buttons(current));
  }

  #subtitle({ kind, name }) {
    if (kind === 'person') {
      const person = state.person(name);
      if (!person) return 'Not online';
      return person.away ? `Away: ${printable(person.away)}` : 'Online · only you two see this';
    }
    if (kind === 'group') return (state.groups.get(nameKey(name))?.members ?? []).map(printable).join(', ') || 'No group any more';
    if (!state.hasRoom(name)) return 'No room any more';
    const { topic, members } = state.rooms.get(nameKey(name)) ?? {};
    const there = state.members?.length ?? members;
    const count = there ? counted(there, 'member') : '';
    return [topic && printable(topic), count].filter(Boolean).join(' · ') || (nameKey(name) === 'lobby' ? 'Everyone on this server' : 'Room');
  }

  #buttons(current) {
    const { kind, name, isLobby, entered } = current;
    const buttons = [];
    if (kind === 'room') {
      buttons.push(iconButton('search', 'Search', () => search(current)));
    }
    if (kind === 'group') {
      buttons.push(iconButton('trash', 'Delete this group', () => dialog('deleteGroup', name)));
      buttons.push(leaveButton(`Leave the group ${printable(name)}`, () => session.ask('group-leave', { group: name }).then(() => session.learnGroups())));
    }
    if (kind === 'room' && entered) buttons.push(leaveButton(`Leave ${printable(name)}`, () => session.leave(current)));
    if (kind === 'room' && !isLobby && state.hasRoom(name)) buttons.push(...menu('More', [['edit', 'Set the topic…', () => dialog('setTopic', name)], ['trash', 'Delete this room…', () => dialog('deleteRoom', name)]]));
    buttons.push(iconButton('people', 'Who is here', () => document.querySelector('crds-people').toggle()));
    return buttons;
  }
}

function leaveButton(label, onclick) {
  return h('button.leave', { type: 'button', 'aria-label': label, title: label, onclick }, icon('leave'), h('span', {}, 'Leave'));
}

/** A button and what opens under it. */
function menu(label, entries) {
  const list = h('div.menu', { popover: 'auto', id: 'head-menu' });
  for (const [mark, words, onclick] of entries) {
    const choose = () => {
      list.hidePopover();
      onclick();
    };
    list.append(h('button', { type: 'button', onclick: choose }, icon(mark), words));
  }
  const button = iconButton('more', label, () => {}, { popovertarget: 'head-menu', 'aria-haspopup': 'true' });
  list.addEventListener('toggle', () => {
    const { bottom, right } = button.getBoundingClientRect();
    list.style.top = `${bottom + 4}px`;
    list.style.right = `${document.documentElement.clientWidth - right}px`;
    list.querySelector('button').focus();
  });
  return [button, list];
}

customElements.define('crds-head', Head);
