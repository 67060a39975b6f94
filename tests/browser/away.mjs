// The server dies with signal 9 and comes back: nothing that somebody typed is lost, and nothing comes twice.

import assert from 'node:assert/strict';
import { desk, see } from './desk.mjs';
import { landscape } from './picture.mjs';
import { Person } from './person.mjs';
import { makeRoom, three } from './scene.mjs';

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
  await ana.write('/away at lunch');
  await ana.page.getByText('try again when it is back').waitFor();
  assert.equal(await ana.composer.inputValue(), '/away at lunch');
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

export async function who_quits_leaves_nothing_to_the_next_at_that_tab({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana');
  await makeRoom(ana, 'hers');
  await makeRoom(ana, 'nobodys');
  await ana.goTo('room', 'hers');
  await ana.page.getByRole('button', { name: 'Leave hers' }).waitFor();
  await desk('kill');
  await ana.page.getByText('The server is away.').waitFor();
  await ana.write('not for anybody');
  await ana.page.getByText('is sent when it is back.').waitFor();
  // What is written in a room that one leaves waits, and is told to.
  await ana.goTo('room', 'nobodys');
  await ana.page.getByText('is sent when you are in its room again.').waitFor();
  await ana.composer.fill('half a senten');
  await desk('serve');
  await ana.page.getByText('The server is away.').waitFor({ state: 'hidden' });
  await ana.page.getByRole('button', { name: 'Leave nobodys' }).waitFor();
  await ana.page.locator('crds-rooms').getByRole('link', { name: /hers.*not all sent/ }).waitFor();
  await ana.page.getByRole('button', { name: 'Quit' }).click();
  await ana.page.getByRole('dialog').getByRole('button', { name: 'Quit' }).click();

  const zoe = Object.assign(ana, { name: 'Zoe' });
  await zoe.page.getByRole('button', { name: 'Come in' }).waitFor();
  await zoe.comeIn('Zoe');
  await zoe.goTo('room', 'nobodys');
  await zoe.page.getByRole('button', { name: 'Leave nobodys' }).waitFor();
  assert.equal(await zoe.composer.inputValue(), '');
  await zoe.goTo('room', 'hers');
  await zoe.write('for all');
  await zoe.line('for all').getByLabel('At the server').waitFor();
  assert.equal(await zoe.line('not for anybody').count(), 0);
  zoe.isWell(...NOBODY_THERE);
}
