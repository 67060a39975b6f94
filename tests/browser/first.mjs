// The first page: what it weighs, and taking a name.

import assert from 'node:assert/strict';
import { Person } from './person.mjs';

const FIRST_PAINT_BYTES_MAX = 100_000;

export async function the_first_page_is_light({ browser, url }) {
  const person = await Person.open(browser, 'about:blank');
  person.url = url;
  const devtools = await person.context.newCDPSession(person.page);
  let bytes = 0;
  const asked = [];
  devtools.on('Network.responseReceived', ({ response }) => asked.push(response.url));
  devtools.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
  await devtools.send('Network.enable');
  const page = await person.page.goto(url);
  assert.match(page.headers()['content-security-policy'], /default-src 'none'; script-src 'self'; style-src 'self';/);
  await person.page.getByRole('button', { name: 'Come in' }).waitFor();
  await person.page.waitForLoadState('networkidle');
  console.error(`   the page: ${asked.length} files, ${bytes} bytes`);
  assert.ok(bytes > 5000 && bytes < FIRST_PAINT_BYTES_MAX, `${bytes} bytes`);
  await person.leave();
}

export async function a_name_belongs_to_one({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana');
  const other = await Person.open(browser, url);
  await other.page.getByText('Ana is here').waitFor();
  await other.page.getByLabel('Your name').fill('ANA');
  await other.page.keyboard.press('Enter');
  await other.page.getByText('Username has already been used. Please enter another name.').waitFor();
  await other.page.getByLabel('Your name').fill('no spaces!');
  await other.page.keyboard.press('Enter');
  await other.page.getByText('is not allowed').waitFor();
  await other.comeIn('Mel');
  await ana.page.locator('crds-people').getByText('Mel').waitFor();

  // Quit gives the name back.
  await ana.page.getByRole('button', { name: 'Quit' }).click();
  await ana.page.getByRole('button', { name: 'Come in' }).waitFor();
  await ana.page.getByText('Mel is here').waitFor();
  await ana.comeIn('Ana');
  ana.isWell();
  other.isWell();
}

/** The connection comes a second late. */
export async function who_is_quicker_than_the_connection_comes_in({ browser, url }) {
  const ana = await Person.open(browser, 'about:blank');
  await ana.page.addInitScript(() => {
    const { WebSocket: Quick } = globalThis;
    globalThis.WebSocket = class extends EventTarget {
      static OPEN = 1;
      readyState = 0;
      constructor(address) {
        super();
        setTimeout(() => {
          const socket = new Quick(address);
          socket.binaryType = 'arraybuffer';
          this.send = (data) => socket.send(data);
          this.close = () => socket.close();
          for (const type of ['open', 'message', 'close']) {
            socket.addEventListener(type, ({ data }) => {
              this.readyState = socket.readyState;
              this.dispatchEvent(Object.assign(new Event(type), { data }));
            });
          }
        }, 1000);
      }
    };
  });
  await ana.page.goto(url);
  await ana.page.getByLabel('Your name').fill('Ana');
  await ana.page.getByRole('button', { name: 'Come in' }).click();
  await ana.composer.waitFor();
  await ana.leave();
}

export async function a_reload_changes_nothing({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana');
  const mel = await Person.in(browser, url, 'Mel');
  await mel.goTo('with', 'Ana');
  await mel.write('only for you');
  await ana.goTo('with', 'Mel');
  await ana.sees('only for you');
  await ana.composer.fill('half a senten');
  await ana.page.reload();
  await ana.seesOnce('only for you');
  assert.equal(await ana.composer.inputValue(), 'half a senten');
  await ana.goTo('room', 'lobby');
  await ana.write('still Ana');
  await mel.goTo('room', 'lobby');
  await mel.seesOnce('still Ana');
  ana.isWell();
  mel.isWell();
}

export async function a_tab_that_is_duplicated_leaves_the_first_where_it_is({ browser, url }) {
  const ana = await Person.in(browser, url, 'Ana');
  // As "Duplicate tab" does, that takes along what the tab keeps.
  const [page] = await Promise.all([ana.context.waitForEvent('page'), ana.page.evaluate(() => void open(location.href))]);
  await page.getByText('You are here in another tab already.').waitFor();
  const zoe = Object.assign(new Person(), { page, url });
  await zoe.comeIn('Zoe');
  await ana.write('still here');
  await zoe.seesOnce('still here');
  // Each goes on as the one that it is.
  for (const person of [ana, zoe]) await person.page.reload();
  await zoe.write('as Zoe');
  await ana.page.getByRole('button', { name: 'Zoe', exact: true }).waitFor();
  await ana.seesOnce('as Zoe');
  ana.isWell();
}

export async function a_face_can_be_given({ browser, url }) {
  const { landscape } = await import('./picture.mjs');
  const mel = await Person.in(browser, url, 'Mel');
  const ana = await Person.open(browser, url);
  const input = ana.page.getByLabel('Choose a picture');
  await input.setInputFiles({ name: 'x.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
  await ana.page.getByText('That is no picture').waitFor();
  await input.setInputFiles({ name: 'me.png', mimeType: 'image/png', buffer: landscape(300, 200) });
  await ana.page.locator('crds-welcome crds-avatar img').waitFor();
  await ana.comeIn('Ana');
  await ana.write('look at me');
  const seen = mel.page.locator('crds-talk crds-avatar[name=Ana] img');
  await seen.waitFor();
  await mel.waitFor('the picture', () => seen.evaluate((img) => img.complete && img.naturalWidth === 128));
  // And away again.
  await ana.page.getByTitle('Name, picture and more').click();
  await ana.page.getByRole('button', { name: 'Draw one' }).click();
  await ana.page.getByRole('button', { name: 'Save' }).click();
  await mel.page.locator('crds-talk crds-avatar[name=Ana] svg').waitFor();
  ana.isWell();
  mel.isWell();
}
