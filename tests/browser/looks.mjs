// Who cannot see, cannot use a mouse, or has a small screen can use it too.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { landscape } from './picture.mjs';
import { DESKTOP, PHONE, Person } from './person.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** No serious finding, and none of contrast. */
async function check(person, what) {
  // Animations move colours too.
  await person.page.waitForTimeout(300);
  const violations = await person.page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ['violations'] })).violations);
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  const told = serious.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html, failureSummary }) => `${html}\n  ${failureSummary}`).join('\n  ')}`);
  assert.deepEqual(told, [], `${what}: what axe finds`);
}

async function noSideways(person, what) {
  const [inner, outer] = await person.page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(inner <= outer, `${what}: ${inner} pixels in ${outer}`);
}

export async function a_long_name_has_its_place_on_the_first_page_of_a_phone({ browser, url }) {
  const long = await Person.in(browser, url, 'W'.repeat(32));
  const ana = await Person.open(browser, url, PHONE);
  await ana.page.getByText('W'.repeat(32)).waitFor();
  const [card, screen] = await ana.page.locator('.welcome-card').evaluate((it) => [it.getBoundingClientRect().right, innerWidth]);
  assert.ok(card <= screen, `${card} pixels in ${screen}`);
  await noSideways(ana, 'first page');
  await ana.leave();
  await long.leave();
}

async function look({ browser, url }, device, colorScheme) {
  const what = `${device === PHONE ? 'phone' : 'desktop'}, ${colorScheme}`;
  const ana = await Person.open(browser, url, { ...device, colorScheme, reducedMotion: 'reduce', bypassCSP: true });
  await ana.page.addScriptTag({ content: AXE });
  await check(ana, `${what}: first page`);
  await noSideways(ana, `${what}: first page`);
  await ana.comeIn('Ana');
  const mel = await Person.in(browser, url, 'Mel');
  await mel.write('Ana, see https://example.org and that a very long word is cut: ' + 'w'.repeat(300));
  await ana.write('an own line');
  await mel.choose({ name: 'a.png', mimeType: 'image/png', buffer: landscape(300, 200) });
  await mel.choose({ name: 'b.zip', mimeType: 'application/zip', buffer: Buffer.from('zip') });
  await ana.page.getByRole('img', { name: 'Picture: a.png' }).last().waitFor();
  await ana.page.getByRole('link', { name: 'Download b.zip' }).last().waitFor();
  await check(ana, `${what}: talk`);
  await noSideways(ana, `${what}: talk`);
  if (device === PHONE) {
    await ana.page.getByRole('button', { name: 'Who is here' }).click();
    await check(ana, `${what}: people`);
    await ana.page.keyboard.press('Escape');
    await ana.page.getByRole('link', { name: 'All rooms' }).click();
    await check(ana, `${what}: rooms`);
    await noSideways(ana, `${what}: rooms`);
  }
  for (const button of ['Make a room', 'Make a group', 'Name and picture']) {
    await ana.page.getByRole('button', { name: button }).click();
    await ana.page.getByRole('dialog').waitFor();
    await check(ana, `${what}: ${button}`);
    await ana.page.keyboard.press('Escape');
  }
  await ana.leave();
  await mel.leave();
}

export const nothing_serious_on_a_desktop_in_the_light = (world) => look(world, DESKTOP, 'light');
export const nothing_serious_on_a_desktop_in_the_dark = (world) => look(world, DESKTOP, 'dark');
export const nothing_serious_on_a_phone_in_the_light = (world) => look(world, PHONE, 'light');
export const nothing_serious_on_a_phone_in_the_dark = (world) => look(world, PHONE, 'dark');

export async function back_closes_what_lies_over_the_talk({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana', PHONE);
  const mel = await Person.in(browser, url, 'Mel');
  const { page } = ana;
  const here = () => page.locator('crds-head h1', { hasText: 'lobby' }).waitFor();
  const [dialog, people] = [page.getByRole('dialog'), page.locator('crds-people')];
  await ana.goTo('room', 'lobby');
  await page.getByRole('button', { name: 'Search' }).click();
  await dialog.waitFor();
  await page.goBack();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Who is here' }).click();
  await people.waitFor();
  await page.goBack();
  await people.waitFor({ state: 'hidden' });
  await here();
  // Closed by itself, or by where it led, it is no step any more.
  await page.getByRole('button', { name: 'Search' }).click();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await dialog.waitFor({ state: 'detached' });
  await ana.waitFor('back', () => page.evaluate(() => history.state === null));
  await page.getByRole('button', { name: 'Who is here' }).click();
  await people.getByRole('link', { name: 'Mel' }).click();
  await page.locator('crds-head h1', { hasText: 'Mel' }).waitFor();
  assert.ok(await people.isHidden());
  await page.goBack();
  await here();
  for (const person of [ana, mel]) person.isWell();
}

export async function the_keyboard_alone_is_enough({ browser, url }) {
  const ana = await Person.open(browser, url);
  const { page } = ana;
  const focused = () => page.evaluate(() => {
    const { activeElement: node } = document;
    const { outlineStyle } = getComputedStyle(node);
    return { label: node.getAttribute('aria-label') ?? node.textContent.trim(), tag: node.localName, outlineStyle };
  });
  const tabTo = async (is) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const now = await focused();
      if (is(now)) {
        assert.ok(now.outlineStyle !== 'none' || now.tag === 'textarea', `${now.label} shows its focus`);
        return;
      }
    }
    assert.fail('the key Tab does not lead there');
  };
  await page.keyboard.type('Ana');
  await page.keyboard.press('Enter');
  await ana.composer.waitFor();
  await ana.waitFor('ready to write', async () => (await focused()).tag === 'textarea');
  await page.keyboard.type('by keyboard');
  await page.keyboard.press('Enter');
  await ana.sees('by keyboard');
  await tabTo(({ label }) => label === 'Make a room');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.type('keys');
  await page.keyboard.press('Enter');
  await page.locator('crds-head h1', { hasText: 'keys' }).waitFor();
  await tabTo(({ label }) => label.startsWith('lobby'));
  await page.keyboard.press('Enter');
  await page.locator('crds-head h1', { hasText: 'lobby' }).waitFor();
  await ana.waitFor('ready to write', async () => (await focused()).tag === 'textarea');
  ana.isWell();
}

export async function names_are_completed({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana');
  const mel = await Person.in(browser, url, 'Melanie');
  await ana.page.locator('crds-people').getByText('Melanie').waitFor();
  await ana.composer.pressSequentially('hi @mel');
  await ana.page.getByRole('option', { name: 'Melanie' }).waitFor();
  await ana.composer.press('Tab');
  assert.equal(await ana.composer.inputValue(), 'hi @Melanie ');
  await ana.composer.press('Enter');
  await mel.page.locator('.bubble.for-me', { hasText: 'hi @Melanie' }).waitFor();
  // A whole name is not made another's.
  const short = await Person.in(browser, url, 'Mel');
  await ana.page.locator('crds-people').getByText('Mel', { exact: true }).waitFor();
  await ana.composer.pressSequentially('thanks @Mel');
  await ana.page.getByRole('option', { name: 'Melanie' }).waitFor();
  await ana.composer.press('Enter');
  await short.page.locator('.bubble.for-me', { hasText: /^thanks @Mel\d/ }).waitFor();
  for (const person of [ana, mel, short]) person.isWell();
}
