// The page's pure modules, without a browser.

import assert from 'node:assert/strict';
import { Conversation, keyOf, makeItem } from '../../src/gateway/web/assets/conversation.js';
import { mentions, printable, printableLines, segments, size } from '../../src/gateway/web/assets/text.js';

export function text_is_made_safe() {
  assert.equal(printable('\x1b[2J\r\nBob: hi\t!'), '␛[2J␍␊Bob: hi !');
  assert.equal(printable('a\u202eb\u009bc\u2028\u2066'), 'a\ufffdb\ufffdc\ufffd\ufffd');
  assert.equal(printableLines('one\r\ntwo\nthree\0'), 'one\ntwo\nthree␀');
  assert.equal(printable('Grüße, 你好 👋'), 'Grüße, 你好 👋');
}

export function only_addresses_of_the_web_become_links() {
  const links = (text) => segments(text).filter((part) => part.href).map((part) => part.text);
  assert.deepEqual(links('see https://example.org/a_(b), or (http://example.org/x).'), ['https://example.org/a_(b)', 'http://example.org/x']);
  assert.deepEqual(links('javascript:alert(1) data:text/html,x file:///etc/passwd ftp://example.org'), []);
  assert.deepEqual(links('https:// http://'), []);
  const whole = (text) => segments(text).map((part) => part.text).join('');
  for (const text of ['', 'plain', 'a https://example.org, b', '<b>https://x.org</b>']) assert.equal(whole(text), text);
  assert.equal(segments('https://x.org/"onclick="a')[0].href, 'https://x.org/');
}

export function who_is_meant() {
  assert.ok(mentions('thanks, ana!', 'Ana'));
  assert.ok(mentions('@Jo look', 'Jo'));
  assert.ok(!mentions('so jo', 'Jo'));
  assert.ok(!mentions('banana', 'Ana'));
  assert.ok(!mentions('anything', ''));
}

export function sizes_read_as_in_the_terminal() {
  assert.deepEqual([13, 1200, 12_000, 3_400_000].map(size), ['13 bytes', '1.2 kB', '12 kB', '3.4 MB']);
}

export function live_talk_and_history_meet_without_doubles() {
  const talk = new Conversation('room', 'lab1');
  const line = (sequence, at, fields = {}) => makeItem({ from: 'Ana', text: `line ${sequence}`, at, key: `aa:${sequence}`, ...fields });
  assert.equal(talk.take(line(3, 3000)).how, 'last');
  assert.equal(talk.take(line(1, 1000, { number: 11 })).how, 'added');
  assert.equal(talk.take(line(3, 3100, { number: 13 })).how, 'same');
  assert.deepEqual(talk.items.map((item) => item.text), ['line 1', 'line 3']);
  assert.equal(talk.items[1].number, 13);
}

export function my_own_line_comes_back_as_itself() {
  const talk = new Conversation('room', 'lobby');
  const own = (fields) => makeItem({ from: 'Ana', own: true, text: 'ok', at: 1000, ...fields });
  const [first, second] = [own({ state: 'sending', saidAt: 900 }), own({ state: 'sending', saidAt: 950 })];
  talk.take(first);
  talk.take(second);
  const key = keyOf({ number: 7 }, true);
  assert.equal(talk.take(own({ key, saidAt: 900, at: 61_000 })).item, first);
  assert.equal(first.state, 'there');
  assert.equal(second.state, 'sending');
  // One more of the same text is another line.
  assert.equal(talk.take(own({ key: keyOf({ number: 9 }, true), saidAt: 99_000, at: 99_000 })).item, second);
  assert.equal(talk.take(own({ key: keyOf({ number: 10 }, true), saidAt: 99_500, at: 99_500 })).how, 'last');
}

export function what_nothing_tells_apart_is_told_by_time() {
  const talk = new Conversation('room', 'plain');
  talk.take(makeItem({ from: 'Bob', text: 'hi', at: 5000 }));
  assert.equal(talk.take(makeItem({ from: 'Bob', text: 'hi', at: 5400, number: 3 })).how, 'same');
  assert.equal(talk.take(makeItem({ from: 'Bob', text: 'hi', at: 5500, number: 4 })).how, 'last');
  assert.equal(talk.take(makeItem({ from: 'Bob', text: 'hi', at: 90_000 })).how, 'last');
}
