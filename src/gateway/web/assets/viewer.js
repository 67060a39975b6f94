// A picture in full, with those before and after it in the talk.

import { h, icon, iconButton, openDialog } from './dom.js';
import { isPictureName, printable, size } from './text.js';
import { shortTime } from './time.js';
import { fileUrl } from './upload.js';

const source = ({ file, preview }) => (file.hash ? fileUrl(file) : preview);

export function view(conversation, first) {
  const pictures = conversation.items.filter((item) => item.what === 'file' && isPictureName(item.file.name) && source(item));
  let at = pictures.indexOf(first);
  const img = h('img');
  const caption = h('p.caption', { 'aria-live': 'polite' });
  const download = h('a.icon-button', { title: 'Download', 'aria-label': 'Download' }, icon('download'));
  const turn = (by) => show((at + by + pictures.length) % pictures.length);
  const before = iconButton('back', 'The picture before', () => turn(-1));
  const after = iconButton('back', 'The next picture', () => turn(1));
  before.classList.add('before');
  after.classList.add('after');

  function show(index) {
    at = index;
    const item = pictures[at];
    const name = printable(item.file.name);
    img.src = source(item);
    img.alt = `Picture: ${name}`;
    caption.replaceChildren(h('bdi', {}, name), ` · ${size(item.file.size)} · `, h('bdi', {}, printable(item.from)), ` · ${shortTime(item.at)}`);
    download.href = source(item);
    download.download = item.file.name;
    before.hidden = after.hidden = pictures.length < 2;
  }

  show(at);
  const close = iconButton('close', 'Close', () => dialog.close());
  const dialog = openDialog('Picture', h('div.viewer-bar', {}, caption, download, close), h('div.viewer-stage', {}, before, img, after));
  dialog.classList.add('viewer');
  dialog.addEventListener('keydown', ({ key }) => {
    if (key === 'ArrowLeft') turn(-1);
    if (key === 'ArrowRight') turn(1);
  });
  img.addEventListener('click', () => dialog.close());
}
