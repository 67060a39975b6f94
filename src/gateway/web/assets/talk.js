// <crds-talk>: what is said in the conversation on the screen.

import { avatar, coloredName } from './avatar.js';
import { h, icon, perFrame } from './dom.js';
import { messageNode, noticeNode, noticeSummary } from './message.js';
import { session } from './session.js';
import { state } from './state.js';
import { counted, nameKey, printable } from './text.js';
import { dayName, dayOf } from './time.js';

/** Lines of one person within this time stand together. */
const RUN_MS = 5 * 60_000;
/** Nearer to the end than this, the talk follows what is new. */
const END_PX = 80;
/** Nearer to the beginning than this, older lines come. */
const OLDER_PX = 500;
/** As many lines are read out at most, of a burst. */
const SPOKEN_MAX = 5;

/** `/me waves`, which has the name in it. */
const isAction = ({ text }) => text.startsWith('/me ');

class Talk extends HTMLElement {
  #nodes = new Map();
  #conversation = null;
  #follows = true;
  /** A line further back is looked for. */
  #seeks = false;
  #missed = 0;
  /** How high everything was, and where the view, when the talk was last brought to its end, or scrolled. */
  #height = 0;
  #top = 0;
  /** The last block, and what stands in it. */
  #last = null;

  connectedCallback() {
    this.list = h('ol.lines', { role: 'list' });
    this.top = h('div.top');
    this.scroller = h('div.scroller', { tabindex: 0, role: 'region', 'aria-label': 'Talk' }, this.top, this.list);
    this.jump = h('button.jump', { type: 'button', hidden: true, onclick: () => this.#toEnd() });
    this.spoken = h('div.visually-hidden', { role: 'log', 'aria-live': 'polite', 'aria-label': 'New lines' });
    this.append(this.scroller, this.jump, this.spoken);
    this.scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#follows && this.#toEnd()).observe(this.list);
    new ResizeObserver(() => this.#follows && this.#toEnd()).observe(this.scroller);
    const rebuild = perFrame(() => this.#rebuild());
    state.on('current', () => (this.#conversation === state.current ? rebuild() : this.show()));
    state.on('items', ({ conversation, item, how }) => {
      if (conversation !== state.current) return;
      if (how === 'changed') this.#nodes.get(item.id)?.update?.();
      else if (how === 'last') this.#append(item);
      else rebuild();
      if (item && (how === 'last' || how === 'added')) this.#speak(item);
    });
    this.show();
  }

  /** All of the conversation on the screen, drawn anew. */
  show() {
    this.#conversation = state.current;
    this.#nodes.clear();
    this.#follows = true;
    this.#missed = 0;
    this.spoken.replaceChildren();
    this.#rebuild();
    const divider = this.list.querySelector('.divider');
    if (divider) divider.scrollIntoView({ block: 'center' });
  }

  /** Everything anew, around the nodes of the messages that are there. */
  #rebuild() {
    const conversation = this.#conversation;
    // The list has no height once it is empty.
    const fromEnd = this.scroller.scrollHeight - this.scroller.scrollTop;
    this.list.replaceChildren();
    this.#last = null;
    if (!conversation) return;
    this.scroller.setAttribute('aria-label', `Talk in ${printable(conversation.name)}`);
    const divider = this.#dividerItem();
    for (const item of conversation.items) {
      if (item === divider) this.#block('divider', h('li.divider', {}, h('span', {}, 'New')));
      this.#place(item);
    }
    const kept = new Set(conversation.items.map(({ id }) => id));
    for (const id of this.#nodes.keys()) if (!kept.has(id)) this.#nodes.delete(id);
    this.#renderTop();
    if (this.#follows) this.#toEnd();
    else this.scroller.scrollTop = this.scroller.scrollHeight - fromEnd;
    this.#older();
  }

  /** The first item that was not read when this was opened. */
  #dividerItem() {
    let left = this.#conversation.newFrom;
    if (!left) return null;
    const { items } = this.#conversation;
    for (let i = items.length - 1; i >= 0; i--) {
      if (items[i].what !== 'notice' && !items[i].own && --left === 0) return items[i];
    }
    return null;
  }

  /** Once the list is higher for it, the talk goes to its end, if it follows: once a frame, however many lines came. */
  #append(item) {
    if (item.own && item.state === 'sending') this.#follows = true;
    if (this.#trim()) return;
    this.#place(item);
    this.#renderTop();
    if (!this.#follows && item.what !== 'notice') this.#missed += 1;
    this.#renderJump();
  }

  /** The oldest make way, unless somebody is reading further up. Whether they did. */
  #trim() {
    if (this.#seeks || !this.#follows || !this.#conversation.trim()) return false;
    this.#rebuild();
    return true;
  }

  #block(kind, node, fields = {}) {
    this.#last = { kind, node, day: this.#last?.day, ...fields };
    this.list.append(node);
  }

  #place(item) {
    const day = dayOf(item.at);
    if (this.#last?.day !== day) {
      this.#block('day', h('li.day', {}, h('span', {}, dayName(item.at))), { day });
    }
    if (item.what === 'notice') this.#placeNotice(item);
    else this.#placeMessage(item);
  }

  #placeNotice(item) {
    if (this.#last.kind !== 'notices') {
      const summary = h('summary');
      const list = h('ul');
      const details = h('details', {}, summary, list);
      this.#block('notices', h('li.notices', {}, details), { items: [], summary, list, details });
    }
    const { items, summary, list, details } = this.#last;
    items.push(item);
    list.append(noticeNode(item));
    summary.replaceChildren(h('span', {}, ...noticeSummary(items)));
    details.classList.toggle('single', items.length === 1);
  }

  #placeMessage(item) {
    const last = this.#last;
    const goesOn = last.kind === 'run' && last.own === item.own && nameKey(last.from) === nameKey(item.from) && item.at - last.at < RUN_MS && !isAction(item) && !last.isAction;
    if (!goesOn) this.#startRun(item);
    this.#last.at = item.at;
    if (!this.#nodes.has(item.id)) this.#nodes.set(item.id, messageNode(item, this.#conversation));
    this.#last.bubbles.append(this.#nodes.get(item.id));
  }

  #startRun(item) {
    const { own, from } = item;
    const bubbles = h('div.bubbles');
    const who = isAction(item) ? null : own ? h('span.visually-hidden', {}, 'You') : this.#nameButton(from);
    if (who) bubbles.append(who);
    const node = h(own ? 'li.run.own' : 'li.run', {}, own ? null : avatar(from), bubbles);
    this.#block('run', node, { own, from, bubbles, isAction: isAction(item) });
  }

  #nameButton(from) {
    const open = () => (location.hash = `#/with/${encodeURIComponent(from)}`);
    const props = { type: 'button', onclick: open, title: `Write to ${printable(from)} alone` };
    return h('button.from', props, coloredName(from));
  }

  #renderTop() {
    const { before, kind, name, items, isLobby } = this.#conversation;
    if (before) {
      this.top.replaceChildren(h('p.quiet', {}, 'Older lines come as you scroll'));
      return;
    }
    const heading = { room: `This is where ${printable(name)} begins`, person: `Between you and ${printable(name)} alone`, group: `The group ${printable(name)}` }[kind];
    let hint = isLobby ? 'Everyone on this server is welcome here.' : 'What is said here reaches everyone in the room, in terminals too.';
    if (kind === 'person') hint = 'Nobody else sees what is said here, and the server does not keep it.';
    if (kind === 'group') hint = 'Only its members see what is said here, and the server does not keep it.';
    const mark = kind === 'person' ? avatar(name) : h('span.emblem', {}, icon(kind === 'group' ? 'group' : 'room'));
    this.top.replaceChildren(h('div.beginning', {}, mark, h('h2', { dir: 'auto' }, heading), h('p.quiet', {}, hint)));
    this.top.classList.toggle('empty', items.length === 0);
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    // What comes in moves the end, and may move what is on the screen: it was not the person who scrolled, unless upwards.
    if (scrollHeight !== this.#height && this.#follows && scrollTop >= this.#top) {
      this.#toEnd();
      return;
    }
    this.#height = scrollHeight;
    this.#top = scrollTop;
    this.#follows = scrollHeight - scrollTop - clientHeight < END_PX;
    if (this.#follows) this.#missed = 0;
    this.#renderJump();
    if (this.#conversation && this.#trim()) return;
    this.#older();
  }

  #older() {
    const { scrollTop } = this.scroller;
    if (this.#conversation?.before && scrollTop < OLDER_PX) session.learnOlder(this.#conversation);
  }

  #renderJump() {
    this.jump.hidden = this.#follows;
    const words = this.#missed ? counted(this.#missed, 'new line') : 'To the newest';
    this.jump.replaceChildren(icon('down'), h('span', {}, words));
  }

  #toEnd() {
    this.#follows = true;
    this.#missed = 0;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#height = this.scroller.scrollHeight;
    this.#top = this.scroller.scrollTop;
    this.#renderJump();
  }

  /** For those who listen: what others say now, not what was said before. */
  #speak(item) {
    if (item.own || item.number !== null) return;
    let what = ` ${item.text}`;
    if (item.what === 'file') what = ` sent ${item.file.name}`;
    else if (item.what === 'text') what = isAction(item) ? item.text.slice('/me'.length) : `: ${item.text}`;
    this.spoken.append(h('p', {}, printable(item.from + what)));
    while (this.spoken.childElementCount > SPOKEN_MAX) this.spoken.firstChild.remove();
  }

  /** Brings an item into view, from further back if it must be. Whether it was found. */
  async seek(conversation, number) {
    // What comes from further back must not make way again.
    this.#seeks = true;
    const found = await this.#find(conversation, number);
    this.#seeks = false;
    return found;
  }

  async #find(conversation, number) {
    for (let pages = 0; pages < 20; pages++) {
      const item = conversation.items.find((other) => other.number === number);
      if (item) {
        this.#follows = false;
        this.#rebuild();
        const node = this.#nodes.get(item.id);
        node?.scrollIntoView({ block: 'center' });
        node?.focus({ preventScroll: true });
        node?.classList.add('found');
        setTimeout(() => node?.classList.remove('found'), 2500);
        return true;
      }
      if (!(await session.learnOlder(conversation, 400))) break;
    }
    return false;
  }
}

customElements.define('crds-talk', Talk);
