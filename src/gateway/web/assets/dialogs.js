// The forms: make a room, make a group, my name and picture, and questions before something goes.

import { avatar } from './avatar.js';
import { h, iconButton, openDialog } from './dom.js';
import { goTo } from './route.js';
import { session } from './session.js';
import { state } from './state.js';
import { nameKey, printable } from './text.js';
import { pictureChooser } from './picture.js';
import { putAvatar } from './upload.js';
import { askToNotify, canNotify } from './notify.js';

/** A form in a dialog. `submit` throws what is wrong; that is shown, and the dialog stays. */
function form(title, fields, action, submit) {
  const problem = h('p.problem', { role: 'alert' });
  const go = h('button.primary', { type: 'submit' }, action);
  const cancel = h('button.plain', { type: 'button', onclick: () => dialog.close() }, 'Cancel');
  const body = h('form', { method: 'dialog' }, ...fields, problem, h('div.buttons', {}, cancel, go));
  const dialog = openDialog(title, h('header', {}, h('h2', {}, title), iconButton('close', 'Close', () => dialog.close())), body);
  body.addEventListener('submit', async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      await submit();
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
    }
    go.disabled = false;
  });
  body.querySelector('input:not([type=file])')?.focus();
  return dialog;
}

function field(label, input, hint) {
  return h('label.field', {}, h('span', {}, label), input, hint ? h('small', {}, hint) : null);
}

function choice(name, value, title, hint, checked) {
  const input = h('input', { type: 'radio', name, value, checked });
  return h('label.choice', {}, input, h('span', {}, h('b', {}, title), h('small', {}, hint)));
}

export function makeRoom() {
  const name = h('input', { required: true, maxlength: 64, pattern: '[A-Za-z0-9._\\-]+', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', title: '1 to 64 letters a to z, digits, - _ or .' });
  const topic = h('input', { maxlength: 240, autocomplete: 'off' });
  const kinds = h('fieldset', {}, h('legend', {}, 'How it speaks'), choice('dialect', 'reliable', 'Reliable', 'Every line arrives, once and in order; with files.', true), choice('dialect', 'plain', 'Plain', 'Bare text, for other programs of the lab too.', false));
  const limit = h('input', { type: 'number', min: 1, max: 10000, inputmode: 'numeric' });
  const more = h('details', {}, h('summary', {}, 'More'), kinds, field('At most so many people', limit, 'No limit if left out'));
  form('Make a room', [field('Name', name, 'One word'), field('Topic', topic, 'What it is about, if you like'), more], 'Make it', async () => {
    const dialect = kinds.querySelector('input:checked').value;
    const { room } = await session.request('make-room', { name: name.value.trim(), dialect, topic: topic.value.trim() || undefined, limit: limit.value ? Number(limit.value) : undefined });
    await session.learnRooms();
    goTo('room', room.name);
  });
}

export function makeGroup() {
  const name = h('input', { required: true, maxlength: 32, autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false' });
  const people = [...state.people.values()].map(({ name: who }) => {
    const box = h('input', { type: 'checkbox', value: who, checked: state.isMe(who) });
    return h('label.choice.person', {}, box, avatar(who), h('bdi', {}, printable(who)));
  });
  const members = h('fieldset', {}, h('legend', {}, 'Members'), ...people);
  form('Make a group', [field('Name', name, 'One word of letters and digits'), members], 'Make it', async () => {
    const chosen = [...members.querySelectorAll('input:checked')].map((box) => box.value);
    if (chosen.length === 0) throw new Error('Choose who is in it.');
    const group = name.value.trim();
    await session.request('group-set', { group, members: chosen });
    await session.learnGroups();
    if (chosen.some((who) => state.isMe(who))) goTo('group', group);
  });
}

export function setTopic(name) {
  const topic = h('input', { maxlength: 240, autocomplete: 'off', value: state.rooms.get(nameKey(name))?.topic ?? '' });
  form(`Topic of ${printable(name)}`, [field('What it is about', topic, 'Leave it empty to clear it')], 'Set it', async () => {
    await session.request('topic', { room: name, text: topic.value.trim() || undefined });
    await session.learnRooms();
  });
}

export function deleteRoom(name) {
  const words = 'It ends for all at pages, and what was said in it is forgotten. Those whom multicast reaches may go on talking.';
  form(`Delete the room ${printable(name)}?`, [h('p', {}, words)], 'Delete it', async () => {
    await session.request('delete-room', { name });
    goTo('room', 'lobby');
  });
}

export function deleteGroup(name) {
  form(`Delete the group ${printable(name)}?`, [h('p', {}, 'It ends for all its members.')], 'Delete it', async () => {
    await session.request('group-delete', { group: name });
    await session.learnGroups();
    goTo('room', 'lobby');
  });
}

export function profile() {
  const name = h('input', { required: true, maxlength: 32, autocomplete: 'nickname', spellcheck: 'false', value: state.me });
  const away = h('input', { maxlength: 240, autocomplete: 'off', value: state.person(state.me)?.away ?? '' });
  const face = avatar(state.me);
  let picture;
  const drawn = h('button.small.plain', { type: 'button', onclick: () => {
    picture = null;
    face.replaceChildren(...avatarWithout(name.value));
  } }, 'Draw one');
  const chooser = pictureChooser(face, (chosen) => (picture = chosen));
  const notify = canNotify() ? h('button.small', { type: 'button', onclick: askToNotify }, 'Notify me when somebody says my name') : null;
  const fields = [h('div.face', {}, face, chooser, drawn), field('Name', name), field('Away', away, 'Why, for those who write to you; empty when you are here'), notify];
  const dialog = form('You', fields, 'Save', () => saveProfile(name.value.trim(), away.value.trim(), picture));
  dialog.classList.add('profile');
}

/** Asked only if something would be lost. */
export function quit() {
  form('Quit?', [h('p', {}, 'Something that you wrote is not sent yet. It would be lost.')], 'Quit', () => session.quit());
}

/** The face that is drawn for a name without a picture. */
function avatarWithout(name) {
  const key = nameKey(name);
  const kept = state.avatars.get(key);
  state.avatars.delete(key);
  const drawn = avatar(name);
  document.body.append(drawn);
  const parts = [...drawn.childNodes];
  drawn.remove();
  if (kept) state.avatars.set(key, kept);
  return parts;
}

async function saveProfile(name, away, picture) {
  if (name !== state.me) await session.rename(name);
  const before = state.person(state.me)?.away ?? '';
  if (away !== before) await session.request('away', { text: away || undefined });
  if (picture !== undefined) await putAvatar(picture, session.token);
  await session.learnPeople();
}
