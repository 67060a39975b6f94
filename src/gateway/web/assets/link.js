// The socket: requests by id, raw bytes behind their line, and coming back by itself.

const RETRY_FIRST_MS = 400;
const RETRY_MAX_MS = 15_000;
/** As the terminal: a sign of life after so much silence, and so long for an answer. */
const PING_AFTER_MS = 20_000;
const ANSWER_WITHIN_MS = 10_000;
/** Longer texts travel as raw bytes. */
const TEXT_IN_LINE_MAX_BYTES = 8192;

/** The server said no; `code` is one of the protocol's. */
export class Refusal extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

/** The connection went before the answer came. */
export class Lost extends Error {}

/** Events: `open`, `lost` (detail: when the next try is, in ms since 1970), `event` (detail: what the server said). */
export class Link extends EventTarget {
  #url;
  #socket = null;
  #waiting = new Map();
  #nextId = 1;
  #failures = 0;
  #retry = 0;
  #pulse = 0;
  #heardAt = 0;
  /** A line whose raw bytes are still to come. */
  #unfinished = null;
  #wanted = false;

  constructor(url) {
    super();
    this.#url = url;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  start() {
    this.#wanted = true;
    this.#connect();
  }

  stop() {
    this.#wanted = false;
    clearTimeout(this.#retry);
    this.#socket?.close();
  }

  /** Does not wait for the next try any longer. */
  tryNow() {
    if (!this.#wanted || this.#socket) return;
    clearTimeout(this.#retry);
    this.#connect();
  }

  /** Asks; the answer, or `Refusal`, or `Lost`. A text that is too long for a line goes behind it. */
  request(request, fields = {}) {
    if (!this.isOpen) return Promise.reject(new Lost('not connected'));
    const id = this.#nextId++;
    const line = { id, request, ...fields };
    let bytes = null;
    if (typeof line.text === 'string') {
      const text = new TextEncoder().encode(line.text);
      if (text.length > TEXT_IN_LINE_MAX_BYTES) {
        bytes = text;
        delete line.text;
        line.bytes = bytes.length;
      }
    }
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#socket.send(JSON.stringify(line));
    if (bytes) this.#socket.send(bytes);
    return answer;
  }

  #connect() {
    const socket = new WebSocket(this.#url);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#unfinished = null;
    socket.addEventListener('open', () => {
      this.#heardAt = Date.now();
      this.#pulse = setInterval(() => this.#watch(), ANSWER_WITHIN_MS / 2);
      this.dispatchEvent(new Event('open'));
    });
    socket.addEventListener('message', ({ data }) => {
      if (socket === this.#socket) this.#read(data);
    });
    socket.addEventListener('close', () => this.#gone(socket));
  }

  /** It has worked: the next trouble is a new one. */
  settled() {
    this.#failures = 0;
  }

  #read(data) {
    this.#heardAt = Date.now();
    if (typeof data !== 'string') return this.#readBytes(data);
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return undefined;
    }
    if (message.bytes > 0) this.#unfinished = { message, parts: [], left: message.bytes };
    else this.#take(message);
    return undefined;
  }

  #readBytes(data) {
    const unfinished = this.#unfinished;
    if (!unfinished) return;
    unfinished.parts.push(new Uint8Array(data));
    unfinished.left -= data.byteLength;
    if (unfinished.left > 0) return;
    this.#unfinished = null;
    const decoder = new TextDecoder();
    const text = unfinished.parts.map((part) => decoder.decode(part, { stream: true })).join('') + decoder.decode();
    this.#take({ ...unfinished.message, text: unfinished.message.text ?? text });
  }

  #take(message) {
    if (message.event) {
      this.dispatchEvent(new CustomEvent('event', { detail: message }));
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error) waiting?.reject(new Refusal(message.error, message.text ?? message.error));
    else waiting?.resolve(message);
  }

  /** A browser does not tell of a server that is silently gone. */
  #watch() {
    const silent = Date.now() - this.#heardAt;
    if (silent > PING_AFTER_MS + ANSWER_WITHIN_MS) this.#gone(this.#socket);
    else if (silent > PING_AFTER_MS) this.request('ping').catch(() => {});
  }

  #gone(socket) {
    if (!socket || socket !== this.#socket) return;
    clearInterval(this.#pulse);
    this.#socket = null;
    socket.close();
    for (const { reject } of this.#waiting.values()) reject(new Lost('the connection is gone'));
    this.#waiting.clear();
    if (!this.#wanted) return;
    // Doubling, and shared out at random, so that a server that comes back is not met by all at once.
    const longest = Math.min(RETRY_FIRST_MS * 2 ** this.#failures++, RETRY_MAX_MS);
    const wait = longest * (0.5 + Math.random() / 2);
    this.#retry = setTimeout(() => this.#connect(), wait);
    this.dispatchEvent(new CustomEvent('lost', { detail: Date.now() + wait }));
  }
}
