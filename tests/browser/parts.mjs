// The page's pure modules, without a browser.

import assert from 'node:assert/strict';
import { Conversation, FROM_THE_END, keyOf, makeItem } from '../../src/gateway/web/assets/conversation.js';
import { state } from '../../src/gateway/web/assets/state.js';
import { mentions, printable, printableLines, segments, size } from '../../src/gateway/web/assets/text.js';

const HOUR_MS = 3_600_000;
const NOON = Date.parse('2026-11-27T12:00:00Z');
const time = (ms) => new Date(ms).toISOString();

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
  assert.deepEqual([1, 13, 999, 1000, 1200, 9950].map(size), ['1 byte', '13 bytes', '999 bytes', '1.0 kB', '1.2 kB', '10 kB']);
  assert.deepEqual([65_536, 999_499, 999_500, 3_400_000].map(size), ['66 kB', '999 kB', '1.0 MB', '3.4 MB']);
}

export function there_is_one_lobby() {
  assert.ok(new Conversation('room', 'Lobby').isLobby);
  assert.ok(!new Conversation('person', 'Lobby').isLobby);
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
  const own = (fields) => makeItem({ from: 'Ana', own: true, text: 'ok', at: 1000, isLive: true, ...fields });
  const [first, second] = [900, 950].map((saidAt) => own({ state: 'sending', isLive: false, saidAt }));
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

export function what_i_said_in_a_plain_room_comes_back_as_itself() {
  const talk = new Conversation('room', 'plain');
  const own = (fields) => makeItem({ from: 'Ana', own: true, text: 'ok', ...fields });
  // By my clock it is an hour later than by the server's.
  const [first, second] = [1000, 1100].map((at) => own({ state: 'sending', at, saidAt: at + HOUR_MS }));
  for (const item of [first, second]) {
    talk.take(item);
    talk.confirm(item, null);
  }
  // They waited for the server.
  const heard = [60_000, 60_100];
  for (const at of heard) talk.take(own({ at, saidAt: at, isLive: true }));
  heard.forEach((at, i) => talk.take(own({ at, saidAt: at, number: i + 1, key: keyOf({ number: i + 1, heard_at: time(at) }, false) })));
  assert.deepEqual(talk.items, [first, second]);
  assert.deepEqual(talk.items.map((item) => [item.at, item.number]), [[60_000, 1], [60_100, 2]]);
  assert.equal(talk.take(own({ at: 60_200, saidAt: 60_200, isLive: true })).how, 'last');
}

export function what_i_said_to_one_alone_twice_stays_two_lines() {
  const talk = new Conversation('person', 'Bob');
  // As a reload brings it back.
  for (const at of [1000, 5000]) talk.take(makeItem({ from: 'Ana', own: true, text: 'ok', at, saidAt: at }));
  assert.equal(talk.items.length, 2);
}

export function what_nothing_tells_apart_is_told_by_time() {
  const talk = new Conversation('room', 'plain');
  talk.take(makeItem({ from: 'Bob', text: 'hi', at: 5000 }));
  assert.equal(talk.take(makeItem({ from: 'Bob', text: 'hi', at: 5400, number: 3 })).how, 'same');
  assert.equal(talk.take(makeItem({ from: 'Bob', text: 'hi', at: 5500, number: 4 })).how, 'last');
  assert.equal(talk.take(makeItem({ from: 'Bob', text: 'hi', at: 90_000 })).how, 'last');
}

export async function what_is_said_once_more_is_another_line() {
  const room = await PlainRoom.open('hasty');
  await room.enter();
  room.say('ok');
  room.leave();
  await room.enter();
  room.say('ok', 'Bob', 'text', 1000);
  assert.deepEqual(room.shown, room.said);
}

/** A plain room, its history, and the page's session with it, in the stead of the server. */
class PlainRoom {
  entries = [];
  now = NOON;
  #lastNumber = 0;

  static async open(name) {
    globalThis.location ??= { protocol: 'http:', host: 'nowhere' };
    const { session } = await import('../../src/gateway/web/assets/session.js');
    const { hear } = await import('../../src/gateway/web/assets/events.js');
    return new PlainRoom(name, session, hear);
  }

  constructor(name, session, hear) {
    Object.assign(this, { name, session, hear });
    this.talk = state.conversation('room', name);
  }

  /** Somebody says something, and the page, if it is there, hears it. */
  say(text, from = 'Bob', what = 'text', after = 5000) {
    this.now += after;
    const at = time(this.now);
    this.entries.push({ number: ++this.#lastNumber, what, from, text, said_at: at, heard_at: at });
    if (!this.talk.entered) return;
    if (what === 'text') this.hear({ event: 'line', room: this.name, from, text, at, said_at: at }, this.session);
    else this.hear({ event: { joined: 'entered', left: 'left' }[what], room: this.name, name: from, at }, this.session);
  }

  sayMany(first, last) {
    for (let i = first; i <= last; i++) this.say(`line ${i}`);
  }

  /** `early` is said when the page is in the room and has not asked for its past yet, which may be refused. */
  async enter(early, isRefused = false) {
    const answers = {
      enter: () => {
        this.talk.entered = true;
        if (early) this.say(early);
        return {};
      },
      history: (which) => {
        if (isRefused) throw new Error('too fast');
        return this.#page(which);
      },
    };
    this.session.link = { isOpen: true, request: async (what, fields) => answers[what](fields) };
    await this.session.join(this.talk);
  }

  leave() {
    this.session.gone(this.talk);
  }

  beginAnew() {
    this.entries = [];
    this.#lastNumber = 0;
  }

  async scrollUp() {
    for (let pages = 0; this.talk.before && pages < 50; pages++) await this.session.learnOlder(this.talk);
    assert.equal(this.talk.before, null);
  }

  #page({ limit, before = Infinity, since }) {
    const fits = this.entries.filter((entry) => entry.number < before && !(entry.heard_at < since));
    const entries = fits.slice(-limit);
    return { entries, before: fits.length > limit ? entries[0].number : undefined, now: time(this.now) };
  }

  get shown() {
    return this.talk.items.map((item) => item.text);
  }

  get said() {
    return this.entries.map((entry) => (entry.what === 'text' ? entry.text : entry.what));
  }
}

export async function many_who_come_at_once_are_asked_after_once() {
  const room = await PlainRoom.open('crowded');
  await room.enter();
  state.current = room.talk;
  let asked = 0;
  room.session.link.request = async () => {
    asked += 1;
    return { members: [] };
  };
  const learned = new Promise((resolve) => state.on('members', resolve));
  for (let i = 0; i < 20; i++) room.say('', `Mel${i}`, 'joined');
  await learned;
  state.current = null;
  assert.equal(asked, 1);
}

export async function what_has_no_record_comes_again_as_itself() {
  const room = await PlainRoom.open('again');
  room.say('', 'Mel', 'joined');
  room.say('before');
  await room.enter();
  room.say('live');
  room.say('', 'Mel', 'left');
  for (const meanwhile of ['meanwhile', 'live', 'and more']) {
    room.leave();
    room.say(meanwhile);
    await room.enter();
    assert.deepEqual(room.shown, room.said);
  }
}

export async function a_history_that_begins_anew_has_other_lines_under_the_same_numbers() {
  const room = await PlainRoom.open('anew');
  for (const text of ['hi', 'how are you']) room.say(text);
  await room.enter();
  room.leave();
  room.beginAnew();
  for (const text of ['hi', 'who is there']) room.say(text);
  await room.enter();
  assert.deepEqual(room.shown, ['hi', 'how are you', 'hi', 'who is there']);
}

export async function what_is_there_is_passed_over_when_the_end_is_asked_for_again() {
  const room = await PlainRoom.open('full');
  await room.enter();
  room.sayMany(1, 1600);
  room.leave();
  await room.enter();
  assert.ok(room.talk.items.length < room.said.length);
  assert.equal(room.talk.before, FROM_THE_END);
  await room.scrollUp();
  assert.deepEqual(room.shown, room.said);
}

export function what_is_not_on_the_screen_does_not_grow_for_ever() {
  const [room, person] = [state.conversation('room', 'elsewhere'), state.conversation('person', 'Bob')];
  for (let i = 0; i < 1600; i++) for (const talk of [room, person]) state.add(talk, makeItem({ text: `line ${i}` }));
  assert.ok(room.items.length < 1200);
  // Nothing else has that.
  assert.equal(person.items.length, 1600);
}

export async function who_was_away_for_long_misses_nothing_in_the_middle() {
  const room = await PlainRoom.open('away');
  room.sayMany(1, 200);
  await room.enter();
  room.leave();
  room.sayMany(201, 1000);
  await room.session.learnOlder(room.talk);
  // What comes before its past is there has the hole above it.
  await room.enter('line 1001');
  assert.deepEqual(room.shown, room.said.slice(-room.shown.length));
  await room.scrollUp();
  assert.deepEqual(room.shown, room.said);
}

export async function who_did_not_get_what_it_missed_gets_it_the_next_time() {
  for (const more of [5, 1000]) {
    const room = await PlainRoom.open(`refused ${more}`);
    room.sayMany(1, 10);
    await room.enter();
    room.leave();
    room.sayMany(11, 700);
    await room.enter('line 701', true);
    room.leave();
    room.sayMany(702, 701 + more);
    await room.enter();
    assert.deepEqual(room.shown, room.said.slice(-room.shown.length));
    await room.scrollUp();
    assert.deepEqual(room.shown, room.said);
  }
}

export async function what_came_live_goes_on_with_all_that_was_missed() {
  const room = await PlainRoom.open('live');
  await room.enter();
  room.sayMany(1, 5);
  room.leave();
  room.sayMany(6, 300);
  await room.enter();
  assert.deepEqual(room.shown, room.said);
}

export async function a_clock_set_back_leaves_what_is_new_at_the_end() {
  const room = await PlainRoom.open('clock');
  room.sayMany(1, 3);
  await room.enter();
  room.say('by the wrong clock');
  room.now -= HOUR_MS;
  room.say('by the right clock');
  assert.deepEqual(room.shown, room.said);
  room.leave();
  room.sayMany(4, 6);
  await room.enter();
  assert.deepEqual(room.shown, room.said);
  // Who comes only now, and scrolls up past that moment.
  room.sayMany(7, 80);
  const newcomer = await PlainRoom.open('clock seen later');
  newcomer.entries = room.entries;
  await newcomer.enter();
  await newcomer.scrollUp();
  assert.deepEqual(newcomer.shown, newcomer.said);
}

export function what_is_not_sent_yet_stands_after_what_was_missed() {
  const talk = new Conversation('room', 'lab2');
  talk.take(makeItem({ text: 'mine', own: true, state: 'sending', at: 1000, saidAt: 1000 }));
  const entry = { number: 1, heard_at: time(9000) };
  talk.takeNewest([makeItem({ from: 'Bob', text: 'missed', at: 9000, number: 1, key: keyOf(entry, false) })]);
  assert.deepEqual(talk.items.map((item) => item.text), ['missed', 'mine']);
}
