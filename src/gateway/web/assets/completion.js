// Names that fit what is being written behind an `@`.

import { avatar } from './avatar.js';
import { h } from './dom.js';
import { state } from './state.js';
import { nameKey, printable } from './text.js';

const SHOWN_MAX = 6;

/** A list over the field; `key` says whether a key was meant for it. */
export function completion(field, changed) {
  const list = h('ul.completion', { role: 'listbox', id: 'completion', 'aria-label': 'Names', hidden: true });
  field.setAttribute('aria-autocomplete', 'list');
  field.setAttribute('aria-controls', list.id);
  let names = [];
  /** The one that is chosen, or -1. */
  let at = -1;

  function begun() {
    if (field.selectionStart !== field.selectionEnd) return null;
    return /(?:^|\s)@([\p{L}\p{N}._-]*)$/u.exec(field.value.slice(0, field.selectionStart))?.[1] ?? null;
  }

  list.update = () => {
    const part = document.activeElement === field ? begun() : null;
    const fits = ({ name }) => !state.isMe(name) && nameKey(name).startsWith(nameKey(part)) && nameKey(name) !== nameKey(part);
    names = part === null ? [] : [...state.people.values()].filter(fits).slice(0, SHOWN_MAX).map(({ name }) => name);
    // Who wrote a whole name means that one.
    at = part && state.person(part) ? -1 : 0;
    render();
  };

  function render() {
    list.hidden = names.length === 0;
    list.replaceChildren(...names.map((name, index) => {
      const option = h('li', { role: 'option', id: `completion-${index}`, 'aria-selected': String(index === at) }, avatar(name), h('bdi', {}, printable(name)));
      option.addEventListener('pointerdown', (event) => {
        event.preventDefault();
        take(name);
      });
      return option;
    }));
    if (names.length && at >= 0) field.setAttribute('aria-activedescendant', `completion-${at}`);
    else field.removeAttribute('aria-activedescendant');
  }

  function take(name) {
    const before = field.value.slice(0, field.selectionStart - begun().length);
    const after = field.value.slice(field.selectionEnd);
    field.value = `${before}${name} ${after}`;
    field.setSelectionRange(before.length + name.length + 1, before.length + name.length + 1);
    names = [];
    render();
    changed();
  }

  list.key = (event) => {
    if (names.length === 0 || event.isComposing) return false;
    const [first, last] = [0, names.length - 1];
    if (event.key === 'ArrowDown') at = at === last ? first : at + 1;
    else if (event.key === 'ArrowUp') at = at <= first ? last : at - 1;
    else if (event.key === 'Tab') take(names[Math.max(at, first)]);
    else if (event.key === 'Enter' && at >= 0) take(names[at]);
    else if (event.key === 'Escape') names = [];
    else return false;
    event.preventDefault();
    render();
    return true;
  };

  field.addEventListener('blur', () => {
    names = [];
    render();
  });
  return list;
}
