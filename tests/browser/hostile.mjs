// Whatever others send is text, and nothing else.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { see } from './desk.mjs';
import { Person } from './person.mjs';
import { three } from './scene.mjs';

const EVIL = "<img src=x onerror=document.title='bad'>";

async function isUnharmed(person) {
  // What could have run has had its chance.
  await person.page.waitForTimeout(200);
  assert.equal(await person.page.locator('img[src=x]').count(), 0);
  assert.ok(!(await person.page.title()).includes('bad'));
  person.isWell();
}

export async function what_looks_like_html_is_text(world) {
  const { ana, mel } = await three(world, 'evil');
  await ana.write(EVIL);
  await mel.seesOnce(EVIL);
  await see(`Ana: ${EVIL}`);
  // What no file may be called is taken out of the name by the server.
  await ana.choose({ name: `${EVIL}.txt`, mimeType: 'text/plain', buffer: Buffer.from(EVIL) });
  const card = mel.page.locator('crds-file', { hasText: 'img src=x onerror' });
  await card.getByText('Show the text').click();
  await card.locator('pre', { hasText: EVIL }).waitFor();
  await ana.choose({ name: `${EVIL}.png`, mimeType: 'image/png', buffer: Buffer.from('no picture') });
  await mel.page.locator('crds-file', { hasText: '.png' }).waitFor();
  await ana.page.getByRole('button', { name: 'More' }).click();
  await ana.page.getByRole('button', { name: 'Set the topic…' }).click();
  await ana.page.getByLabel('What it is about').fill(EVIL);
  await ana.page.getByRole('button', { name: 'Set it' }).click();
  await mel.page.locator('crds-head p', { hasText: EVIL }).waitFor();
  await ana.page.getByTitle('Name, picture and more').click();
  await ana.page.getByLabel('Away').fill(EVIL);
  await ana.page.getByRole('button', { name: 'Save' }).click();
  await mel.goTo('with', 'Ana');
  await mel.page.locator('crds-head p', { hasText: `Away: ${EVIL}` }).waitFor();
  // A picture that is none: the browser says so.
  const noPicture = /thumbnails.*|status of 415/;
  ana.problems = ana.problems.filter((problem) => !noPicture.test(problem));
  mel.problems = mel.problems.filter((problem) => !noPicture.test(problem));
  await isUnharmed(ana);
  await isUnharmed(mel);
}

export async function what_turns_the_reading_direction_is_replaced({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana');
  await ana.write('a\u202egnp.exe\u0007 b\u2066c');
  await ana.sees('a\ufffdgnp.exe␇ b\ufffdc');
  await isUnharmed(ana);
}

/** In a plain room any program may call itself anything. */
export async function a_name_that_looks_like_html_is_text({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana');
  await ana.page.getByRole('button', { name: 'Make a room' }).click();
  const dialog = ana.page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('bare');
  await dialog.getByText('More').click();
  await dialog.getByLabel('Plain').check();
  await dialog.getByRole('button', { name: 'Make it' }).click();
  await ana.page.locator('crds-head h1', { hasText: 'bare' }).waitFor();
  const room = await ana.page.evaluate(async () => {
    const { state } = await import('/assets/state.js');
    return state.rooms.get('bare');
  });
  const stranger = createSocket('udp4');
  await new Promise((resolve) => stranger.bind(0, '127.0.0.1', resolve));
  stranger.setMulticastInterface('127.0.0.1');
  const line = ana.page.locator('.bubble', { hasText: 'hello from below' });
  await ana.waitFor('heard', async () => {
    stranger.send(`${EVIL}: hello from below`, room.port, room.address);
    return (await line.count()) > 0;
  });
  stranger.close();
  await ana.page.locator('.from', { hasText: EVIL }).first().waitFor();
  await isUnharmed(ana);
}
