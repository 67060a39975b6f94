// The server dies with signal 9 and comes back: nothing that somebody typed is lost, and nothing comes twice.

import assert from 'node:assert/strict';
import { desk, see } from './desk.mjs';
import { landscape } from './picture.mjs';
import { three } from './scene.mjs';

/** What a browser itself says of a server that is not there. */
const NOBODY_THERE = [/WebSocket connection to/, /ERR_CONNECTION_REFUSED/, /net::ERR_/];

export async function the_server_dies_and_comes_back(world) {
  const { ana, mel } = await three(world, 'deathbed');
  await ana.write('before');
  await mel.sees('before');
  // On its way when the server goes, which nobody tells it.
  const held = ana.holds('**/files/halfway.png');
  await ana.choose({ name: 'halfway.png', mimeType: 'image/png', buffer: landscape(120, 80, 6) });
  await held;
  await desk('kill');
  for (const person of [ana, mel]) await person.page.getByText('The server is away.').waitFor();
  await ana.write('said while it was away');
  await ana.write('and one more');
  await ana.page.getByLabel('Not sent yet').first().waitFor();
  await ana.choose({ name: 'patience.png', mimeType: 'image/png', buffer: landscape(120, 80, 5) });
  await ana.goTo('room', 'lobby');
  await ana.write('in the lobby too');
  await ana.goTo('room', 'deathbed');
  await ana.composer.fill('a draft');
  // Also what stands there when the page is loaded anew, when that is possible.
  await desk('serve');
  for (const person of [ana, mel]) {
    await person.page.getByText('The server is away.').waitFor({ state: 'hidden' });
    for (const text of ['before', 'said while it was away', 'and one more']) await person.seesOnce(text);
    for (const name of ['halfway.png', 'patience.png']) await person.page.getByRole('img', { name: `Picture: ${name}` }).waitFor();
  }
  // Beside the seat that the dead server had for her, which the others miss only a little later.
  await see(': and one more');
  assert.equal(await ana.composer.inputValue(), 'a draft');
  await ana.waitFor('sent', async () => (await ana.page.locator('[data-state=sending]').count()) === 0);
  await mel.goTo('room', 'lobby');
  await mel.seesOnce('in the lobby too');
  await mel.write('welcome back');
  await ana.goTo('room', 'lobby');
  await ana.seesOnce('welcome back');
  for (const person of [ana, mel]) person.isWell(...NOBODY_THERE);
}
