// Times as people read them.

const clock = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const whole = new Intl.DateTimeFormat([], { dateStyle: 'full', timeStyle: 'medium', hourCycle: 'h23' });
const weekday = new Intl.DateTimeFormat('en', { weekday: 'long', day: 'numeric', month: 'long' });
const dated = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'long', year: 'numeric' });

/** `10:15` */
export const clockTime = (ms) => clock.format(ms);

/** Everything about it, for a tooltip. */
export const wholeTime = (ms) => whole.format(ms);

/** Which day, to compare. */
export const dayOf = (ms) => new Date(ms).toDateString();

/** `Today`, `Yesterday`, `Friday, 20 November`, `3 May 2025` */
export function dayName(ms) {
  const days = Math.round((startOfDay(Date.now()) - startOfDay(ms)) / 86_400_000);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return days < 200 ? weekday.format(ms) : dated.format(ms);
}

/** `10:15`, or the day too if it was another. */
export const shortTime = (ms) => (dayOf(ms) === dayOf(Date.now()) ? clockTime(ms) : `${dayName(ms)}, ${clockTime(ms)}`);

function startOfDay(ms) {
  return new Date(ms).setHours(0, 0, 0, 0);
}

/** Milliseconds from what the server wrote; now, if it wrote nothing. */
export function parseTime(text) {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? Date.now() : ms;
}
