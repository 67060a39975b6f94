// <crds-banner>: the server is away. And <crds-toasts>: what only this person is told.

import { h, icon, iconButton } from './dom.js';
import { unsentIn } from './outbox.js';
import { session } from './session.js';
import { state } from './state.js';
import { printable } from './text.js';

const TOAST_MS = 7000;
const TOASTS_MAX = 4;
/** A hiccup shorter than this is not worth a banner. */
const PATIENCE_MS = 700;

class Banner extends HTMLElement {
  #ticking = 0;
  #shows = 0;

  connectedCallback() {
    this.setAttribute('role', 'status');
    this.hidden = true;
    this.words = h('span');
    const again = h('button.small', { type: 'button', onclick: () => session.link.tryNow() }, 'Try now');
    this.append(icon('warn'), h('span.banner-words', {}, h('b', {}, 'The server is away.'), ' ', this.words), this.wait = h('span.wait', { 'aria-hidden': 'true' }), again);
    state.on('link', () => this.#render());
    state.on('items current', () => !this.hidden && this.#tell());
  }

  #render() {
    clearInterval(this.#ticking);
    if (state.isOnline) {
      clearTimeout(this.#shows);
      this.#shows = 0;
      this.hidden = true;
      return;
    }
    this.#shows ||= setTimeout(() => {
      this.hidden = state.isOnline;
      this.#tell();
    }, PATIENCE_MS);
    this.#tell();
    this.#ticking = setInterval(() => this.#count(), 1000);
    this.#count();
  }

  #tell() {
    const unsent = [...unsentIn()];
    let words = unsent.length ? 'What you wrote is kept, and is sent when it is back.' : 'You can go on writing: it is sent when it is back.';
    // One is in one room of the directory at a time.
    if (unsent.some((talk) => talk.kind === 'room' && !session.comesBackTo(talk))) words = 'What you wrote is kept, and is sent when you are in its room again.';
    if (this.words.textContent !== words) this.words.textContent = words;
  }

  #count() {
    const seconds = Math.ceil((state.retryAt - Date.now()) / 1000);
    this.wait.textContent = seconds > 1 ? `Next try in ${seconds} s` : 'Trying…';
  }
}

customElements.define('crds-banner', Banner);

class Toasts extends HTMLElement {
  connectedCallback() {
    this.setAttribute('role', 'status');
    state.on('told', ({ text }) => this.#show(text));
  }

  #show(text) {
    const toast = h('div.toast', {}, h('span', { dir: 'auto' }, printable(text)), iconButton('close', 'Close', () => toast.remove()));
    this.append(toast);
    while (this.childElementCount > TOASTS_MAX) this.firstChild.remove();
    setTimeout(() => toast.remove(), TOAST_MS);
  }
}

customElements.define('crds-toasts', Toasts);
