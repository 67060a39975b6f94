// Choosing a picture of oneself.

import { h } from './dom.js';

/** A face with a button to choose a picture for it. `taken` is called with the picture, or null for none. */
export function pictureChooser(face, taken) {
  const input = h('input.visually-hidden', { type: 'file', accept: 'image/*', 'aria-label': 'Choose a picture' });
  const problem = h('small.problem', { role: 'alert' });
  input.addEventListener('change', async () => {
    try {
      const picture = await asAvatar(input.files[0]);
      face.picture = URL.createObjectURL(picture);
      problem.textContent = '';
      taken(picture);
    } catch {
      problem.textContent = 'That is no picture that can be read here.';
    }
    input.value = '';
  });
  return h('span.chooser', {}, h('label.small', {}, input, 'Use a picture…'), problem);
}

const AVATAR_PIXELS = 256;

/** A picture as an avatar: square and small, whatever a camera gave. Throws if it is none. */
async function asAvatar(file) {
  const picture = await createImageBitmap(file);
  const side = Math.min(picture.width, picture.height);
  const canvas = document.createElement('canvas');
  canvas.width = AVATAR_PIXELS;
  canvas.height = AVATAR_PIXELS;
  const [x, y] = [(picture.width - side) / 2, (picture.height - side) / 2];
  canvas.getContext('2d').drawImage(picture, x, y, side, side, 0, 0, AVATAR_PIXELS, AVATAR_PIXELS);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('not a picture'))), 'image/webp', 0.9);
  });
}
