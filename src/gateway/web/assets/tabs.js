// A tab that was duplicated keeps what the first one keeps, and would throw it out.

import { tab } from './memory.js';

const ANSWER_WITHIN_MS = 150;

/** Whether a tab of before is open with what this one keeps. From now on this one answers who asks that. */
export async function isOpenTwice() {
  const channel = new BroadcastChannel('crds');
  channel.addEventListener('message', ({ data: { asks } }) => {
    if (asks && asks === tab.get('token')) channel.postMessage({ has: asks });
  });
  const token = tab.get('token');
  if (!token) return false;
  return new Promise((resolve) => {
    channel.addEventListener('message', ({ data: { has } }) => has === token && resolve(true));
    channel.postMessage({ asks: token });
    setTimeout(resolve, ANSWER_WITHIN_MS, false);
  });
}
