// <crds-people>: who is here, by which way, and who is elsewhere.

import { avatar, coloredName } from './avatar.js';
import { fill, h, icon, iconButton, perFrame } from './dom.js';
import { laidOver } from './layer.js';
import { addressOf, goToAddress } from './route.js';
import { session } from './session.js';
import { state } from './state.js';
import { nameKey, printable } from './text.js';

const WAYS = {
  multicast: ['wave', 'by multicast: straight from machine to machine'],
  relay: ['relay', 'by the server’s relay'],
};
const isWide = matchMedia('(min-width: 1080px)');

class People extends HTMLElement {
  /** What is to be called when it is closed, while it lies over the talk. */
  #closed = null;

  connectedCallback() {
    this.hidden = !isWide.matches;
    isWide.addEventListener('change', () => this.#open(isWide.matches));
    this.here = h('ul', { role: 'list' });
    this.elsewhere = h('ul', { role: 'list' });
    this.hereTitle = h('h2');
    this.elsewhereTitle = h('h2');
    this.close = iconButton('close', 'Close', () => this.#open(false));
    this.append(h('header', {}, this.hereTitle, this.close), this.here, this.elsewhereTitle, this.elsewhere);
    this.addEventListener('keydown', (event) => event.key === 'Escape' && !isWide.matches && this.#open(false));
    this.addEventListener('click', (event) => this.#click(event));
    const render = perFrame(() => this.#render());
    state.on('people members current groups avatars', render);
    this.#render();
  }

  toggle() {
    this.#open(this.hidden);
    if (!this.hidden && !isWide.matches) this.close.focus();
  }

  #click(event) {
    const link = event.target.closest('a');
    if (!link || isWide.matches) return;
    event.preventDefault();
    goToAddress(link.hash);
    this.#open(false);
  }

  #open(open) {
    if (open && this.hidden && !isWide.matches) this.#closed = laidOver(() => this.#open(false));
    this.hidden = !open;
    if (!open) {
      this.#closed?.();
      this.#closed = null;
      return;
    }
    this.#render();
    if (state.phase === 'in') session.learnPeople().catch(() => {});
  }

  #render() {
    if (this.hidden) return;
    const here = this.#whoIsHere();
    const keys = new Set(here.map(({ name }) => nameKey(name)));
    const elsewhere = [...state.people.values()].filter(({ name }) => !keys.has(nameKey(name)));
    this.hereTitle.textContent = `Here · ${here.length}`;
    this.elsewhereTitle.textContent = `Elsewhere · ${elsewhere.length}`;
    this.elsewhereTitle.hidden = elsewhere.length === 0;
    fill(this.here, here.map((person) => entry(person)));
    fill(this.elsewhere, elsewhere.map((person) => entry({ ...person, via: undefined }, where(person))));
  }

  #whoIsHere() {
    const { current, members } = state;
    if (!current) return [];
    const byName = (a, b) => a.name.localeCompare(b.name);
    if (current.kind === 'person') return [state.person(current.name), state.person(state.me)].filter(Boolean);
    if (current.kind === 'group') {
      return (state.groups.get(nameKey(current.name))?.members ?? []).map((name) => ({ away: undefined, ...state.person(name), name })).sort(byName);
    }
    const known = members ?? [...state.people.values()].filter(({ room }) => nameKey(room ?? '') === nameKey(current.name));
    return known.map((member) => ({ ...state.person(member.name), ...member })).sort(byName);
  }
}

function where({ room, away }) {
  if (away) return `Away: ${printable(away)}`;
  return room ? `in ${printable(room)}` : 'online';
}

function entry(person, told) {
  const { name, via, away } = person;
  const isMe = person.own || state.isMe(name);
  const [mark, way] = WAYS[via] ?? [];
  const said = told ?? (away ? `Away: ${printable(away)}` : via && (via === 'multicast' ? 'multicast' : 'relay'));
  const words = h('span.entry-words', {}, h('span', {}, coloredName(name), isMe ? ' (you)' : ''), said ? h('small', { dir: 'auto' }, said) : null);
  const badge = mark ? h('span.via', { title: `Takes part ${way}` }, icon(mark)) : null;
  const inside = [avatar(name), words, badge];
  if (isMe) return h('li', {}, h('div.entry', {}, ...inside));
  return h('li', {}, h('a.entry', { href: addressOf('person', name), title: `Write to ${printable(name)} alone` }, ...inside));
}

customElements.define('crds-people', People);
