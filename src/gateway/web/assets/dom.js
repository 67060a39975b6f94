// Making elements. Strings become text nodes: there is no way from here to markup.

import { laidOver } from './layer.js';

/** `h('button.quiet', { onclick, 'aria-label': … }, 'text', node, null)`. */
export function h(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const node = document.createElement(name);
  if (classes.length) node.className = classes.join(' ');
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key.startsWith('--')) node.style.setProperty(key, value);
    else if (['value', 'checked'].includes(key)) node[key] = value;
    else if (typeof value === 'boolean' && !key.startsWith('aria-')) node.toggleAttribute(key, value);
    else node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const PATHS = {
  back: 'M15 5l-7 7 7 7',
  people: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.6 3-5.5 6.5-5.5s6.1 1.9 6.5 5.5M16 4.4a3.5 3.5 0 0 1 0 6.3M18 14.8c2 .8 3.2 2.5 3.5 5.2',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20 20',
  plus: 'M12 5v14M5 12h14',
  send: 'M5 12h13M12 5.5l6.5 6.5-6.5 6.5',
  attach: 'M19.5 11.5l-7.6 7.6a5 5 0 0 1-7-7l8.2-8.2a3.3 3.3 0 0 1 4.7 4.7l-8.1 8.1a1.7 1.7 0 0 1-2.4-2.4l7-7',
  leave: 'M14 4H7a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h7M10.5 12H20M16.5 8.5L20 12l-3.5 3.5',
  quit: 'M12 3.5v8M7 6.7a7.5 7.5 0 1 0 10 0',
  check: 'M5.5 12.5l4.2 4.2L18.5 8',
  checks: 'M2.5 12.8l3.9 3.9L14.6 8M11.6 15.6l1.2 1.1L21 8',
  clock: 'M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 7.5V12l3 2',
  close: 'M6 6l12 12M18 6L6 18',
  download: 'M12 4v11M7 10.5l5 5 5-5M5 20h14',
  file: 'M7 3.5h7l4.5 4.5v11a1.5 1.5 0 0 1-1.5 1.5H7A1.5 1.5 0 0 1 5.5 19V5A1.5 1.5 0 0 1 7 3.5zM13.5 3.5V8.5H18.5',
  room: 'M9.5 4l-2 16M16.5 4l-2 16M4.5 9h16M3.5 15h16',
  group: 'M12 11.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM6.5 19c.4-3 2.5-4.6 5.5-4.6s5.1 1.6 5.5 4.6M5.8 11.6a2.4 2.4 0 1 1 .6-4.6M2.5 17c.2-1.7 1-2.9 2.3-3.4M18.2 11.6a2.4 2.4 0 1 0-.6-4.6M21.5 17c-.2-1.7-1-2.9-2.3-3.4',
  lock: 'M7 11V8a5 5 0 0 1 10 0v3M6 11h12v9H6z',
  edit: 'M4.5 19.5l1-4.5L16 4.5l3.5 3.5L9 18.5z',
  more: 'M5.5 12h.01M12 12h.01M18.5 12h.01',
  trash: 'M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 10.5v6M13.5 10.5v6',
  warn: 'M12 4L2.8 19.5h18.4zM12 10v4.5M12 17h.01',
  again: 'M19.5 12a7.5 7.5 0 1 1-2.3-5.4M19.5 3.5v4.5H15',
  down: 'M12 5v14M6 13l6 6 6-6',
  wave: 'M12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM7.8 16.2a6 6 0 0 1 0-8.4M16.2 7.8a6 6 0 0 1 0 8.4M5 19a10 10 0 0 1 0-14M19 5a10 10 0 0 1 0 14',
  relay: 'M6 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM18 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM6 9.5V14a3 3 0 0 0 3 3h6.5M8.5 7H15a3 3 0 0 1 3 3v4.5',
  gear: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z',
};

/** A drawn icon; it says nothing by itself. */
export function icon(name) {
  const path = svg('path', { d: PATHS[name] });
  return svg('svg', { viewBox: '0 0 24 24', class: `icon icon-${name}`, 'aria-hidden': 'true' }, path);
}

/** A round button with an icon and a name for those who cannot see it. */
export function iconButton(name, label, onclick, props = {}) {
  return h('button.icon-button', { type: 'button', 'aria-label': label, title: label, onclick, ...props }, icon(name));
}

/**
 * Makes the items of a list these, each known by where it leads. What is there already stays, with what is new in it: so it
 * keeps the focus, and a click that was begun on it arrives. Listeners are not taken over.
 */
export function fill(list, items) {
  const key = (item) => item.querySelector('a')?.getAttribute('href') ?? item.textContent;
  const there = new Map([...list.children].map((item) => [key(item), item]));
  const kept = items.map((item) => {
    const before = there.get(key(item));
    if (!before) return item;
    there.delete(key(item));
    settle(before, item);
    return before;
  });
  for (const gone of there.values()) gone.remove();
  kept.forEach((item, at) => list.children[at] === item || list.insertBefore(item, list.children[at] ?? null));
}

/** Makes an element like another of its kind. */
function settle(before, now) {
  if (before.isEqualNode(now)) return;
  for (const { name, value } of now.attributes) before.setAttribute(name, value);
  // What an element of ours has in it, and on it, is its own matter.
  if (before.localName.includes('-')) return;
  for (const { name } of [...before.attributes]) if (!now.hasAttribute(name)) before.removeAttribute(name);
  const [there, wanted] = [[...before.childNodes], [...now.childNodes]];
  wanted.forEach((child, at) => {
    const old = there[at];
    if (old?.nodeName !== child.nodeName) old ? old.replaceWith(child) : before.append(child);
    else if (old.nodeType === Node.TEXT_NODE) old.data = child.data;
    else settle(old, child);
  });
  for (const gone of there.slice(wanted.length)) gone.remove();
}

/** Calls `change` once, in the next frame, however often it was asked for. */
export function perFrame(change) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      change();
    });
  };
}

/** Shows a dialog until it is closed. It goes when it closes. */
export function openDialog(label, ...content) {
  const dialog = h('dialog', { 'aria-label': label }, ...content);
  const closed = laidOver(() => dialog.close());
  dialog.addEventListener('close', () => {
    closed();
    dialog.remove();
  });
  // A click on the backdrop lands on the dialog itself.
  dialog.addEventListener('pointerdown', (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
