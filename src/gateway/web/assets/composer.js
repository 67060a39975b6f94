// <crds-composer>: where one writes, and what goes along.

import { completion } from './completion.js';
import { fill, h, icon, iconButton, perFrame } from './dom.js';
import { draftIn, keepDraft } from './drafts.js';
import { sendFile, sendText } from './outbox.js';
import { session } from './session.js';
import { state } from './state.js';
import { printable, size } from './text.js';

/** The most that one message may have. */
const TEXT_MAX_BYTES = 65_536;
const AWAY = /^\/away(\s|$)/;
/** What the terminal would do and not say; `/me waves` is said here as there. */
const COMMAND = /^\/(?!me\s)[a-z]+(\s|$)/i;

class Composer extends HTMLElement {
  /** What is chosen to be sent, in each conversation. */
  #chosen = new Map();
  #conversation = null;

  get #files() {
    return this.#chosen.get(this.#conversation) ?? [];
  }

  set #files(files) {
    this.#chosen.set(this.#conversation, files);
    this.#renderTray();
  }

  connectedCallback() {
    this.text = h('textarea', { rows: 1, 'aria-label': 'Message', placeholder: 'Write…', enterkeyhint: 'send', autocomplete: 'off' });
    this.picker = h('input.visually-hidden', { type: 'file', multiple: true, tabindex: -1, 'aria-label': 'Choose files' });
    this.attach = iconButton('attach', 'Send a picture or file', () => this.picker.click());
    this.send = iconButton('send', 'Send', () => this.#send(), { class: 'icon-button send', disabled: true });
    this.hint = h('p.hint', { role: 'status' });
    this.tray = h('ul.tray', { role: 'list', 'aria-label': 'To be sent', hidden: true });
    this.join = h('div.join', { hidden: true });
    this.form = h('div.writing', {}, this.attach, this.picker, this.text, this.send);
    this.completion = completion(this.text, () => this.#changed());
    this.append(this.join, this.hint, this.tray, this.completion, this.form);
    this.text.addEventListener('input', () => this.#changed());
    this.text.addEventListener('keydown', (event) => this.#key(event));
    this.text.addEventListener('paste', (event) => this.#take(event, event.clipboardData));
    this.picker.addEventListener('change', () => {
      this.#add([...this.picker.files]);
      this.picker.value = '';
    });
    this.#dropZone(this.closest('.talk'));
    const render = perFrame(() => this.#render());
    state.on('current link', () => {
      this.#open();
      render();
    });
    state.on('rooms', render);
    this.#open();
    this.#render();
  }

  /** What was begun here before is there again. */
  #open() {
    if (this.#conversation === state.current) return;
    this.#conversation = state.current;
    this.text.value = state.current ? draftIn(state.current) : '';
    this.#renderTray();
    this.#changed();
    this.#focus();
  }

  /** Where one would write; on a phone that would cover half of what is said. */
  #focus() {
    if (matchMedia('(hover: hover)').matches && !document.querySelector('dialog[open]')) this.text.focus();
  }

  #render() {
    const { current } = state;
    if (!current) return;
    const { kind, name, left, entered } = current;
    const isOut = kind === 'room' && left && !entered;
    const wasOut = !this.join.hidden;
    const isGone = isOut && !state.hasRoom(name);
    // It can be copied, and no more.
    const isLeftOver = isGone && this.text.value !== '';
    this.form.hidden = isOut && !isLeftOver;
    this.text.readOnly = this.send.hidden = isLeftOver;
    this.join.hidden = !isOut;
    if (isOut) this.#renderJoin(current, isGone, isLeftOver);
    // The button that led here is gone.
    if (isOut && !wasOut && document.activeElement === document.body) this.join.querySelector('button')?.focus();
    if (!isOut && wasOut) this.#focus();
    const to = { room: `Write in ${printable(name)}`, person: `Write to ${printable(name)} alone`, group: `Write to the group ${printable(name)}` }[kind];
    this.text.placeholder = to;
    this.text.setAttribute('aria-label', to);
    this.attach.hidden = kind === 'group' || isLeftOver;
  }

  #renderJoin(current, isGone, isLeftOver) {
    const name = h('bdi', {}, printable(current.name));
    const join = () => {
      current.left = false;
      session.show('room', current.name);
    };
    const button = h('button.primary', { type: 'button', onclick: join }, 'Join it');
    if (!isGone) fill(this.join, [h('span', {}, 'You are not in ', name, '.'), button]);
    else fill(this.join, [h('span', {}, 'There is no room ', name, ' any more.', isLeftOver && ' What you had begun is still here to copy.')]);
  }

  #key(event) {
    if (this.completion.key(event)) return;
    // While a word is being put together from several keys, Enter ends that word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  }

  #changed() {
    const { text } = this;
    if (!CSS.supports('field-sizing', 'content')) {
      text.style.height = 'auto';
      text.style.height = `${text.scrollHeight + 2}px`;
    }
    if (this.#conversation) keepDraft(this.#conversation, text.value);
    this.send.disabled = text.value.trim() === '' && this.#files.length === 0;
    this.completion.update();
    this.#tell();
  }

  /** Says beforehand what would surprise afterwards. */
  #tell() {
    const bytes = new TextEncoder().encode(this.text.value).length;
    const to = this.#whisperTo(this.text.value);
    if (bytes > TEXT_MAX_BYTES) this.hint.textContent = `${size(bytes)} are too much for one message: it is sent as a text file.`;
    else if (to && !to.isOnline) this.hint.replaceChildren('Nobody called ', h('bdi', {}, printable(to.name)), ' is online. Begin with @@ to say it to all.');
    else if (to) this.hint.replaceChildren(icon('lock'), 'Goes to ', h('bdi', {}, printable(to.name)), ' alone. Begin with @@ to say it to all.');
    else this.hint.replaceChildren();
  }

  /** As in the terminal, a line that begins with `@` and a name is for that person alone. */
  #whisperTo(text) {
    if (this.#conversation?.kind !== 'room') return null;
    const [, name, rest] = /^(?:@|\/msg\s+@?)(\S+?)[:,]?\s+([^]*\S[^]*)$/.exec(text) ?? [];
    if (!name || name.startsWith('@') || state.isMe(name)) return null;
    const person = state.person(name);
    return { name: person?.name ?? name, text: rest, isOnline: Boolean(person) };
  }

  #send() {
    const conversation = this.#conversation;
    const text = this.text.value.replace(/\s+$/, '');
    if (!conversation || this.text.readOnly || (text.trim() === '' && this.#files.length === 0)) return;
    // What goes along with words to one person is for that one too.
    const to = this.#whisperTo(text);
    // What was meant for one is never said to all because that one has just gone.
    if (to?.isOnline === false) return;
    if (AWAY.test(text)) {
      this.#away(text);
      return;
    }
    if (!to && COMMAND.test(text)) {
      this.hint.textContent = 'That is a command of the terminal. Begin with // to say it.';
      return;
    }
    if (text.trim() !== '') this.#say(conversation, text);
    const whose = to ? state.conversation('person', to.name) : conversation;
    for (const file of this.#files) sendFile(whose, file);
    this.#files = [];
    this.text.value = '';
    this.#changed();
    this.text.focus();
  }

  /** What the server did not take stays where it was written. */
  async #away(text) {
    if (!(await session.ask('away', { text: text.slice(5).trim() || undefined }))) return;
    session.learnPeople().catch(() => {});
    if (this.text.value.trimEnd() !== text) return;
    this.text.value = '';
    this.#changed();
  }

  #say(conversation, text) {
    const to = this.#whisperTo(text);
    if (new TextEncoder().encode(text).length > TEXT_MAX_BYTES) {
      sendFile(conversation, new File([text], 'message.txt', { type: 'text/plain' }));
    } else if (to) {
      const talk = state.conversation('person', to.name);
      sendText(talk, to.text);
      state.tell(`Sent to ${printable(to.name)} alone.`);
      state.emit('rooms');
    } else {
      sendText(conversation, text.replace(/^(@@|\/\/)/, (twice) => twice[0]));
    }
  }

  #take(event, data) {
    const files = [...(data?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    this.#add(files);
  }

  #add(files) {
    if (this.attach.hidden || this.form.hidden) {
      state.tell('Files go to rooms and to one person, not to groups.');
      return;
    }
    this.#files = [...this.#files, ...files.map(named)];
    this.#changed();
    this.text.focus();
  }

  #renderTray() {
    const forget = (file) => {
      this.#files = this.#files.filter((other) => other !== file);
      this.#changed();
    };
    this.tray.hidden = this.#files.length === 0;
    for (const img of this.tray.querySelectorAll('img')) URL.revokeObjectURL(img.src);
    this.tray.replaceChildren(...this.#files.map((file) => {
      const isPicture = /^image\/(png|jpeg|gif|webp)$/.test(file.type);
      const mark = isPicture ? h('img', { src: URL.createObjectURL(file), alt: '' }) : icon('file');
      const words = h('span', {}, h('bdi', {}, printable(file.name)), h('small', {}, size(file.size)));
      return h('li', {}, mark, words, iconButton('close', `Leave out ${printable(file.name)}`, () => forget(file)));
    }));
  }

  #dropZone(zone) {
    const veil = h('div.drop-veil', { hidden: true }, h('p', {}, icon('attach'), 'Drop it here'));
    zone.append(veil);
    let depth = 0;
    const isFiles = ({ dataTransfer }) => dataTransfer?.types.includes('Files');
    const end = () => {
      depth = 0;
      veil.hidden = true;
    };
    zone.addEventListener('dragenter', (event) => {
      if (!isFiles(event)) return;
      depth += 1;
      veil.hidden = false;
    });
    zone.addEventListener('dragleave', () => depth > 0 && --depth === 0 && end());
    zone.addEventListener('dragover', (event) => isFiles(event) && event.preventDefault());
    zone.addEventListener('drop', (event) => {
      end();
      this.#take(event, event.dataTransfer);
    });
  }
}

/** Pictures from the clipboard all have the same name, or none. */
function named(file) {
  if (file.name && !/^image\.(png|jpe?g)$/.test(file.name)) return file;
  const stamp = new Date().toISOString().slice(0, 19).replace('T', ' ').replaceAll(':', '.');
  return new File([file], `Picture ${stamp}.${file.type.split('/')[1] || 'png'}`, { type: file.type });
}

customElements.define('crds-composer', Composer);
