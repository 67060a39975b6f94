// Plays the tests one after the other, on the server that the Rust test has. What it prints goes to standard error:
// standard output is the desk's.

import { chromium } from 'playwright-core';
import { desk } from './desk.mjs';
import * as parts from './parts.mjs';
import * as first from './first.mjs';
import * as talk from './talk.mjs';
import * as files from './files.mjs';
import * as hostile from './hostile.mjs';
import * as away from './away.mjs';
import * as looks from './looks.mjs';
import * as shots from './shots.mjs';

// The pictures need a server without the tests' rooms.
const only = process.env.CRDS_PAGE_PICTURES ? 'pictures_for_the_report' : process.env.CRDS_BROWSER_ONLY;
const { url, folder } = await desk('serve');
const browser = await chromium.launch({ executablePath: process.env.CRDS_CHROMIUM, args: ['--disable-gpu'] });
let failed = 0;
for (const [name, test] of [parts, first, talk, files, hostile, away, looks, shots].flatMap(Object.entries)) {
  if (only && !name.includes(only)) continue;
  const began = Date.now();
  try {
    await test({ browser, url, folder });
    console.error(`ok ${name} (${Date.now() - began} ms)`);
  } catch (error) {
    failed += 1;
    console.error(`FAILED ${name}: ${error.stack}`);
    for (const [at, page] of browser.contexts().flatMap((context) => context.pages()).entries()) {
      console.error(`--- page ${at}: ${page.url()}\n${await page.locator('body').innerText().catch(() => '(gone)')}`);
      if (process.env.CRDS_BROWSER_PICTURES) await page.screenshot({ path: `${process.env.CRDS_BROWSER_PICTURES}/${name}-${at}.png` });
    }
  }
  for (const context of browser.contexts()) await context.close();
}
await browser.close();
process.exit(failed ? 1 : 0);
