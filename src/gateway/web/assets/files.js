// <crds-file>: a file in the talk. Pictures are shown, anything else is a card.

import { h, icon, iconButton } from './dom.js';
import { Lost } from './link.js';
import { sendAgain, withdraw } from './outbox.js';
import { session } from './session.js';
import { state } from './state.js';
import { isPictureName, printable, printableLines, size } from './text.js';
import { fileUrl, thumbnailUrl } from './upload.js';

/** How often to ask for a file that is on its way to the server, however long that takes. */
const COMING_EVERY_MS_MAX = 5000;
/** One that was never offered to the server may come yet: so often it is asked for. */
const MISSING_TRIES = 9;
/** Up to here the page fetches a file itself and shows how far it is; larger ones are the browser's own. */
const FETCH_MAX_BYTES = 256 * 1024 * 1024;
/** Texts up to here can be read in the talk; the terminal shows them too. */
const READ_MAX_BYTES = 64 * 1024;
const TEXT_NAME = /\.(txt|md|log|csv|tsv|json|toml|ya?ml|ini|rs|py|js|ts|c|h|cpp|java|sh|tex|html?|css|xml)$/i;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const wholes = new Map();

/** Resolves to whether the server has all of the file, once that is settled. */
function whole(file) {
  if (!wholes.has(file.hash)) {
    const asked = askUntilWhole(file);
    wholes.set(file.hash, asked);
    asked.then((is) => is || wholes.delete(file.hash));
  }
  return wholes.get(file.hash);
}

/** At its end a file has an empty piece: that asks and costs nothing. */
async function askUntilWhole({ hash, size: offset }) {
  let missing = 0;
  for (let tries = 0; ; tries++) {
    try {
      await session.request('get-file', { hash, offset });
      return true;
    } catch (error) {
      if (error.code === 'files-off') return false;
      if (error.code === 'no-such-file' && ++missing === MISSING_TRIES) return false;
      // A server that comes back may not have heard of it yet.
      if (error instanceof Lost) missing = 0;
    }
    await pause(Math.min(250 * 1.4 ** tries, COMING_EVERY_MS_MAX));
  }
}

class FileCard extends HTMLElement {
  item = null;
  conversation = null;
  /** `unknown`, `coming`, `there`, `gone` */
  #presence = 'unknown';
  #isPicture = true;
  #shown = '';

  connectedCallback() {
    this.update();
  }

