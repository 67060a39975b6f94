// Pictures of the page for the report. They are taken when CRDS_PAGE_PICTURES names a folder for them.

import { join } from 'node:path';
import { tomIn, tomSays } from './desk.mjs';
import { landscape } from './picture.mjs';
import { PHONE, Person } from './person.mjs';
import { writeFile } from 'node:fs/promises';

const ROOMS = [
  ['lab2', 'Benches, plotter, coffee'],
  ['field-trip', 'Friday, 8:30, north gate'],
  ['thesis-club', 'Tuesdays at five'],
  ['board-games', undefined],
];
const MINUTES = [0, 2, 3, 4, 9, 10, 31, 46, 47, 48, 50, 53, 54];

async function makeRooms(person) {
  await person.page.evaluate(async (rooms) => {
    const { session } = await import('/assets/session.js');
    for (const [name, topic] of rooms) await session.request('make-room', { name, topic, dialect: 'reliable' });
    await session.learnRooms();
  }, ROOMS);
}

async function all(folder, { browser, url, folder: home }) {
  const open = (name) => Person.in(browser, url, name);
  let ana = await open('Ana');
  await makeRooms(ana);
  const [mel, jun, zoe] = [await open('Mel'), await open('Jun'), await open('Zoë')];
  await zoe.goTo('room', 'field-trip');
  await zoe.write('The bus leaves at 8:30 sharp');
  await zoe.write('Bring boots, it rained all week');
  for (const person of [ana, mel, jun, zoe]) await person.goTo('room', 'lab2');
  await tomIn('lab2');
  await ana.page.locator('crds-people').getByTitle('Takes part by multicast').waitFor();

  const say = async (person, text) => {
    await person.write(text);
    await ana.page.locator('.bubble .text', { hasText: text.replace('/me ', '').slice(0, 20) }).first().waitFor();
  };
  await say(mel, 'Good morning! Is anyone on the oscilloscope in lab 2?');
  await tomSays('I am, until eleven. Take the one on the left, it has the new probes.');
  await ana.page.getByText('Take the one on the left').first().waitFor();
  await writeFile(join(home, 'order.txt'), '2 x probe 10:1\n1 x paper roll A1\n');
  await tomSays('/send order.txt');
  await ana.page.locator('crds-file', { hasText: 'order.txt' }).getByRole('link').waitFor();
  await say(mel, 'Perfect, thank you 🙏');
  await say(mel, 'You have the bench on Thursday, @Ana: the plan is at https://plan.lab.example/week48');
  await say(ana, 'Thursday is good. I need it for an hour or so.');
  await say(zoe, '/me brings cake at four');
  await say(jun, 'The plotter is back from repair. First print of the relief map:');
  await jun.choose({ name: 'relief-map.png', mimeType: 'image/png', buffer: landscape(1200, 680, 4) });
  await ana.page.getByRole('img', { name: 'Picture: relief-map.png' }).waitFor();
  await say(zoe, 'Oh, that is beautiful!');
  await say(ana, 'It turned out so well. Could you put the file here too, Jun? I would like to print one for the field trip.');
  await jun.choose({ name: 'relief-map-v3.zip', mimeType: 'application/zip', buffer: Buffer.alloc(2_430_000, 7) });
  await ana.page.locator('crds-file', { hasText: 'relief-map-v3.zip' }).getByRole('link').waitFor();
  await say(ana, 'Thank you! And cake at four: I am in 🍰');
  await ana.page.getByLabel('Delivered to all 4').last().waitFor();
  await mel.goTo('with', 'Ana');
  await mel.write('Lunch at twelve?');
  await ana.page.locator('crds-rooms').getByRole('link', { name: /Mel/ }).waitFor();
  await group(ana);

  for (const scheme of ['light', 'dark']) await shoot(ana, folder, `page-desktop-${scheme}`, scheme);
  await ana.leave();
  ana = await Person.open(browser, url, PHONE);
  await ana.page.screenshot({ path: join(folder, 'page-phone-first.png') });
  await ana.comeIn('Ana');
  await ana.goTo('room', 'lab2');
  await ana.page.getByText('I am in').first().waitFor();
  await ana.page.getByRole('img', { name: 'Picture: relief-map.png' }).waitFor();
  for (const scheme of ['light', 'dark']) await shoot(ana, folder, `page-phone-${scheme}`, scheme);
  await ana.page.getByRole('link', { name: 'All rooms' }).click();
  await shoot(ana, folder, 'page-phone-rooms', 'light');
}

async function group(ana) {
  await ana.page.evaluate(async () => {
    const { session } = await import('/assets/session.js');
    await session.request('group-set', { group: 'cake', members: ['Ana', 'Zoë', 'Tom'] });
  });
  await ana.page.locator('crds-rooms').getByRole('link', { name: /cake/ }).waitFor();
}

/** The talk as if it had taken a morning, and not a minute. */
async function shoot(person, folder, name, colorScheme) {
  await person.page.emulateMedia({ colorScheme });
  await person.page.evaluate(async (minutes) => {
    const { state } = await import('/assets/state.js');
    const { items } = state.current;
    const morning = new Date().setHours(9, 12, 0, 0);
    let at = 0;
    for (const item of items) item.at = morning + (minutes[item.what === 'notice' ? at : at++] ?? 60) * 60_000;
    document.querySelector('crds-talk').show();
  }, MINUTES);
  await person.page.waitForTimeout(700);
  await person.page.screenshot({ path: join(folder, `${name}.png`) });
}

export async function pictures_for_the_report(world) {
  const folder = process.env.CRDS_PAGE_PICTURES;
  if (folder) await all(folder, world);
}
