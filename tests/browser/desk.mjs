// What is beside the browser: the server, a client in a terminal. The Rust test has them; it is asked line by line.

import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks, and waits until it is done. */
export async function desk(what, fields = {}) {
  process.stdout.write(`${JSON.stringify({ what, ...fields })}\n`);
  const { value, done } = await lines.next();
  if (done) throw new Error(`the test that was asked for ${what} has ended`);
  return JSON.parse(value);
}

/** Waits until the terminal shows this. */
export const see = (text) => desk('see', { text });

let room;

/** Tom, at his terminal, in this room. */
export async function tomIn(name) {
  const { prompt } = await desk('terminal', { name: 'Tom' });
  await desk('type', { prompt, line: `chat ${name}` });
  await see(`[in room ${name}`);
  room = name;
}

/** What Tom types there. */
export const tomSays = (line) => desk('type', { prompt: `[${room}] Tom> `, line });
