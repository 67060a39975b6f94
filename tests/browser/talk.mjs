// Two at pages and one in a terminal, whom multicast reaches.

import assert from 'node:assert/strict';
import { see, tomSays } from './desk.mjs';
import { Person } from './person.mjs';
import { makeRoom, three } from './scene.mjs';

export async function two_pages_and_a_terminal_talk(world) {
  const { ana, mel } = await three(world, 'lab1');
  const first = 'Good morning! <b>Who</b> has the key? https://example.org/?a=1&b=2';
  await ana.write(first);
  await mel.sees(first);
  await see(`Ana: ${first}`);
  await ana.line(first).getByLabel('Delivered to all 2').waitFor();
  const link = mel.page.getByRole('link', { name: 'https://example.org/?a=1&b=2' });
  assert.match(await link.getAttribute('rel'), /noopener/);
  await tomSays('I have it, Mel');
  for (const person of [ana, mel]) await person.seesOnce('I have it, Mel');
  // Somebody said Mel's name.
  await mel.page.locator('.bubble.for-me mark', { hasText: 'Mel' }).waitFor();

  await mel.composer.fill('two');
  await mel.composer.press('Shift+Enter');
  await mel.composer.pressSequentially('lines');
  await mel.page.getByRole('button', { name: 'Send', exact: true }).click();
  await see('Mel: lines');
  await ana.sees('two\nlines');
  await ana.write(`/me waves ${'x'.repeat(9000)}`);
  await mel.page.locator('.bubble', { hasText: 'waves xxx' }).waitFor();
  for (const person of [ana, mel]) person.isWell();

  // What was said before is there for who comes later, once.
  const zoe = await Person.in(world.browser, world.url, 'Zoe');
  await zoe.goTo('room', 'lab1');
  await zoe.seesOnce(first);
  await zoe.seesOnce('I have it, Mel');
  zoe.isWell();
}

export async function a_whisper_reaches_one(world) {
  const { ana, mel } = await three(world, 'lab2');
  await ana.composer.fill('@Tom are you free?');
  await ana.page.getByText('Goes to Tom alone').waitFor();
  await ana.composer.press('Enter');
  await see('(private) Ana: are you free?');
  await tomSays('/msg Ana for you always');
  await ana.page.locator('crds-rooms').getByRole('link', { name: /Tom.*1 unread/ }).click();
  await ana.seesOnce('are you free?');
  await ana.seesOnce('for you always');
  await ana.goTo('room', 'lab2');
  // To somebody who is not there: not sent, least of all to all.
  await ana.write('@Nobody where are you?');
  await ana.page.getByText('Nobody called Nobody is online').waitFor();
  assert.equal(await ana.composer.inputValue(), '@Nobody where are you?');
  // Nor what the terminal would do and not say.
  await ana.write('/msg');
  await ana.page.getByText('That is a command of the terminal').waitFor();
  await ana.write('//who is a command');
  await mel.sees('/who is a command');
  await ana.write('@@Tom to all');
  await mel.sees('@Tom to all');
  assert.equal(await mel.page.getByText('are you free?').count(), 0);
  assert.equal(await mel.page.getByText('/msg').count(), 0);
  for (const person of [ana, mel]) person.isWell();
}

export async function a_group_hears_only_its_members({ browser, url }) {
  const [ana, mel, zoe] = await Promise.all(['Ana', 'Mel', 'Zoe'].map((name) => Person.in(browser, url, name)));
  await ana.page.getByRole('button', { name: 'Make a group' }).click();
  const dialog = ana.page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('dinner');
  await dialog.getByLabel('Mel').check();
  await dialog.getByRole('button', { name: 'Make it' }).click();
  await ana.page.locator('crds-head h1', { hasText: 'dinner' }).waitFor();
  await ana.write('at six?');
  await mel.page.locator('crds-rooms').getByRole('link', { name: /dinner.*unread/ }).click();
  await mel.seesOnce('at six?');
  await mel.write('at seven');
  await ana.seesOnce('at seven');
  assert.equal(await zoe.page.getByText('dinner').count(), 0);
  await mel.page.getByRole('button', { name: 'Leave the group dinner' }).click();
  await ana.page.locator('.notices', { hasText: 'Mel left the group' }).waitFor();
  await ana.page.getByRole('button', { name: 'Delete this group' }).click();
  await ana.page.getByRole('dialog').getByRole('button', { name: 'Delete it' }).click();
  await ana.waitFor('without the group', async () => (await ana.page.locator('crds-rooms').getByRole('link', { name: 'dinner' }).count()) === 0);
  for (const person of [ana, mel, zoe]) person.isWell();
}

