// <crds-avatar name="Ana">: the picture that somebody gave, or a face drawn from the name, the same on every machine.

import { h, svg } from './dom.js';
import { state } from './state.js';
import { nameKey, printable } from './text.js';
import { avatarUrl } from './upload.js';

/** How many colours there are for names; the terminal has them too, in the same order. */
const HUES = [227, 145, 305, 21, 88, 250, 327, 0, 66, 195, 130, 283];

function hash(name) {
  let sum = 0n;
  for (const byte of new TextEncoder().encode(nameKey(printable(name)))) sum = BigInt.asUintN(64, sum * 31n + BigInt(byte));
  return sum;
}

/** Which of twelve hues, in degrees. */
export function hue(name) {
  return HUES[Number(hash(name) % 12n)];
}

const EYES = [
  () => [dot(-5, 0, 1.9), dot(5, 0, 1.9)],
  () => [stroke('M-7.5 .5q2.5-3.5 5 0'), stroke('M2.5 .5q2.5-3.5 5 0')],
  () => [dot(-5, 0, 1.9), stroke('M2.5 0h5')],
  () => [dot(-5, 0, 2.6), dot(5, 0, 2.6)],
  () => [ring(-5, 0), ring(5, 0), stroke('M-1.5 0h3'), dot(-5, 0, 1.2), dot(5, 0, 1.2)],
];
const MOUTHS = [
  () => stroke('M-5 8q5 4.5 10 0'),
  () => svg('path', { d: 'M-5.5 7.500h11q-1 5.5-5.5 5.500t-5.5-5.500z', class: 'face-fill' }),
  () => stroke('M-3.5 9h7'),
  () => svg('ellipse', { cx: 0, cy: 9.5, rx: 2.2, ry: 2.6, class: 'face-fill' }),
  () => stroke('M-4 9.500q3 2.5 7-1.5'),
];

const dot = (cx, cy, r) => svg('circle', { cx, cy, r, class: 'face-fill' });
const ring = (cx, cy) => svg('circle', { cx, cy, r: 3.6, class: 'face-stroke' });
const stroke = (d) => svg('path', { d, class: 'face-stroke' });

function face(name) {
  const bits = hash(name) / 12n;
  const pick = (shift, count) => Number((bits >> BigInt(shift)) % BigInt(count));
  const [x, y, tilt] = [pick(2, 7) - 3, pick(5, 5) - 4, pick(8, 25) - 12];
  const features = svg('g', { transform: `translate(${20 + x} ${18 + y}) rotate(${tilt})` });
  features.append(...EYES[pick(3, EYES.length)](), MOUTHS[pick(6, MOUTHS.length)]());
  const blob = svg('circle', { cx: 20 + x * 3, cy: 24 + y * 2, r: 19, class: 'face-blob' });
  return svg('svg', { viewBox: '0 0 40 40' }, svg('rect', { width: 40, height: 40, class: 'face-ground' }), blob, features);
}

class Avatar extends HTMLElement {
  static observedAttributes = ['name'];
  #shown = null;

  connectedCallback() {
    this.setAttribute('aria-hidden', 'true');
    this.update();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.update();
  }

  /** A picture that is not at the server yet, instead. */
  set picture(url) {
    this.replaceChildren(h('img', { src: url, alt: '' }));
    this.#shown = url;
  }

  update() {
    const name = this.getAttribute('name') ?? '';
    const picture = state.avatars.get(nameKey(name));
    const wanted = `${name}\n${picture ?? ''}`;
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    this.style.setProperty('--hue', hue(name));
    if (!picture) {
      this.replaceChildren(face(name));
      return;
    }
    const img = h('img', { src: avatarUrl(picture), alt: '', onerror: () => this.replaceChildren(face(name)) });
    this.replaceChildren(img);
  }
}

customElements.define('crds-avatar', Avatar);

state.on('avatars', () => {
  for (const avatar of document.querySelectorAll('crds-avatar')) avatar.update();
});

export const avatar = (name) => h('crds-avatar', { name });

/** Somebody's name in that one's colour. */
export const coloredName = (name, tag = 'bdi.name') => h(tag, { '--hue': hue(name) }, printable(name));
