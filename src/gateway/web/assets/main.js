// Starts the page. The first page needs little; the rest comes while one writes one's name.

import './avatar.js';
import './welcome.js';
import { follow } from './route.js';
import { session } from './session.js';
import { state } from './state.js';

const welcome = document.querySelector('crds-welcome');
const frame = document.querySelector('.frame');

function phase() {
  const isIn = state.phase === 'in';
  frame.hidden = !isIn;
  welcome.hidden = isIn;
  // On the first visit a phone begins in the lobby, not in the list.
  if (isIn && !location.hash) history.replaceState(null, '', '#/room/lobby');
  follow();
}

state.on('phase', phase);
await session.start();
await import('./frame.js');
phase();
