// Who is where when a test begins.

import { tomIn } from './desk.mjs';
import { Person } from './person.mjs';

export async function makeRoom(person, name) {
  await person.page.getByRole('button', { name: 'Make a room' }).click();
  const dialog = person.page.getByRole('dialog');
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByRole('button', { name: 'Make it' }).click();
  await person.page.locator('crds-head h1', { hasText: name }).waitFor();
}

/** Two at pages, in a new room, with Tom in his terminal. */
export async function three({ browser, url }, room) {
  const ana = await Person.in(browser, url, 'Ana');
  const mel = await Person.in(browser, url, 'Mel');
  await makeRoom(ana, room);
  await mel.page.locator('crds-rooms').getByRole('link', { name: room }).click();
  await tomIn(room);
  for (const person of [ana, mel]) {
    await person.page.locator('crds-people').getByTitle('Takes part by multicast').waitFor();
  }
  return { ana, mel };
}
