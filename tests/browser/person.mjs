// Somebody at the page, in a browser of that one's own.

import assert from 'node:assert/strict';

/** Far more than anything takes, for a machine that is busy. */
export const WAIT_MS = 30_000;

export const DESKTOP = { viewport: { width: 1440, height: 900 } };
export const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

export class Person {
  /** What went wrong in the page, and what it asked of others than the server. */
  problems = [];

  static async open(browser, url, options = {}) {
    const context = await browser.newContext({ ...DESKTOP, locale: 'en-GB', timezoneId: 'UTC', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    const person = new Person();
    Object.assign(person, { context, page, url });
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) person.problems.push(`${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => person.problems.push(error.stack));
    page.on('request', (request) => {
      const { protocol, host } = new URL(request.url());
      if (!['blob:', 'data:'].includes(protocol) && host !== new URL(url).host) person.problems.push(`a request to ${request.url()}`);
    });
    await page.goto(url);
    return person;
  }

  static async in(browser, url, name, options) {
    const person = await Person.open(browser, url, options);
    await person.comeIn(name);
    return person;
  }

  async comeIn(name) {
    this.name = name;
    await this.page.getByLabel('Your name').fill(name);
    const comeIn = this.page.getByRole('button', { name: 'Come in' });
    await comeIn.click();
    // Who had the name in the test before may be leaving still.
    const inUse = this.page.getByText('Username has already been used');
    await this.waitFor('in', async () => {
      if (await this.composer.isVisible()) return true;
      if ((await inUse.isVisible()) && (await comeIn.isEnabled())) await comeIn.click();
      return false;
    });
  }

  get composer() {
    return this.page.locator('crds-composer textarea');
  }

  async goTo(word, name) {
    await this.page.evaluate((hash) => (location.hash = hash), `#/${word}/${encodeURIComponent(name)}`);
    await this.page.locator('crds-head h1', { hasText: name }).waitFor();
  }

  async write(text) {
    await this.composer.fill(text);
    await this.composer.press('Enter');
  }

  /** The bubble with exactly this text. */
  line(text) {
    return this.page.locator('.bubble').filter({ has: this.page.getByText(text, { exact: true }) });
  }

  async sees(text) {
    await this.line(text).first().waitFor();
  }

  async seesOnce(text) {
    await this.sees(text);
    assert.equal(await this.line(text).count(), 1, `${this.name} sees ${text} more than once`);
  }

  async waitFor(what, is) {
    const end = Date.now() + WAIT_MS;
    while (!(await is())) {
      if (Date.now() > end) throw new Error(`${this.name}: not ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async choose(...files) {
    await this.page.locator('crds-composer input[type=file]').setInputFiles(files);
    await this.page.locator('.tray li').nth(files.length - 1).waitFor();
    await this.page.getByRole('button', { name: 'Send', exact: true }).click();
  }

  /** The next request of the page for this is held; resolves to it. */
  holds(path) {
    return new Promise((resolve) => this.page.route(path, resolve, { times: 1 }));
  }

  /** Nothing was wrong; `expected` are problems that the test made. */
  isWell(...expected) {
    const unexpected = this.problems.filter((problem) => !expected.some((pattern) => pattern.test(problem)));
    assert.deepEqual(unexpected, [], `problems in ${this.name}'s page`);
  }

  async leave() {
    await this.context.close();
  }
}
