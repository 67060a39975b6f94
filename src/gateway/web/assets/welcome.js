// <crds-welcome>: the first page. Who am I, and who is there?

import { avatar } from './avatar.js';
import { h, perFrame } from './dom.js';
import { pictureChooser } from './picture.js';
import { session } from './session.js';
import { state } from './state.js';
import { counted, printable } from './text.js';
import { putAvatar } from './upload.js';

const FACES_MAX = 8;

class Welcome extends HTMLElement {
  #picture = null;

  connectedCallback() {
    this.name = h('input', { id: 'name', name: 'name', required: true, maxlength: 32, autocomplete: 'nickname', spellcheck: 'false', autocapitalize: 'words', value: state.me, placeholder: 'How others call you' });
    this.face = avatar(state.me);
    this.problem = h('p.problem', { role: 'alert' });
    this.go = h('button.primary', { type: 'submit' }, 'Come in');
    this.there = h('div.there');
    const chooser = pictureChooser(this.face, (picture) => (this.#picture = picture));
    const form = h('form', {}, h('div.face', {}, this.face, chooser), h('label.field', { for: 'name' }, h('span', {}, 'Your name')), this.name, this.problem, this.go);
    const logo = h('div.logo', { 'aria-hidden': 'true' }, h('i'), h('i'));
    this.append(h('div.welcome-card', {}, logo, h('h1', {}, 'crds'), h('p.lead', {}, 'A place to talk, for everyone on this network.'), form, this.there));
    this.name.addEventListener('input', () => {
      if (!this.#picture) this.face.setAttribute('name', this.name.value.trim());
      this.problem.textContent = '';
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#comeIn();
    });
    state.on('phase', (problem) => problem && (this.problem.textContent = problem));
    state.on('people link avatars', perFrame(() => this.#whoIsThere()));
    this.name.focus();
  }

  async #comeIn() {
    this.go.disabled = true;
    this.problem.textContent = '';
    try {
      await session.comeIn(this.name.value.trim());
    } catch (error) {
      this.problem.textContent = error.message;
      this.name.select();
    }
    this.go.disabled = false;
    if (!this.#picture || state.phase !== 'in') return;
    const picture = this.#picture;
    this.#picture = null;
    await putAvatar(picture, session.token).catch((error) => state.tell(`Your picture was not taken: ${error.message}`));
  }

  #whoIsThere() {
    if (!state.isOnline) {
      this.there.replaceChildren(h('p.quiet', {}, 'Looking for the server…'));
      return;
    }
    const people = [...state.people.values()].filter(({ name }) => !state.isMe(name));
    if (people.length === 0) {
      this.there.replaceChildren(h('p.quiet', {}, 'Nobody else is here yet.'));
      return;
    }
    const faces = people.slice(0, FACES_MAX).map(({ name }) => avatar(name));
    const names = people.slice(0, 3).map(({ name }) => printable(name)).join(', ');
    const more = people.length > 3 ? ` and ${counted(people.length - 3, 'other')}` : '';
    this.there.replaceChildren(h('div.faces', {}, ...faces), h('p.quiet', { dir: 'auto' }, `${names}${more} ${people.length === 1 ? 'is' : 'are'} here`));
  }
}

customElements.define('crds-welcome', Welcome);