export async function what_is_unread_is_counted({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana');
  const mel = await Person.in(browser, url, 'Mel');
  await makeRoom(mel, 'lab3');
  await mel.write('nobody is here');
  await mel.write('nor now');
  await ana.page.locator('crds-rooms').getByRole('link', { name: /lab3.*2 unread/ }).waitFor();
  await ana.goTo('with', 'Mel');
  await mel.goTo('room', 'lobby');
  await mel.write('Ana, look');
  await ana.waitFor('called in the title', async () => (await ana.page.title()).startsWith('(1) '));
  await ana.goTo('room', 'lobby');
  await ana.sees('Ana, look');
  await ana.goTo('room', 'lab3');
  await ana.seesOnce('nor now');
  await ana.waitFor('quiet in the title', async () => /^lab3/.test(await ana.page.title()));
  for (const person of [ana, mel]) person.isWell();
}

const isInSight = (bubble) => bubble.evaluate((it) => {
  const [{ top, bottom }, view] = [it, it.closest('.scroller')].map((node) => node.getBoundingClientRect());
  return top >= view.top && bottom <= view.bottom;
});

export async function older_lines_come_on_scrolling_up_and_words_are_found({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana');
  await makeRoom(ana, 'long');
  const LINES = 200;
  for (let i = 1; i <= LINES; i++) await ana.write(`number ${i} of many`);
  await ana.waitFor('sent', async () => (await ana.page.locator('.bubble[data-state=sending]').count()) === 0);
  const mel = await Person.in(browser, url, 'Mel');
  await mel.goTo('room', 'long');
  await mel.sees(`number ${LINES} of many`);
  assert.equal(await mel.line('number 2 of many').count(), 0);
  const bubbles = mel.page.locator('.bubble');
  while ((await mel.line('number 2 of many').count()) === 0) {
    const shown = await bubbles.count();
    const read = await bubbles.first().elementHandle();
    await mel.page.locator('.scroller').evaluate((scroller) => (scroller.scrollTop = 0));
    await mel.waitFor('further back', async () => (await bubbles.count()) > shown);
    // What was read stays in sight.
    assert.ok(await isInSight(read));
  }
  await mel.seesOnce('number 2 of many');
  const order = await mel.page.locator('.bubble .text').allTextContents();
  const wanted = Array.from({ length: LINES }, (_, i) => `number ${i + 1} of many`);
  assert.deepEqual(order.filter((text) => text.startsWith('number')), wanted);

  // From where that line is not there yet.
  await mel.goTo('room', 'lobby');
  await mel.page.reload();
  await mel.composer.waitFor();
  await mel.page.getByRole('button', { name: 'Search' }).click();
  await mel.page.getByRole('dialog').getByRole('searchbox').fill('number 17');
  await mel.page.getByRole('dialog').getByRole('button', { name: /number 17 of many/ }).click();
  const found = mel.page.locator('.bubble.found', { hasText: 'number 17 of many' });
  await found.waitFor();
  await mel.waitFor('where the line is', () => isInSight(found));
  for (const person of [ana, mel]) person.isWell();
}

/** As quickly as the server takes them. */
const sayMany = (person, room, first, last) => person.page.evaluate(async ([room, first, last]) => {
  const { session } = await import('/assets/session.js');
  const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const say = (i) => session.request('say', { room, text: `number ${i}` });
  while (numbers.length) await Promise.all(numbers.splice(0, 50).map(say));
}, [room, first, last]);

export async function thousands_of_lines_neither_slow_the_page_nor_take_away_what_is_read({ browser, url }) {
  const [ana, mel] = await Promise.all(['Ana', 'Mel'].map((name) => Person.in(browser, url, name)));
  await makeRoom(ana, 'busy');
  await mel.page.locator('crds-rooms').getByRole('link', { name: 'busy' }).click();
  await mel.page.getByRole('button', { name: 'Leave busy' }).waitFor();
  await sayMany(ana, 'busy', 1, 1600);
  await mel.sees('number 1600');
  const bubbles = mel.page.locator('.bubble');
  assert.ok((await bubbles.count()) < 1200, 'the oldest have made way');
  // A line more leaves all that is drawn as it is.
  const last = await mel.page.locator('.run').last().elementHandle();
  await sayMany(ana, 'busy', 1601, 1601);
  await mel.sees('number 1601');
  assert.ok(await last.evaluate((run) => run.isConnected));
  await mel.waitFor('at the end', () => isInSight(mel.line('number 1601')));

  // Up where the next that make way are.
  const [before, first] = [await bubbles.count(), await bubbles.first().elementHandle()];
  await mel.page.locator('.scroller').evaluate((scroller) => (scroller.scrollTop = 0));
  await mel.waitFor('further back', async () => (await bubbles.count()) > before);
  await sayMany(ana, 'busy', 1602, 2200);
  await mel.page.getByText('number 2200', { exact: true }).waitFor({ state: 'attached' });
  assert.ok(await isInSight(first), 'what is read stays');
  await mel.page.getByRole('button', { name: '599 new lines' }).click();
  await mel.waitFor('at the end', () => isInSight(mel.line('number 2200')));
  await mel.waitFor('rid of the oldest', async () => (await bubbles.count()) < 1200);

  // What stands further back than may stay is found all the same, also where nothing of it was there yet.
  await mel.page.reload();
  await mel.sees('number 2200');
  await mel.page.getByRole('button', { name: 'Search' }).click();
  await mel.page.getByRole('dialog').getByRole('searchbox').fill('number 7');
  await mel.page.getByRole('dialog').getByRole('button', { name: /number 7$/ }).click();
  const found = mel.page.locator('.bubble.found .text', { hasText: /^number 7$/ });
  await found.waitFor();
  await mel.waitFor('where the line is', () => isInSight(found));
  for (const person of [ana, mel]) person.isWell();
}

export async function who_leaves_a_room_is_out_of_it({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana');
  const mel = await Person.in(browser, url, 'Mel');
  await mel.page.locator('crds-people').getByText('Ana').waitFor();
  await mel.page.getByRole('button', { name: 'Leave lobby' }).click();
  await mel.page.getByText('You are not in lobby').waitFor();
  const focused = () => mel.page.evaluate(() => document.activeElement.textContent || document.activeElement.localName);
  await mel.waitFor('where one joins', async () => (await focused()) === 'Join it');
  await ana.page.locator('.notices', { hasText: 'Mel left' }).first().waitFor();
  await ana.write('said meanwhile');
  await mel.page.getByRole('button', { name: 'Join it' }).click();
  await mel.seesOnce('said meanwhile');
  await mel.waitFor('where one writes', async () => (await focused()) === 'textarea');
  await mel.write('back');
  await ana.seesOnce('back');

  // One that is deleted cannot be joined.
  await makeRoom(ana, 'doomed');
  await mel.page.locator('crds-rooms').getByRole('link', { name: 'doomed' }).click();
  for (const person of [ana, mel]) await person.page.getByRole('button', { name: 'Leave doomed' }).waitFor();
  const begun = mel.page.getByRole('textbox', { name: 'Write in doomed' });
  await begun.fill('half of a thought');
  await ana.page.getByRole('button', { name: 'More' }).click();
  await ana.page.getByRole('button', { name: 'Delete this room…' }).click();
  await ana.page.getByRole('dialog').getByRole('button', { name: 'Delete it' }).click();
  await ana.page.locator('crds-head h1', { hasText: 'lobby' }).waitFor();
  await mel.page.getByText('There is no room doomed any more. What you had begun is still here to copy.').waitFor();
  // Nor is anything said there.
  await begun.press('Enter');
  assert.deepEqual([await begun.inputValue(), await begun.isEditable()], ['half of a thought', false]);
  for (const name of ['Join it', 'More', 'Send']) assert.equal(await mel.page.getByRole('button', { name }).count(), 0, name);
  for (const person of [ana, mel]) person.isWell();
}

export async function a_click_arrives_where_the_list_changes_meanwhile({ browser, url }) {
  const [ana, mel] = await Promise.all(['Ana', 'Mel'].map((name) => Person.in(browser, url, name)));
  await makeRoom(ana, 'pressed');
  const room = mel.page.locator('crds-rooms').getByRole('link', { name: /pressed.*1 there/ });
  await room.hover();
  await mel.page.mouse.down();
  // One goes out of it meanwhile, and another room is made.
  await ana.page.getByRole('button', { name: 'Leave pressed' }).click();
  await makeRoom(ana, 'released');
  await mel.page.locator('crds-rooms').getByRole('link', { name: /released.*1 there/ }).waitFor();
  await mel.page.locator('crds-rooms').getByRole('link', { name: /pressed$/ }).waitFor();
  await mel.page.mouse.up();
  await mel.page.locator('crds-head h1', { hasText: 'pressed' }).waitFor();
  // Who moves by the keyboard stays where the focus was.
  await room.focus();
  await ana.goTo('room', 'pressed');
  await ana.page.getByRole('button', { name: 'Join it' }).click();
  await mel.page.locator('crds-rooms').getByRole('link', { name: /pressed.*2 there/ }).waitFor();
  assert.match(await mel.page.evaluate(() => document.activeElement.textContent), /pressed/);
  for (const person of [ana, mel]) person.isWell();
}
