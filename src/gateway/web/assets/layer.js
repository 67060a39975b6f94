// What lies over the talk has a place of its own in the browser's history, so that a phone's Back closes it.

/** Has Back call `close`. Returns what is to be called when it is closed, in whatever way. */
export function laidOver(close) {
  history.pushState({ isLayer: true }, '');
  addEventListener('popstate', close);
  return () => {
    removeEventListener('popstate', close);
    if (isOver()) history.back();
  };
}

/** Whether the place in the history is that of what lies over the talk. */
export function isOver() {
  return history.state?.isLayer === true;
}
