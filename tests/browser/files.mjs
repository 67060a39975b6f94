// Pictures and other files, both ways.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { see, tomSays } from './desk.mjs';
import { landscape } from './picture.mjs';
import { three } from './scene.mjs';

const isShown = (img) => img.evaluate((it) => it.complete && it.naturalWidth > 0);

/** The picture of this name in somebody's talk. */
async function picture(person, name) {
  const img = person.page.getByRole('img', { name: `Picture: ${name}` });
  await img.waitFor();
  await person.waitFor(`shown ${name}`, () => isShown(img));
  return img;
}

async function arrives(path, content) {
  for (let tries = 0; ; tries++) {
    const found = await readFile(path).catch(() => null);
    if (found?.equals(content)) return;
    assert.ok(tries < 300, `${path}: ${found ? 'other bytes' : 'not there'}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function pictures_go_both_ways(world) {
  const { ana, mel } = await three(world, 'pictures');
  const evening = landscape(900, 600, 1);
  await ana.choose({ name: 'evening.png', mimeType: 'image/png', buffer: evening });
  const img = await picture(mel, 'evening.png');
  const width = await img.evaluate((it) => it.naturalWidth);
  assert.ok(width <= 640, `a thumbnail of ${width} pixels`);
  await arrives(join(world.folder, 'downloads', 'evening.png'), evening);

  const morning = landscape(500, 300, 2);
  await writeFile(join(world.folder, 'morning.png'), morning);
  await tomSays('/send morning.png');
  for (const person of [ana, mel]) await picture(person, 'morning.png');

  // In full, and from one to the next.
  await img.click();
  const viewer = mel.page.getByRole('dialog', { name: 'Picture' });
  const full = viewer.getByRole('img');
  await mel.waitFor('the whole picture', () => full.evaluate((it) => it.naturalWidth === 900));
  await mel.page.keyboard.press('ArrowRight');
  await mel.waitFor('the next picture', () => full.evaluate((it) => it.naturalWidth === 500));
  await mel.page.keyboard.press('Escape');
  await viewer.waitFor({ state: 'detached' });
  for (const person of [ana, mel]) person.isWell();
}

export async function a_file_may_take_long_to_come(world) {
  const { ana, mel } = await three(world, 'slowly');
  // As long as it takes the server, for a page whose time flies.
  await mel.page.evaluate(async () => {
    const { session } = await import('/assets/session.js');
    const { setTimeout: wait } = globalThis;
    const request = session.request.bind(session);
    let asked = 0;
    globalThis.setTimeout = (then, ms) => wait(then, ms / 1000);
    session.request = async (what, fields) => {
      if (what === 'get-file' && ++asked < 200) throw Object.assign(new Error(), { code: 'file-not-whole' });
      return request(what, fields);
    };
  });
  await ana.choose({ name: 'slow.png', mimeType: 'image/png', buffer: landscape(90, 60, 9) });
  await picture(mel, 'slow.png');
  for (const person of [ana, mel]) person.isWell();
}

export async function a_file_that_was_cancelled_reaches_nobody(world) {
  const { ana, mel } = await three(world, 'regrets');
  const held = ana.holds('**/files/regret.png');
  await ana.choose({ name: 'regret.png', mimeType: 'image/png', buffer: landscape(90, 60, 7) });
  const request = await held;
  await ana.page.getByRole('button', { name: 'Cancel', exact: true }).click();
  // Too late for the network, not for the others.
  await request.continue().catch(() => {});
  await ana.choose({ name: 'instead.png', mimeType: 'image/png', buffer: landscape(90, 60, 8) });
  for (const person of [ana, mel]) {
    await picture(person, 'instead.png');
    assert.equal(await person.page.locator('crds-file').count(), 1, `${person.name} sees more`);
  }
  for (const person of [ana, mel]) person.isWell();
}

export async function other_files_are_cards(world) {
  const { ana, mel } = await three(world, 'papers');
  const notes = 'first\nsecond <i>line</i>\n';
  await writeFile(join(world.folder, 'notes.txt'), notes);
  await tomSays('/send notes.txt');
  const card = mel.page.locator('crds-file', { hasText: 'notes.txt' });
  await card.getByText('25 bytes').waitFor();
  await card.getByText('Show the text').click();
  await card.getByText('second <i>line</i>').waitFor();
  const [download] = await Promise.all([mel.page.waitForEvent('download'), card.getByRole('link', { name: 'Download notes.txt' }).click()]);
  assert.equal(download.suggestedFilename(), 'notes.txt');
  assert.equal(await readFile(await download.path(), 'utf8'), notes);

  // It says picture, and is none; an SVG is never shown.
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="bad"</script></svg>';
  await ana.choose({ name: 'drawing.svg', mimeType: 'image/svg+xml', buffer: Buffer.from(svg) });
  await mel.page.locator('crds-file.as-card', { hasText: 'drawing.svg' }).getByRole('link').waitFor();
  for (const person of [ana, mel]) person.isWell();
}

export async function pasted_and_dropped_files_wait_until_they_are_sent(world) {
  const { ana, mel } = await three(world, 'pasted');
  const bytes = [...landscape(60, 40, 3)];
  const give = (how) => ana.page.evaluate(({ bytes, how }) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], how === 'paste' ? 'image.png' : 'dropped.png', { type: 'image/png' }));
    const target = document.querySelector(how === 'paste' ? 'crds-composer textarea' : 'crds-talk');
    const options = { bubbles: true, cancelable: true };
    if (how === 'paste') target.dispatchEvent(new ClipboardEvent('paste', { ...options, clipboardData: data }));
    else for (const type of ['dragenter', 'dragover', 'drop']) target.dispatchEvent(new DragEvent(type, { ...options, dataTransfer: data }));
  }, { bytes, how });
  await give('paste');
  await ana.page.locator('.tray li', { hasText: /^Picture 2/ }).waitFor();
  await give('drop');
  await ana.page.locator('.tray li', { hasText: 'dropped.png' }).waitFor();
  await ana.page.getByRole('button', { name: /^Leave out Picture/ }).click();
  // Also after a look elsewhere.
  await ana.goTo('room', 'lobby');
  await ana.page.locator('.tray').waitFor({ state: 'hidden' });
  await ana.goTo('room', 'pasted');
  await ana.page.locator('.tray li', { hasText: 'dropped.png' }).waitFor();
  await ana.composer.fill('this one');
  await ana.composer.press('Enter');
  await picture(mel, 'dropped.png');
  await mel.sees('this one');
  for (const person of [ana, mel]) {
    const said = await person.page.locator('.bubble').evaluateAll((all) => all.map((it) => Boolean(it.querySelector('crds-file'))));
    assert.deepEqual(said, [false, true], 'what was written comes first');
  }
  assert.equal(await mel.page.locator('crds-file').count(), 1);
  await see('dropped.png');

  // To one alone, also from within the room.
  await ana.composer.fill('@Mel only for you');
  await ana.choose({ name: 'between-us.png', mimeType: 'image/png', buffer: landscape(70, 50, 6) });
  await ana.goTo('with', 'Mel');
  await ana.choose({ name: 'secret.png', mimeType: 'image/png', buffer: landscape(80, 50, 4) });
  await mel.page.locator('crds-rooms').getByRole('link', { name: /Ana.*unread/ }).click();
  await picture(mel, 'secret.png');
  await picture(mel, 'between-us.png');
  await mel.sees('only for you');
  for (const person of [ana, mel]) person.isWell();
}