  update() {
    const { item } = this;
    const key = [item.state, this.#presence, this.#isPicture, item.error].join();
    if (key !== this.#shown) {
      this.#shown = key;
      this.#render();
    }
    const bar = this.querySelector('progress.sending');
    if (bar && item.progress !== null) {
      bar.value = item.progress;
      bar.title = `${Math.round(item.progress * 100)} %`;
    }
  }

  #render() {
    const { item } = this;
    if (item.state === 'there' && item.file.hash && this.#presence === 'unknown') this.#look();
    const asPicture = this.#isPicture && isPictureName(item.file.name);
    this.className = asPicture ? 'as-picture' : 'as-card';
    this.replaceChildren(...(asPicture ? this.#picture() : this.#card()));
  }

  async #look() {
    this.#presence = 'coming';
    this.#presence = (await whole(this.item.file)) ? 'there' : 'gone';
    this.update();
  }

  #picture() {
    const { file, preview } = this.item;
    const name = printable(file.name);
    const src = preview ?? (this.#presence === 'there' ? thumbnailUrl(file) : null);
    if (this.#presence === 'gone' && !preview) return this.#card();
    if (!src) {
      return [h('div.picture.coming', {}, h('span.spinner'), h('span', {}, `${name} is on its way…`))];
    }
    const img = h('img', { src, alt: `Picture: ${name}`, onerror: () => this.#notPicture() });
    const button = h('button.picture', { type: 'button', 'aria-label': `Show picture ${name}`, title: `${name}, ${size(file.size)}` }, img);
    button.addEventListener('click', async () => (await import('./viewer.js')).view(this.conversation, this.item));
    return [button, ...this.#sending()];
  }

  /** Its name says picture, its bytes do not. */
  #notPicture() {
    this.#isPicture = false;
    this.update();
  }

  #card() {
    const { file, state: sent } = this.item;
    const name = printable(file.name);
    const extension = /\.([\p{L}\p{N}]{1,5})$/u.exec(name)?.[1] ?? '';
    const told = { coming: ' · on its way', gone: ' · no longer at the server' }[this.#presence] ?? '';
    const words = h('div.words', {}, h('bdi.file-name', { title: name }, name), h('span.quiet', {}, `${size(file.size)}${sent === 'there' ? told : ''}`));
    const sheet = h('div.sheet', { 'aria-hidden': 'true' }, icon('file'), h('span', {}, extension));
    const isThere = this.#presence === 'there';
    const text = isThere && file.size <= READ_MAX_BYTES && TEXT_NAME.test(name) ? this.#text() : null;
    return [h('div.card', {}, sheet, words, isThere ? this.#download(name) : null), ...(text ? [text] : []), ...this.#sending()];
  }

  /** What a short text says, when that is asked for. */
  #text() {
    const shown = h('pre', { dir: 'auto', tabindex: 0 }, '…');
    const details = h('details.reading', {}, h('summary', {}, 'Show the text'), shown);
    const read = async () => {
      try {
        const response = await fetch(fileUrl(this.item.file));
        shown.textContent = response.ok ? printableLines(await response.text()) : 'The server does not have it (any more).';
      } catch {
        shown.textContent = 'The server is away.';
      }
    };
    details.addEventListener('toggle', read, { once: true });
    return details;
  }

  #sending() {
    const { item, conversation } = this;
    if (item.state === 'there') return [];
    const remove = iconButton('close', item.state === 'failed' ? 'Remove' : 'Cancel', () => withdraw(conversation, item));
    if (item.state === 'failed') {
      const again = h('button.small', { type: 'button', onclick: () => sendAgain(conversation, item) }, 'Try again');
      return [h('div.sending-row.failed', { role: 'alert' }, h('span', {}, item.error), again, remove)];
    }
    const label = `Sending ${printable(item.file.name)}`;
    return [h('div.sending-row', {}, h('progress.sending', { max: 1, value: 0, 'aria-label': label }), remove)];
  }

  #download(name) {
    const { file } = this.item;
    const link = h('a.icon-button', { href: fileUrl(file), download: file.name, 'aria-label': `Download ${name}`, title: 'Download' }, icon('download'));
    link.addEventListener('click', (event) => {
      if (file.size > FETCH_MAX_BYTES) return;
      event.preventDefault();
      this.#fetch(link);
    });
    return link;
  }

  async #fetch(link) {
    if (link.getAttribute('aria-disabled') === 'true') return;
    link.setAttribute('aria-disabled', 'true');
    const { file } = this.item;
    const bar = h('progress', { max: Math.max(file.size, 1), value: 0, 'aria-label': `Fetching ${printable(file.name)}` });
    this.append(bar);
    try {
      const response = await fetch(link.href);
      if (!response.ok) throw new Error(`the server does not have it (any more): ${response.status}`);
      save(await collect(response, (bytes) => (bar.value = bytes)), file.name);
    } catch (error) {
      state.tell(`${printable(file.name)} was not fetched: ${error.message}`);
    }
    bar.remove();
    link.removeAttribute('aria-disabled');
  }
}

async function collect(response, progress) {
  const parts = [];
  let bytes = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    parts.push(value);
    bytes += value.length;
    progress(bytes);
  }
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

customElements.define('crds-file', FileCard);

export function fileCard(conversation, item) {
  const card = document.createElement('crds-file');
  Object.assign(card, { conversation, item });
  return card;
}
